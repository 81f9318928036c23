//! The list of links: managed ones, and those that the ledger has seen.

use hyper::StatusCode;
use ledger::{Cursor, LinkQuery, LinkSubject};
use presign::LinkLabel;
use schemars::JsonSchema;
use serde::Serialize;
use store::{BucketName, ListManagedLinks, ManagedLink, ManagedLinkPlace};

use super::shown::ShownLink;
use super::state::{LinkState, seen_state};
use crate::api::document::{Json, NoDocument};
use crate::api::error::ApiError;
use crate::api::link_rights::{LIST, may_on, owns};
use crate::api::operation::{ApiOperation, ApiPermission, ApiRequest};
use crate::api::uses;
use crate::error::refusal;
use crate::gate::{Authorized, StoreAccess};

/// How many links are looked through for one answer, where many are not shown.
const LOOKED_THROUGH_MAX: usize = 10_000;
/// `GET /links`
pub(crate) struct ListLinks {
    within: Option<(BucketName, String)>,
    signer: Option<String>,
    label: Option<String>,
    state: Option<LinkState>,
    after: ListPlace,
    limit: usize,
}

/// Where a page of the list begins: managed links come first, and then those that the ledger has seen.
#[derive(Clone, Debug)]
enum ListPlace {
    Managed(Option<ManagedLinkPlace>),
    Seen(Option<Cursor>),
}

/// One page of links, the newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LinkList {
    links: Vec<ShownLink>,
    /// Goes on with the next page. A page may have fewer links than were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl ApiOperation for ListLinks {
    const PARAMETERS: &'static [&'static str] =
        &["bucket", "prefix", "signer", "label", "state", "after", "limit"];
    const STATUS: StatusCode = StatusCode::OK;
    type Request = NoDocument;
    type Answer = Json<LinkList>;

    fn read(request: &ApiRequest<'_>) -> Result<Self, ApiError> {
        let decoded = |name| uses::decoded(request, name);
        let bucket = decoded("bucket")?.map(|bucket| {
            BucketName::parse(&bucket).map_err(|cause| {
                ApiError::invalid_argument("bucket", format!("`bucket`: {cause}."))
            })
        });
        let within = match (bucket.transpose()?, decoded("prefix")?) {
            (Some(bucket), prefix) => Some((bucket, prefix.unwrap_or_default())),
            (None, None) => None,
            (None, Some(_)) => {
                return Err(ApiError::invalid_argument("prefix", "`prefix` needs a `bucket`."));
            }
        };
        let state = decoded("state")?.map(|text| {
            let found = LinkState::ALL.into_iter().find(|state| state.name() == text);
            found.ok_or_else(|| {
                let message =
                    "`state` is scheduled, active, used-up, expired, revoked or orphaned.";
                ApiError::invalid_argument("state", message)
            })
        });
        let after = request.parameter("after").map(place).transpose()?;
        Ok(Self {
            within,
            signer: decoded("signer")?,
            label: decoded("label")?,
            state: state.transpose()?,
            after: after.unwrap_or(ListPlace::Managed(None)),
            limit: uses::limit(request)?,
        })
    }

    fn permission(&self) -> ApiPermission<'_> {
        ApiPermission::LinkByLink
    }

    async fn run(call: Authorized<Self>, _: NoDocument) -> Result<Json<LinkList>, ApiError> {
        let (this, access) = (call.operation(), call.access());
        let mut page = LinkList { links: Vec::new(), next: None };
        let after = match &this.after {
            ListPlace::Managed(after) => match this.managed(access, *after, &mut page).await? {
                Some(after) => Some(ListPlace::Managed(Some(after))),
                None => this.seen(access, None, &mut page).await?,
            },
            ListPlace::Seen(after) => this.seen(access, *after, &mut page).await?,
        };
        page.next = after.map(|after| after.text());
        Ok(Json(page))
    }
}

