//! Takes links back, lists what was taken back, and undoes that.

mod managed;
mod named;
mod shown;

use hyper::StatusCode;
use jiff::{SignedDuration, Timestamp};
use presign::{CauseCode, ExplainQuestion, explain};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{
    ListRevocations, ManagedLinksOf, REVOCATION_LIFE, RecordedRevocation, Revocation,
    RevocationScope, Revoke, RevokedLinks,
};

use super::document::{Json, NoDocument};
use super::error::{ApiCode, ApiError};
use super::link_rights::{ALL_OBJECTS, LIST, REVOKE};
use super::operation::{ApiOperation, ApiPermission, ApiRequest};
use crate::error::{Code, S3Error, refusal};
use crate::gate::{Authorized, LinkSigner, SignedCaller, StoreAccess};
use managed::id_in_short_link;
pub(super) use managed::revoke_managed;
use named::NamedLinks;
pub(super) use shown::ShownRevocation;
use shown::shown;

/// How far ahead the time may lie until which the links were signed: as far as a signer's clock may be ahead.
const BEFORE_AHEAD_MAX: SignedDuration = SignedDuration::from_mins(15);
/// The longest life that may be asked for, for forms that were made to live longer than any link.
const LIFE_ASKED_MAX: SignedDuration = SignedDuration::from_hours(24 * 3660);
/// The most revocations in one answer.
const PAGE_MAX: usize = 1000;

/// `POST /_valet/api/v1/revocations`
pub(super) struct RevokeLinks;

/// `GET /_valet/api/v1/revocations`
pub(super) struct ListRevoked {
    after: u64,
    limit: usize,
}

/// `DELETE /_valet/api/v1/revocations/<id>`
pub(super) struct UndoRevocation {
    number: Option<u64>,
}

/// What is to be revoked: one of `url` (or `link`), `fingerprint`, `access_key_id`, `object` and `prefix`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedRevocation {
    /// A link, whole: a presigned one, or a short link of this server.
    #[serde(alias = "link")]
    url: Option<String>,
    /// The fingerprint of a link or form: 64 hex digits.
    fingerprint: Option<String>,
    /// An access key: all that it signed.
    #[serde(alias = "key")]
    access_key_id: Option<String>,
    /// An object, as `s3://bucket/key`.
    object: Option<String>,
    /// The beginning of keys, as `s3://bucket/prefix`.
    prefix: Option<String>,
    /// Links that were signed until then; otherwise until now.
    before: Option<String>,
    /// How long the revocation is to live, if longer than any link: for forms that were made to live longer.
    until: Option<String>,
}

/// One page of revocations.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RevocationList {
    revocations: Vec<ShownRevocation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl ApiOperation for RevokeLinks {
    const STATUS: StatusCode = StatusCode::CREATED;
    type Request = Json<WantedRevocation>;
    type Answer = Json<ShownRevocation>;

    fn read(_request: &ApiRequest<'_>) -> Result<Self, ApiError> {
        Ok(Self)
    }

    /// Everybody may take back what they signed themselves. Whose links are meant is asked when they are known.
    fn permission(&self) -> ApiPermission<'_> {
        ApiPermission::LinkByLink
    }

    async fn run(
        call: Authorized<Self>,
        Json(wanted): Json<WantedRevocation>,
    ) -> Result<Json<ShownRevocation>, ApiError> {
        let access = call.access();
        if let Some(revoked) = revoke_one_managed(access, &wanted).await? {
            return Ok(Json(revoked));
        }
        let named = NamedLinks::read(&wanted, access)?;
        refuse_what_was_never_made(access, &wanted, &named).await?;
        let (links, scope) = reach(access, named).await?;
        let times = Times::of(&wanted, &links, access.now())?;
        let usual = access.now().checked_add(REVOCATION_LIFE).unwrap_or(Timestamp::MAX);
        if scope.signer.is_some() && (wanted.until.is_some() || times.lives_until > usual) {
            let message =
                format!("To keep a revocation for longer than most links live takes {REVOKE}.");
            return Err(S3Error::with_message(Code::AccessDenied, message).into());
        }
        let lives_until = outliving_managed(access, &links.links, times.lives_until).await?;
        let signed_until = match &links.links {
            RevokedLinks::Link { .. } => times.signed_until.max(lives_until),
            RevokedLinks::AccessKey(_)
            | RevokedLinks::Object(_, _)
            | RevokedLinks::Prefix(_, _) => times.signed_until,
        };
        let revocation = Revocation {
            links: links.links,
            scope,
            signed_until,
            lives_until,
            revoked_at: access.now(),
            revoked_by: access.principal().to_string(),
        };
        match access.store().revoke(revocation).await.map_err(refusal::of_store)? {
            Revoke::Recorded(recorded) => Ok(Json(shown(recorded))),
            Revoke::TooMany => Err(ApiError::new(ApiCode::TooManyRevocations)),
        }
    }
}

