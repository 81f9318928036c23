//! The ledger as the API shows it: uses of links, and links that others have signed.

use hyper::StatusCode;
use jiff::Timestamp;
use ledger::{
    Cursor, LedgerError, LinkEntry, LinkName, LinkScope, LinkSubject, RecordedUse, UseOrder,
    UseQuery,
};
use schemars::JsonSchema;
use serde::Serialize;
use store::{BucketName, LinkTarget, ManagedLinkId, ObjectKey, PresentedLink, VersionToken};

use super::document::{Json, NoDocument};
use super::error::{ApiCode, ApiError};
use super::link_rights::{ALL_OBJECTS, ANY_KEY, LIST, may_list_key, own_name};
use super::operation::{ApiOperation, ApiPermission, ApiRequest};
use crate::error::refusal;
use crate::gate::{Authorized, StoreAccess, iso_time};

/// The most uses in one answer.
const PAGE_MAX: usize = 1000;

/// `GET /uses`
pub(super) struct ListUses {
    link: Option<LinkName>,
    subject: Option<LinkSubject>,
    signer: Option<String>,
    label: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    order: UseOrder,
    after: Option<Cursor>,
    limit: usize,
}

/// A use of a link as it is shown.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ShownUse {
    at: String,
    /// The link that was used.
    fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    signer: String,
    operation: String,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    bucket: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<String>,
    bytes: u64,
    duration_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
}

/// One page of uses.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct UseList {
    uses: Vec<ShownUse>,
    /// Goes on with the next page, which may be empty: of the oldest first it leads on to uses that are yet to come. A page
    /// may have fewer uses than were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What became of a link in sum.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct ShownTotals {
    /// How often the link was used.
    served: u64,
    /// How often it was refused.
    refused: u64,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_used_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<String>,
}

impl ShownTotals {
    pub(super) fn of(entry: &LinkEntry) -> Self {
        let LinkEntry { link: _, seen_at: _, first_used_at, last_used_at, served, refused, bytes } =
            entry;
        Self {
            served: *served,
            refused: *refused,
            bytes: *bytes,
            first_used_at: first_used_at.map(iso_time),
            last_used_at: last_used_at.map(iso_time),
        }
    }
}

impl ShownUse {
    pub(super) fn of(used: &RecordedUse) -> Self {
        let facts = &used.link.facts;
        let millis = used.duration.as_millis();
        Self {
            // To the millisecond: many uses fall into one second.
            at: used.at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            fingerprint: used.link.fingerprint.to_string(),
            label: facts.label.as_ref().map(ToString::to_string),
            signer: facts.signer.arn.clone(),
            operation: used.operation.clone(),
            status: used.status,
            code: used.code.clone(),
            bucket: facts.bucket.clone(),
            key: Some(used.key.clone()).filter(|key| !key.is_empty()),
            version_id: used.version.map(|bytes| VersionToken::of_bytes(bytes).to_string()),
            bytes: used.bytes,
            duration_ms: u64::try_from(millis).unwrap_or(u64::MAX),
            address: used.address.map(|address| address.to_string()),
            agent: used.agent.clone(),
        }
    }
}

/// Whose links the caller may see, of those that are for something: all of the account, or their own.
pub(super) fn scope(
    access: &StoreAccess,
    subject: Option<&LinkSubject>,
) -> Result<LinkScope, ApiError> {
    let account = LinkScope::of_account(access.account()?.as_str());
    let may = |arn: &str| access.may_by_identity(LIST, arn);
    let may_all = may(ALL_OBJECTS)
        || match subject {
            None => false,
            Some(LinkSubject::Object { bucket, key }) => {
                may(&format!("arn:aws:s3:::{bucket}/{key}"))
            }
            Some(LinkSubject::Prefix { bucket, prefix }) => {
                ANY_KEY.iter().all(|any| may(&format!("arn:aws:s3:::{bucket}/{prefix}{any}")))
            }
        };
    if may_all {
        return Ok(account);
    }
    let own = own_name(access);
    Ok(account.signed_by(own.ok_or_else(|| ApiError::new(ApiCode::AccessDenied))?))
}

/// Whether the caller may see a use: of what it was for, wherever the link of it leads besides.
pub(super) fn may_see_use(access: &StoreAccess, used: &RecordedUse) -> bool {
    let facts = &used.link.facts;
    may_list_key(access, &facts.signer.user_id, &facts.bucket, &used.key)
}

/// Whether the caller may see a link that somebody has signed.
pub(super) fn may_see(access: &StoreAccess, entry: &LinkEntry) -> bool {
    let facts = &entry.link.facts;
    may_list_key(access, &facts.signer.user_id, &facts.bucket, &facts.key)
}

/// Whether a link that somebody has signed was taken back.
pub(super) async fn is_revoked(access: &StoreAccess, entry: &LinkEntry) -> Result<bool, ApiError> {
    if access.store().revokes_nothing() {
        return Ok(false);
    }
    let facts = &entry.link.facts;
    let Ok(account) = iam::AccountId::parse(&facts.signer.account) else { return Ok(false) };
    let presented = PresentedLink {
        fingerprint: entry.link.fingerprint,
        access_key_id: &facts.signer.access_key_id,
        account: &account,
        signer: &facts.signer.user_id,
        signed_at: facts.signed_at,
    };
    let (bucket, key) = (BucketName::parse(&facts.bucket), ObjectKey::parse(&facts.key).ok());
    let target = bucket.ok().map(|bucket| (bucket, key));
    let targets: Vec<LinkTarget<'_>> =
        target.iter().map(|(bucket, key)| LinkTarget { bucket, key: key.as_ref() }).collect();
    let found = access.store().revocation_of(&presented, &targets, access.now()).await;
    Ok(found.map_err(refusal::of_store)?.is_some())
}

