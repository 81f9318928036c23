//! Managed links: made, listed, shown, changed and taken back.

mod list;
mod shown;
mod state;
mod wanted;

use std::sync::Arc;

use hyper::StatusCode;
use jiff::{SignedDuration, Timestamp};
use ledger::{LinkEntry, LinkName, LinkScope, UseQuery};
use presign::{Endpoint, ExpiresIn, Fingerprint, LinkLabel};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{
    LinkPurpose, Lookup, ManagedLink, ManagedLinkId, PutManagedLink, REVOCATION_LIFE, Revocation,
    RevocationScope, Revoke, RevokedLinks,
};

use super::document::{Json, NoDocument};
use super::error::{ApiCode, ApiError};
use super::link_rights::{CREATE, denied, may_on, own_name};
use super::operation::{ApiOperation, ApiPermission, ApiRequest};
use super::revocations::{LIST, REVOKE, ShownRevocation, shown as shown_revocation};
use super::uses::{self, ShownTotals, ShownUse};
use crate::error::{Code, S3Error, refusal};
use crate::gate::{Authorized, LentRequest, StoreAccess, lent_action};
use crate::link_ledger::LinkLedger;
use crate::permission::Permission;
pub(super) use list::ListLinks;
use shown::{ShownLink, ShownNotice};
use state::{LinkState, seen_state};
use wanted::{WantedLink, WantedPresigned, WantedPurpose};

/// How many uses are shown with a link.
const USES_SHOWN: usize = 100;
/// How many notices are shown with a link.
const NOTICES_SHOWN: usize = 100;
/// A revocation outlives its link by so much, as clocks may differ.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(15);

/// `POST /links`
pub(super) struct CreateLink;

/// `GET /links/{name}`
pub(super) struct GetLink {
    name: Option<LinkName>,
}

/// `PATCH /links/{name}`
pub(super) struct ChangeLink {
    name: Option<Fingerprint>,
}

/// `DELETE /links/{name}`
pub(super) struct RevokeLink {
    name: Option<Fingerprint>,
}

/// What is to be changed of a link.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedChange {
    /// When the link is to end.
    expires_at: Option<String>,
    /// What the link is to be called; empty: nothing.
    label: Option<String>,
    /// Who is to be told what becomes of it.
    notify: Option<Vec<String>>,
}

/// What the ledger has of a link of the caller's account. Of two links with one short name, neither is meant.
async fn entry(access: &StoreAccess, name: LinkName) -> Result<Option<LinkEntry>, ApiError> {
    let Some(ledger) = access.link_gate()?.ledger() else { return Ok(None) };
    // Whoever asks what became of a link has perhaps used it just now.
    ledger.flush().await;
    let scope = LinkScope::of_account(access.account()?.as_str());
    let mut named = ledger.links_named(scope, name).await.map_err(uses::refused)?;
    let first = named.pop();
    Ok(first.filter(|_| named.is_empty()))
}

/// The link that a call names, if the caller made it or has the permission for it. Others are told of none.
async fn found(
    access: &StoreAccess,
    name: Option<Fingerprint>,
    action: &'static str,
) -> Result<Arc<ManagedLink>, ApiError> {
    let none = || ApiError::new(ApiCode::NoSuchLink);
    let link = access.link_gate()?.managed_link(&name.ok_or_else(none)?).await?;
    let link = link.filter(|link| access.account().is_ok_and(|account| *account == link.account));
    let link = link.ok_or_else(none)?;
    let may = own_name(access).as_ref() == Some(&link.creator.signer)
        || may_on(access, action, &link.purpose);
    if may { Ok(link) } else { Err(none()) }
}

/// A link by its id or its whole fingerprint.
fn name(request: &ApiRequest<'_>) -> Result<Option<Fingerprint>, ApiError> {
    let text = request.path("name")?;
    let of_id = text.parse::<ManagedLinkId>().map(|id| id.fingerprint());
    Ok(of_id.ok().or_else(|| text.parse().ok()))
}

impl ApiOperation for CreateLink {
    const STATUS: StatusCode = StatusCode::CREATED;
    type Request = Json<WantedLink>;
    type Answer = Json<ShownLink>;

    fn read(_request: &ApiRequest<'_>) -> Result<Self, ApiError> {
        Ok(Self)
    }