/// Takes back the managed link that is named, if one is: by its short link, or by a fingerprint that one has. `None`: the
/// document names links of another kind.
async fn revoke_one_managed(
    access: &StoreAccess,
    wanted: &WantedRevocation,
) -> Result<Option<ShownRevocation>, ApiError> {
    let WantedRevocation { url, fingerprint, access_key_id, object, prefix, before, until } =
        wanted;
    if access_key_id.as_ref().or(object.as_ref()).or(prefix.as_ref()).is_some() {
        return Ok(None);
    }
    let short = url.as_deref().and_then(id_in_short_link).map(|id| id.fingerprint());
    let named = match (short, url, fingerprint) {
        (Some(name), Some(_), None) => name,
        (None, None, Some(text)) => match text.parse() {
            Ok(name) if before.is_none() && until.is_none() => name,
            Ok(_) | Err(_) => return Ok(None),
        },
        _ => return Ok(None),
    };
    if short.is_none() {
        return revoke_managed(access, &named).await;
    }
    for (argument, given) in [("before", before), ("until", until)] {
        if given.is_some() {
            let message = format!(
                "`{argument}` says nothing about a short link, which is one and says itself when it ends."
            );
            return Err(ApiError::invalid_argument(argument, message));
        }
    }
    let none = || ApiError::new(ApiCode::NoSuchLink);
    revoke_managed(access, &named).await?.ok_or_else(none).map(Some)
}

/// A revocation lives for as long as the managed links that it matches, which may be for years.
async fn outliving_managed(
    access: &StoreAccess,
    links: &RevokedLinks,
    lives_until: Timestamp,
) -> Result<Timestamp, ApiError> {
    let store = access.store();
    let last = match links {
        RevokedLinks::Link { fingerprint, .. } => {
            let link = access.link_gate()?.managed_link(fingerprint).await?;
            link.map(|link| link.expires_at)
        }
        // A link to a folder leads to objects of which its own record says nothing.
        RevokedLinks::Object(bucket, _) | RevokedLinks::Prefix(bucket, _) => {
            let of = ManagedLinksOf::Bucket(bucket.clone());
            store.managed_links_end(of).await.map_err(refusal::of_store)?
        }
        RevokedLinks::AccessKey(id) => {
            let key = store.access_key(id).await.map_err(refusal::of_store)?;
            let signer = key.filter(|key| matches!(key.owner, store::KeyOwner::Role { .. }));
            match signer {
                Some(key) => {
                    let of = ManagedLinksOf::Account(key.account.clone());
                    store.managed_links_end(of).await.map_err(refusal::of_store)?
                }
                None => None,
            }
        }
    };
    let outlived = last.and_then(|last| last.checked_add(BEFORE_AHEAD_MAX).ok());
    Ok(outlived.map_or(lives_until, |outlived| outlived.max(lives_until)))
}