/// The ledger could not answer.
pub(super) fn refused(error: LedgerError) -> ApiError {
    ApiError::new(ApiCode::InternalError).because(error)
}

/// There is no ledger on this server.
pub(super) fn no_ledger() -> ApiError {
    ApiError::with_message(
        ApiCode::NoLedger,
        "This server keeps no ledger of links: it runs with --ledger-days 0.",
    )
}

/// A parameter as text.
pub(super) fn decoded(
    request: &ApiRequest<'_>,
    name: &'static str,
) -> Result<Option<String>, ApiError> {
    let Some(text) = request.parameter(name) else { return Ok(None) };
    let text = presign::decode_query_component(text).into_owned();
    String::from_utf8(text)
        .map(Some)
        .map_err(|_| ApiError::invalid_argument(name, format!("`{name}` is no text.")))
}

/// How many rows a page is to have at most.
pub(super) fn limit(request: &ApiRequest<'_>) -> Result<usize, ApiError> {
    let Some(text) = request.parameter("limit") else { return Ok(PAGE_MAX) };
    let limit: Option<usize> = text.parse().ok().filter(|limit| *limit > 0);
    let limit = limit
        .ok_or_else(|| ApiError::invalid_argument("limit", "`limit` is a number, 1 at least."))?;
    Ok(limit.min(PAGE_MAX))
}

/// What the parameters `bucket`, `key` and `prefix` name.
pub(super) fn subject(request: &ApiRequest<'_>) -> Result<Option<LinkSubject>, ApiError> {
    let named =
        (decoded(request, "bucket")?, decoded(request, "key")?, decoded(request, "prefix")?);
    let (bucket, key, prefix) = match named {
        (None, None, None) => return Ok(None),
        (Some(bucket), key, prefix) => (bucket, key, prefix),
        (None, Some(_), _) | (None, None, Some(_)) => {
            return Err(ApiError::invalid_argument(
                "bucket",
                "`key` and `prefix` need a `bucket`.",
            ));
        }
    };
    if let Err(cause) = BucketName::parse(&bucket) {
        return Err(ApiError::invalid_argument("bucket", format!("`bucket`: {cause}.")));
    }
    Ok(Some(match (key, prefix) {
        (Some(key), None) => LinkSubject::Object { bucket, key },
        (None, prefix) => LinkSubject::Prefix { bucket, prefix: prefix.unwrap_or_default() },
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid_argument("key", "Name a `key` or a `prefix`."));
        }
    }))
}

/// A link by its id, its fingerprint, or the first 16 digits of that.
pub(super) fn link_name(text: &str) -> Option<LinkName> {
    let of_id = text.parse::<ManagedLinkId>().map(|id| LinkName::Whole(id.fingerprint()));
    of_id.ok().or_else(|| text.parse().ok())
}

fn time(request: &ApiRequest<'_>, name: &'static str) -> Result<Option<Timestamp>, ApiError> {
    let parsed = decoded(request, name)?.map(|text| text.parse());
    parsed.transpose().map_err(|_| {
        let message = format!("`{name}` is a time such as 2026-11-30T12:00:00Z.");
        ApiError::invalid_argument(name, message)
    })
}

impl ApiOperation for ListUses {
    const PARAMETERS: &'static [&'static str] = &[
        "link", "bucket", "key", "prefix", "signer", "label", "since", "until", "order", "after",
        "limit",
    ];
    const STATUS: StatusCode = StatusCode::OK;
    type Request = NoDocument;
    type Answer = Json<UseList>;

    fn read(request: &ApiRequest<'_>) -> Result<Self, ApiError> {
        let link = decoded(request, "link")?.map(|text| {
            link_name(&text).ok_or_else(|| {
                let message = "`link` is the id or the fingerprint of a link.";
                ApiError::invalid_argument("link", message)
            })
        });
        let order = match decoded(request, "order")?.as_deref() {
            None | Some("newest") => UseOrder::NewestFirst,
            Some("oldest") => UseOrder::OldestFirst,
            Some(_) => {
                return Err(ApiError::invalid_argument("order", "`order` is newest or oldest."));
            }
        };
        let after = decoded(request, "after")?.map(|text| text.parse::<Cursor>());
        let after = after.transpose().map_err(|_| {
            let message = "`after` is what an earlier page has named as `next`.";
            ApiError::invalid_argument("after", message)
        })?;
        Ok(Self {
            link: link.transpose()?,
            subject: subject(request)?,
            signer: decoded(request, "signer")?,
            label: decoded(request, "label")?,
            since: time(request, "since")?,
            until: time(request, "until")?,
            order,
            after,
            limit: limit(request)?,
        })
    }

    fn permission(&self) -> ApiPermission<'_> {
        ApiPermission::LinkByLink
    }

    async fn run(call: Authorized<Self>, _: NoDocument) -> Result<Json<UseList>, ApiError> {
        let (this, access) = (call.operation(), call.access());
        let ledger = access.link_gate()?.ledger().ok_or_else(no_ledger)?;
        let query = UseQuery {
            link: this.link,
            subject: this.subject.clone(),
            signer: this.signer.clone(),
            label: this.label.clone(),
            since: this.since,
            until: this.until,
            order: this.order,
            after: this.after,
            limit: this.limit,
            ..UseQuery::new(scope(access, this.subject.as_ref())?)
        };
        let page = ledger.uses(query).await.map_err(refused)?;
        Ok(Json(UseList {
            uses: page
                .uses
                .iter()
                .filter(|used| may_see_use(access, used))
                .map(ShownUse::of)
                .collect(),
            next: page.next.map(|next| next.to_string()),
        }))
    }
}