    /// What the link is for is known when its document has been read.
    fn permission(&self) -> ApiPermission<'_> {
        ApiPermission::LinkByLink
    }

    async fn run(
        call: Authorized<Self>,
        Json(wanted): Json<WantedLink>,
    ) -> Result<Json<ShownLink>, ApiError> {
        let (access, now) = (call.access(), call.access().now());
        let (expires_at, conditions) = (wanted.end(now)?, wanted.conditions()?);
        wanted::refuse_never_open("not_before", &conditions, expires_at)?;
        wanted.check_passphrase()?;
        let asked = wanted.purpose()?;
        let purpose = match &asked {
            WantedPurpose::Managed(purpose) => purpose.clone(),
            // The signature comes once the link may be made.
            WantedPurpose::Presigned(wanted) => wanted.unsigned(),
        };
        if !may_on(access, CREATE, &purpose) {
            return Err(denied(CREATE));
        }
        check_place(access, &purpose).await?;
        let passphrase = match wanted.passphrase.clone() {
            Some(passphrase) => Some(access.link_gate()?.passphrases().hash(passphrase).await?),
            None => None,
        };
        let mut link = ManagedLink {
            id: ManagedLinkId::generate().map_err(refusal::of_store)?,
            account: access.account()?.clone(),
            creator: access.as_creator()?,
            purpose,
            created_at: now,
            expires_at,
            conditions,
            passphrase,
            landing: wanted.landing(),
            names_creator: wanted.show_creator,
            notify: wanted.notify()?,
            delete_object_at_end: wanted.delete_object_at_end,
            closed_at: None,
            revision: 1,
        };
        let url = match &asked {
            WantedPurpose::Managed(_) => None,
            WantedPurpose::Presigned(wanted) => Some(wanted.sign(access, &mut link).await?),
        };
        match access.store().put_managed_link(link.clone()).await.map_err(refusal::of_store)? {
            PutManagedLink::Recorded => {}
            PutManagedLink::TooMany => return Err(ApiError::new(ApiCode::TooManyLinks)),
        }
        let link = Arc::new(link);
        LinkLedger::new(Arc::clone(access.link_gate()?)).note(&link);
        let state = LinkState::of(access, &link).await?;
        let mut shown = ShownLink::of(access, &link, state).await?.with_secret(access, &link);
        shown.url = url.or(shown.url);
        Ok(Json(shown))
    }
}

/// Refuses a link that would lead nowhere at once, or to what its maker may not do: a mistyped name is better found here
/// than by whoever is sent the link.
async fn check_place(access: &StoreAccess, purpose: &LinkPurpose) -> Result<(), ApiError> {
    let bucket = access.bucket(purpose.bucket()).await?;
    let (key, version) = match purpose {
        LinkPurpose::Object { key, version, .. } => (key, version.as_ref()),
        // The files come later; whether they may is asked with each.
        LinkPurpose::Folder { .. } | LinkPurpose::Request { .. } => return Ok(()),
        LinkPurpose::Presigned { key, .. } => {
            let permission = Permission::object(lent_action(purpose), purpose.bucket(), key);
            return Ok(access.require(permission).await?);
        }
    };
    let permission = Permission::object(lent_action(purpose), purpose.bucket(), key);
    access.require(Permission { version, ..permission }).await?;
    match access.object(&bucket, key, version).await? {
        Lookup::Object(_) => Ok(()),
        Lookup::DeleteMarker(_)
        | Lookup::NoSuchKey
        | Lookup::NoSuchVersion
        | Lookup::NoSuchBucket => {
            access.may_know(purpose.bucket(), key).await?;
            Err(S3Error::new(Code::NoSuchKey).into())
        }
    }
}

impl WantedPresigned {
    fn unsigned(&self) -> LinkPurpose {
        LinkPurpose::Presigned {
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            method: self.method.to_owned(),
            signature: Fingerprint::of_signature(b""),
        }
    }