impl ListLinks {
    /// Adds managed links to a page. Returns where they go on; `None`: there are no more.
    async fn managed(
        &self,
        access: &StoreAccess,
        mut after: Option<ManagedLinkPlace>,
        page: &mut LinkList,
    ) -> Result<Option<ManagedLinkPlace>, ApiError> {
        let mut looked = 0_usize;
        loop {
            let query = ListManagedLinks {
                account: access.account()?.clone(),
                within: self.within.clone(),
                after,
                limit: self.limit.saturating_sub(page.links.len()),
            };
            let found = access.store().managed_links(query).await.map_err(refusal::of_store)?;
            looked = looked.saturating_add(found.links.len());
            for link in &found.links {
                let may_see = owns(access, link) || may_on(access, LIST, &link.purpose);
                if !may_see || !self.asks_for(link) {
                    continue;
                }
                let state = LinkState::of(access, link).await?;
                if self.state.is_none_or(|wanted| wanted == state) {
                    page.links.push(ShownLink::of(access, link, state).await?);
                }
            }
            after = found.next;
            let is_full = page.links.len() >= self.limit || looked >= LOOKED_THROUGH_MAX;
            if after.is_none() || is_full {
                return Ok(after);
            }
        }
    }

    /// Adds links that others have signed. Returns where they go on.
    async fn seen(
        &self,
        access: &StoreAccess,
        after: Option<Cursor>,
        page: &mut LinkList,
    ) -> Result<Option<ListPlace>, ApiError> {
        let Some(ledger) = access.link_gate()?.ledger() else { return Ok(None) };
        let room = self.limit.saturating_sub(page.links.len());
        if room == 0 {
            return Ok(Some(ListPlace::Seen(after)));
        }
        let subject = self.within.as_ref().map(|(bucket, prefix)| LinkSubject::Prefix {
            bucket: bucket.as_str().to_owned(),
            prefix: prefix.clone(),
        });
        let now = access.now();
        let lives = matches!(self.state, Some(LinkState::Active)).then_some(now);
        let ended = matches!(self.state, Some(LinkState::Expired)).then_some(now);
        let query = LinkQuery {
            signer: self.signer.clone(),
            label: self.label.clone(),
            lives_at: lives,
            ended_at: ended,
            after,
            limit: room,
            ..LinkQuery::new(uses::scope(access, subject.as_ref())?)
        };
        let found = ledger.links(LinkQuery { subject, ..query }).await.map_err(uses::refused)?;
        for entry in &found.links {
            if !uses::may_see(access, entry) {
                continue;
            }
            // It stands above already.
            if access.link_gate()?.managed_link(&entry.link.fingerprint).await?.is_some() {
                continue;
            }
            let state = seen_state(access, entry).await?;
            if self.state.is_none_or(|wanted| wanted == state) {
                page.links.push(ShownLink::seen(entry, state));
            }
        }
        Ok(found.next.map(|next| ListPlace::Seen(Some(next))))
    }
}

impl ListLinks {
    fn asks_for(&self, link: &ManagedLink) -> bool {
        let label = link.conditions.label.as_ref().map(LinkLabel::as_str);
        let signer = |text: &String| [&link.creator.arn, &link.creator.signer].contains(&text);
        self.signer.as_ref().is_none_or(signer)
            && self.label.as_deref().is_none_or(|wanted| Some(wanted) == label)
    }
}

impl ListPlace {
    /// The place as `after` names it.
    fn text(&self) -> String {
        match self {
            Self::Managed(Some(ManagedLinkPlace { created_ms, fingerprint })) => {
                format!("m{created_ms}.{fingerprint}")
            }
            Self::Managed(None) => "m".to_owned(),
            Self::Seen(Some(cursor)) => format!("s{cursor}"),
            Self::Seen(None) => "s".to_owned(),
        }
    }
}

fn place(text: &str) -> Result<ListPlace, ApiError> {
    let text = presign::decode_query_component(text).into_owned();
    let read = || {
        let text = String::from_utf8(text).ok()?;
        if text == "s" {
            return Some(ListPlace::Seen(None));
        }
        if let Some(cursor) = text.strip_prefix('s') {
            return Some(ListPlace::Seen(Some(cursor.parse().ok()?)));
        }
        let (created_ms, fingerprint) = text.strip_prefix('m')?.split_once('.')?;
        let (created_ms, fingerprint) = (created_ms.parse().ok()?, fingerprint.parse().ok()?);
        Some(ListPlace::Managed(Some(ManagedLinkPlace { created_ms, fingerprint })))
    };
    read().ok_or_else(|| {
        ApiError::invalid_argument("after", "`after` is what an earlier page has named as `next`.")
    })
}