/// Refuses a URL that no change makes a link of the key that it names: whoever revokes it would believe that the link is
/// ended, and it is not. Where the caller may not know about the key, nothing is asked; nor while others search, since a link
/// that is to be ended waits for nobody.
async fn refuse_what_was_never_made(
    access: &StoreAccess,
    wanted: &WantedRevocation,
    named: &NamedLinks,
) -> Result<(), ApiError> {
    let (Some(url), Some((claim, target))) = (wanted.url.clone(), named.claim()) else {
        return Ok(());
    };
    let id = claim.access_key_id.as_str();
    let found = access.link_signer(id, claim.token.as_deref(), &target).await?;
    let LinkSigner::Known(signer) = found else { return Ok(()) };
    let Some(secret) = signer.secret else { return Ok(()) };
    let now = access.now();
    let never_made = access.search_if_free(move || {
        let mut question = ExplainQuestion::new(&url);
        question.secret = Some(&secret);
        explain(&question, now)
            .is_ok_and(|told| told.causes.iter().any(|cause| cause.code == CauseCode::Secret))
    });
    if never_made.await.unwrap_or(false) {
        let message = format!(
            "`url` is not the link as it was made: its signature is not one of the key {id}. Nothing was revoked. Copy the link again, or revoke the key, the object or a prefix."
        );
        return Err(ApiError::invalid_argument("url", message));
    }
    Ok(())
}

/// Which of the named links the caller may revoke: those of the whole account, or only their own. A caller who cannot
/// have signed a link that is named alone is refused.
async fn reach(
    access: &StoreAccess,
    named: NamedLinks,
) -> Result<(NamedLinks, RevocationScope), ApiError> {
    let account = access.account()?.clone();
    // What the links are for is asked about whenever it is known: a Deny there counts, whatever else is allowed.
    if named.is_within(|arn| access.may_by_identity(REVOKE, arn)) {
        if let Some((claim, target)) = named.claim() {
            let (id, token) = (claim.access_key_id.as_str(), claim.token.as_deref());
            if !access.is_of_account(id, token, &target).await? {
                let message =
                    "This link was not signed in your account, and is for none of its buckets.";
                return Err(S3Error::with_message(Code::AccessDenied, message).into());
            }
        }
        return Ok((named, RevocationScope { account, signer: None }));
    }
    if let Some(id) = named.access_key()
        && !is_own_key(access, id).await?
    {
        let message = format!("This access key is not yours: to revoke its links takes {REVOKE}.");
        return Err(S3Error::with_message(Code::AccessDenied, message).into());
    }
    let signer = own_name(access)?;
    Ok((named.wherever_used(), RevocationScope { account, signer: Some(signer) }))
}

/// The caller, as revocations of one's own links name them.
fn own_name(access: &StoreAccess) -> Result<String, ApiError> {
    let signed = access.caller().signed();
    signed.map(SignedCaller::signer_name).ok_or_else(|| ApiError::new(ApiCode::AccessDenied))
}

/// Whether a key is one of the caller's.
async fn is_own_key(access: &StoreAccess, id: &str) -> Result<bool, ApiError> {
    let Some(signed) = access.caller().signed() else { return Ok(false) };
    if signed.access_key_id == id {
        return Ok(true);
    }
    let found = access.store().access_key(id).await.map_err(refusal::of_store)?;
    let owner = found.filter(|key| key.account == signed.identity.account);
    let owner = owner.and_then(|key| match &key.owner {
        store::KeyOwner::User { id } => Some(id.clone()),
        store::KeyOwner::Root | store::KeyOwner::Role { .. } => None,
    });
    Ok(owner.is_some() && owner == access.principal().user_id())
}

/// When a revocation's links were signed, and how long it lives.
struct Times {
    signed_until: Timestamp,
    lives_until: Timestamp,
}

impl Times {
    fn of(wanted: &WantedRevocation, named: &NamedLinks, now: Timestamp) -> Result<Self, ApiError> {
        let later =
            |time: Timestamp, by: SignedDuration| time.checked_add(by).unwrap_or(Timestamp::MAX);
        let before = time("before", wanted.before.as_deref())?.unwrap_or(now);
        if before > later(now, BEFORE_AHEAD_MAX) {
            return Err(ApiError::invalid_argument(
                "before",
                "`before` lies ahead: links that are not signed yet cannot be revoked. End their key, or take the permission away.",
            ));
        }
        let mut lives_until = later(before, REVOCATION_LIFE);
        let signed_until = match &named.links {
            // One link is known by its signature, whenever it was signed.
            RevokedLinks::Link { .. } => {
                let last = later(now, REVOCATION_LIFE);
                lives_until = named.link_ends_at.map_or(last, |ends_at| ends_at.max(last));
                lives_until
            }
            RevokedLinks::AccessKey(_)
            | RevokedLinks::Object(_, _)
            | RevokedLinks::Prefix(_, _) => before,
        };
        if let Some(until) = time("until", wanted.until.as_deref())? {
            if until > later(now, LIFE_ASKED_MAX) {
                let message = "`until` lies more than ten years ahead.";
                return Err(ApiError::invalid_argument("until", message));
            }
            lives_until = lives_until.max(until);
        }
        if lives_until <= now {
            return Err(ApiError::invalid_argument(
                "before",
                "No link that was signed by then lives any more: links live for seven days at most.",
            ));
        }
        Ok(Self { signed_until, lives_until })
    }
}