    /// Signs the link as the link signer, and notes its signature.
    async fn sign(&self, access: &StoreAccess, link: &mut ManagedLink) -> Result<String, ApiError> {
        let now = access.now();
        let internal = || ApiError::new(ApiCode::InternalError);
        let seconds = link.expires_at.duration_since(now).as_secs().max(1);
        let expires_in = u64::try_from(seconds).ok();
        let expires_in = expires_in.and_then(|life| ExpiresIn::from_seconds(life).ok());
        let version = self.version.as_ref().map(ToString::to_string);
        let query: Vec<_> =
            version.as_deref().map(|version| ("versionId", version)).into_iter().collect();
        // The record has the conditions; those of the URL say them to whoever reads it.
        let conditions = link.conditions.clone();
        let lent = LentRequest {
            method: self.method,
            key: self.key.as_str(),
            query: &query,
            headers: &[],
            expires_in: expires_in.ok_or_else(internal)?,
            conditions,
        };
        let endpoint = Endpoint::parse(&access.context().public_origin())
            .map_err(|cause| internal().because(cause))?;
        let presigned = access.link_gate()?.lend(link, (&lent, &endpoint), now).await?;
        if let LinkPurpose::Presigned { signature, .. } = &mut link.purpose {
            *signature = presigned.fingerprint;
        }
        Ok(presigned.url)
    }
}

impl ApiOperation for GetLink {
    const STATUS: StatusCode = StatusCode::OK;
    type Request = NoDocument;
    type Answer = Json<ShownLink>;

    fn read(request: &ApiRequest<'_>) -> Result<Self, ApiError> {
        Ok(Self { name: uses::link_name(request.path("name")?) })
    }

    fn permission(&self) -> ApiPermission<'_> {
        ApiPermission::LinkByLink
    }

    async fn run(call: Authorized<Self>, _: NoDocument) -> Result<Json<ShownLink>, ApiError> {
        let access = call.access();
        let none = || ApiError::new(ApiCode::NoSuchLink);
        let name = call.operation().name.ok_or_else(none)?;
        let entry = entry(access, name).await?;
        let whole = match name {
            LinkName::Whole(fingerprint) => Some(fingerprint),
            LinkName::Short(_) => entry.as_ref().map(|entry| entry.link.fingerprint),
        };
        let managed = access.link_gate()?.managed_link(&whole.ok_or_else(none)?).await?;
        let mut shown = match (managed, &entry) {
            (Some(_), _) => {
                let link = found(access, whole, LIST).await?;
                let state = LinkState::of(access, &link).await?;
                let mut shown = ShownLink::of(access, &link, state).await?;
                let notices = access.store().notices_of(&link.fingerprint(), NOTICES_SHOWN).await;
                let notices = notices.map_err(refusal::of_store)?.into_iter();
                shown.notices = notices.map(ShownNotice::of).collect();
                shown.with_secret(access, &link)
            }
            (None, Some(entry)) if uses::may_see(access, entry) => {
                ShownLink::seen(entry, seen_state(access, entry).await?)
            }
            (None, Some(_) | None) => return Err(none()),
        };
        if let (Some(entry), Some(ledger)) = (&entry, access.link_gate()?.ledger()) {
            shown.totals = Some(ShownTotals::of(entry));
            let scope = LinkScope::of_account(access.account()?.as_str());
            let link = Some(LinkName::Whole(entry.link.fingerprint));
            let query = UseQuery { link, limit: USES_SHOWN, ..UseQuery::new(scope) };
            let page = ledger.uses(query).await.map_err(uses::refused)?;
            shown.recorded = page.uses.iter().map(ShownUse::of).collect();
        }
        Ok(Json(shown))
    }
}

impl ApiOperation for ChangeLink {
    const STATUS: StatusCode = StatusCode::OK;
    type Request = Json<WantedChange>;
    type Answer = Json<ShownLink>;

    fn read(request: &ApiRequest<'_>) -> Result<Self, ApiError> {
        Ok(Self { name: name(request)? })
    }

    fn permission(&self) -> ApiPermission<'_> {
        ApiPermission::LinkByLink
    }

    async fn run(
        call: Authorized<Self>,
        Json(wanted): Json<WantedChange>,
    ) -> Result<Json<ShownLink>, ApiError> {
        let (access, now) = (call.access(), call.access().now());
        let link = found(access, call.operation().name, CREATE).await?;
        // Whoever may not make the link any more must not make it live longer.
        if !may_on(access, CREATE, &link.purpose) {
            return Err(denied(CREATE));
        }
        let gate = access.link_gate()?;
        if gate.revocation_of(&link, now).await?.is_some() {
            return Err(ApiError::with_message(
                ApiCode::LinkEnded,
                "The link was taken back. Undo the revocation first.",
            ));
        }
        let change = Change::read(wanted, &link, now)?;
        let name = link.fingerprint();
        let changed = access.store().change_managed_link(&name, |link| {
            change.apply(link);
            link.closed_at.is_none()
        });
        let changed = changed.await.map_err(refusal::of_store)?;
        let ended =
            || ApiError::with_message(ApiCode::LinkEnded, "The link has ended: make another one.");
        let link = changed.ok_or_else(ended)?;
        let state = LinkState::of(access, &link).await?;
        Ok(Json(ShownLink::of(access, &link, state).await?.with_secret(access, &link)))
    }
}

