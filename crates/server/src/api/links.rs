//! Managed links: made, listed, shown, changed and taken back.

mod list;
mod revoke;
mod shown;
mod state;
mod undeliverable;
mod wanted;

use std::sync::Arc;

use hyper::StatusCode;
use jiff::Timestamp;
use ledger::{LinkEntry, LinkName, LinkScope, UseQuery};
use presign::{Endpoint, ExpiresIn, Fingerprint, LinkLabel};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{ETag, LinkPurpose, Lookup, ManagedLink, ManagedLinkId, PutManagedLink};

use super::document::{Json, NoDocument};
use super::error::{ApiCode, ApiError};
use super::link_rights::{LIST, denied, may_on, owns};
use super::operation::{ApiOperation, ApiPermission, ApiRequest};
use super::uses::{self, ShownTotals, ShownUse};
use crate::error::{Code, S3Error, refusal};
use crate::gate::{Authorized, LentRequest, StoreAccess, lent_action};
use crate::link_ledger::LinkLedger;
use crate::permission::{CREATE_LINK, Permission};
pub(super) use list::ListLinks;
pub(super) use revoke::RevokeLink;
use shown::{ShownLink, ShownNotice};
use state::{LinkState, seen_state};
use wanted::{WantedLink, WantedPresigned, WantedPurpose};

/// How many uses are shown with a link.
const USES_SHOWN: usize = 100;
/// How many notices are shown with a link.
const NOTICES_SHOWN: usize = 100;

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
    let may = owns(access, &link) || may_on(access, action, &link.purpose);
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
        if !may_on(access, CREATE_LINK, &purpose) {
            return Err(denied(CREATE_LINK));
        }
        let object = check_place(access, &purpose).await?;
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
            delete_object_at_end: object.filter(|_| wanted.delete_object_at_end),
            closed_at: None,
            revision: 1,
        };
        if access.is_orphaned(&Arc::new(link.clone())).await? {
            return Err(denied(lent_action(&link.purpose)));
        }
        if let WantedPurpose::Presigned(wanted) = &asked {
            wanted.check_version(access).await?;
        }
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
        shown.notes = undeliverable::notes(&link.notify, &access.context().config);
        Ok(Json(shown))
    }
}

/// Refuses a link that would lead nowhere at once, or to what its maker may not do: a mistyped name is better found here
/// than by whoever is sent the link.
async fn check_place(
    access: &StoreAccess,
    purpose: &LinkPurpose,
) -> Result<Option<ETag>, ApiError> {
    let bucket = access.bucket(purpose.bucket()).await?;
    let (key, version) = match purpose {
        LinkPurpose::Object { key, version, .. } => (key, version.as_ref()),
        // The files come later; whether they may is asked with each.
        LinkPurpose::Folder { .. } | LinkPurpose::Request { .. } => return Ok(None),
        LinkPurpose::Presigned { key, .. } => {
            let permission = Permission::object(lent_action(purpose), purpose.bucket(), key);
            access.require(permission).await?;
            return Ok(None);
        }
    };
    let permission = Permission::object(lent_action(purpose), purpose.bucket(), key);
    access.require(Permission { version, ..permission }).await?;
    match access.object(&bucket, key, version).await? {
        Lookup::Object(found) => Ok(Some(found.etag)),
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

    /// Refuses a version that the caller may not have.
    async fn check_version(&self, access: &StoreAccess) -> Result<(), ApiError> {
        let Some(version) = &self.version else { return Ok(()) };
        let action =
            if self.method == "DELETE" { "s3:DeleteObjectVersion" } else { "s3:GetObjectVersion" };
        let permission = Permission::object(action, &self.bucket, &self.key);
        Ok(access.require(Permission { version: Some(version), ..permission }).await?)
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
        let mut is_own = false;
        let mut shown = match (managed, &entry) {
            (Some(_), _) => {
                let link = found(access, whole, LIST).await?;
                is_own = owns(access, &link);
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
            let seen = page.uses.iter().filter(|used| is_own || uses::may_see_use(access, used));
            shown.recorded = seen.map(ShownUse::of).collect();
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
        let link = found(access, call.operation().name, LIST).await?;
        // Whoever could not make the link now must not make it live longer.
        for action in [CREATE_LINK, lent_action(&link.purpose)] {
            if !may_on(access, action, &link.purpose) {
                return Err(denied(action));
            }
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
        let mut shown = ShownLink::of(access, &link, state).await?.with_secret(access, &link);
        shown.notes = undeliverable::notes(&link.notify, &access.context().config);
        Ok(Json(shown))
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