fn time(argument: &'static str, text: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let parsed = text.map(str::parse::<Timestamp>).transpose();
    parsed.map_err(|_| {
        let message = format!("`{argument}` is a time such as 2026-11-30T12:00:00Z.");
        ApiError::invalid_argument(argument, message)
    })
}

impl ApiOperation for ListRevoked {
    const PARAMETERS: &'static [&'static str] = &["after", "limit"];
    const STATUS: StatusCode = StatusCode::OK;
    type Request = NoDocument;
    type Answer = Json<RevocationList>;

    fn read(request: &ApiRequest<'_>) -> Result<Self, ApiError> {
        let number = |name: &'static str, default: u64| match request.parameter(name) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .map_err(|_| ApiError::invalid_argument(name, format!("`{name}` is a number."))),
        };
        let limit = usize::try_from(number("limit", 1000)?).unwrap_or(PAGE_MAX).min(PAGE_MAX);
        if limit == 0 {
            return Err(ApiError::invalid_argument("limit", "`limit` is 1 at least."));
        }
        Ok(Self { after: number("after", 0)?, limit })
    }

    fn permission(&self) -> ApiPermission<'_> {
        ApiPermission::Oneself
    }

    async fn run(call: Authorized<Self>, _: NoDocument) -> Result<Json<RevocationList>, ApiError> {
        let (this, access) = (call.operation(), call.access());
        let all = access.may_by_identity(LIST, ALL_OBJECTS);
        let signer = if all { None } else { Some(own_name(access)?) };
        let (account, after, limit) = (access.account()?.clone(), this.after, this.limit);
        let query = ListRevocations { account, signer, after, limit };
        let page = access.store().revocations(query).await.map_err(refusal::of_store)?;
        let lives = |one: &RecordedRevocation| one.revocation.lives_until >= access.now();
        // A Deny on some objects is met by the names of these alone.
        let may = |arn: &str| access.may_by_identity(LIST, arn);
        let may_see = |one: &RecordedRevocation| {
            !all || NamedLinks::of(one.revocation.links.clone()).is_within(may)
        };
        let seen = |one: &RecordedRevocation| lives(one) && may_see(one);
        Ok(Json(RevocationList {
            revocations: page.revocations.into_iter().filter(seen).map(shown).collect(),
            next: page.next.map(|next| next.to_string()),
        }))
    }
}

impl ApiOperation for UndoRevocation {
    const STATUS: StatusCode = StatusCode::NO_CONTENT;
    type Request = NoDocument;
    type Answer = NoDocument;

    fn read(request: &ApiRequest<'_>) -> Result<Self, ApiError> {
        Ok(Self { number: request.path("id")?.parse().ok() })
    }

    fn permission(&self) -> ApiPermission<'_> {
        ApiPermission::Oneself
    }

    async fn run(call: Authorized<Self>, _: NoDocument) -> Result<NoDocument, ApiError> {
        let access = call.access();
        let none = || ApiError::new(ApiCode::NoSuchRevocation);
        let number = call.operation().number.ok_or_else(none)?;
        let (store, account) = (access.store(), access.account()?);
        let found = store.revocation(account, number).await.map_err(refusal::of_store)?;
        let Revocation { links, scope, .. } = found.ok_or_else(none)?.revocation;
        let is_own = scope.signer.is_some() && scope.signer == Some(own_name(access)?);
        let may = |arn: &str| access.may_by_identity(REVOKE, arn);
        if !is_own && !NamedLinks::of(links).is_within(may) {
            return Err(none());
        }
        let undone = store.undo_revocation(account, number).await.map_err(refusal::of_store)?;
        if undone { Ok(NoDocument) } else { Err(none()) }
    }
}