/// A change, read and found to be possible.
struct Change {
    expires_at: Option<Timestamp>,
    label: Option<WantedLabel>,
    notify: Option<Vec<String>>,
}

/// What is to become of a label.
enum WantedLabel {
    Named(LinkLabel),
    Gone,
}

impl Change {
    fn read(wanted: WantedChange, link: &ManagedLink, now: Timestamp) -> Result<Self, ApiError> {
        let WantedChange { expires_at, label, notify } = wanted;
        if expires_at.is_some() && matches!(link.purpose, LinkPurpose::Presigned { .. }) {
            let message = "A presigned URL says itself when it ends: make another one.";
            return Err(ApiError::invalid_argument("expires_at", message));
        }
        let end = expires_at.map(|at| wanted::end(Some(&at), wanted::last_end(now), now));
        let end = end.transpose()?;
        if let Some(end) = end {
            wanted::refuse_never_open("expires_at", &link.conditions, end)?;
        }
        let label = label.map(|text| {
            if text.is_empty() {
                return Ok(WantedLabel::Gone);
            }
            text.parse().map(WantedLabel::Named).map_err(|_| {
                let message = "`label` is 1 to 256 printable characters.";
                ApiError::invalid_argument("label", message)
            })
        });
        Ok(Self {
            expires_at: end,
            label: label.transpose()?,
            notify: notify.map(wanted::targets).transpose()?,
        })
    }

    fn apply(&self, link: &mut ManagedLink) {
        link.expires_at = self.expires_at.unwrap_or(link.expires_at);
        match &self.label {
            Some(WantedLabel::Named(label)) => link.conditions.label = Some(label.clone()),
            Some(WantedLabel::Gone) => link.conditions.label = None,
            None => {}
        }
        if let Some(notify) = &self.notify {
            link.notify.clone_from(notify);
        }
    }
}

impl ApiOperation for RevokeLink {
    const STATUS: StatusCode = StatusCode::OK;
    type Request = NoDocument;
    type Answer = Json<ShownRevocation>;

    fn read(request: &ApiRequest<'_>) -> Result<Self, ApiError> {
        Ok(Self { name: name(request)? })
    }

    fn permission(&self) -> ApiPermission<'_> {
        ApiPermission::LinkByLink
    }

    async fn run(call: Authorized<Self>, _: NoDocument) -> Result<Json<ShownRevocation>, ApiError> {
        let (access, now) = (call.access(), call.access().now());
        let link = found(access, call.operation().name, REVOKE).await?;
        let account = access.account()?.clone();
        let may = may_on(access, REVOKE, &link.purpose);
        let signer = if may { None } else { own_name(access) };
        let target = match &link.purpose {
            LinkPurpose::Object { bucket, key, .. }
            | LinkPurpose::Presigned { bucket, key, .. } => Some((bucket.clone(), key.clone())),
            LinkPurpose::Folder { .. } | LinkPurpose::Request { .. } => None,
        };
        let usual = now.checked_add(REVOCATION_LIFE).unwrap_or(Timestamp::MAX);
        let ends_at = link.expires_at.checked_add(CLOCKS_APART).unwrap_or(Timestamp::MAX);
        let lives_until = usual.max(ends_at);
        let revocation = Revocation {
            links: RevokedLinks::Link {
                fingerprint: link.fingerprint(),
                target: target.filter(|_| signer.is_none()),
            },
            scope: RevocationScope { account, signer },
            signed_until: lives_until,
            lives_until,
            revoked_at: now,
            revoked_by: access.principal().to_string(),
        };
        match access.store().revoke(revocation).await.map_err(refusal::of_store)? {
            Revoke::Recorded(recorded) => Ok(Json(shown_revocation(recorded))),
            Revoke::TooMany => Err(ApiError::new(ApiCode::TooManyRevocations)),
        }
    }
}
