//! A call of the control API as its operations see it, and their answers.

use std::fmt::Write as _;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, ETAG, HeaderValue, LOCATION};
use iam::AccountId;
use iam::Values;
use jiff::Timestamp;
use store::{DistributionEdit, DistributionResource, Distributions, StoreError, Tag};

use super::error::{ControlCode, ControlError};
use super::schema::{self, Field};
use crate::context::RequestContext;
use crate::distributions::tags_of;
use crate::gate::{
    AccountView, AdmissibleCall, DeniedCall, QueryPermission, REVOKED, StoreAccess, Target,
    tag_named,
};
use crate::request::Query;
use crate::respond::{Reply, ReplyBody};
use crate::xml::{Element, XmlWriter};

/// The version of the API, which begins its paths.
pub(super) const VERSION: &str = "2020-05-31";
/// The namespace of all documents.
pub(super) const NAMESPACE: &str = "http://cloudfront.amazonaws.com/doc/2020-05-31/";
/// How many resources a page of a list has where nothing is said, and at most.
const ITEMS_MAX: usize = 100;

/// What an operation is made of.
#[derive(Clone, Copy)]
pub(super) struct ControlRequest<'r> {
    /// The ids in the path, in their order.
    pub(super) ids: [&'r str; 2],
    pub(super) query: &'r Query<'r>,
    pub(super) if_match: Option<&'r str>,
    pub(super) body: &'r [u8],
}

impl ControlRequest<'_> {
    pub(super) fn id(&self) -> String {
        let [id, _] = self.ids;
        id.to_owned()
    }

    /// The body, checked and in its full form.
    pub(super) fn document(&self, root: &str, fields: &[Field]) -> Result<Element, ControlError> {
        if self.body.is_empty() {
            return Err(ControlError::new(ControlCode::MissingBody));
        }
        let malformed = || ControlError::new(ControlCode::MalformedXML);
        let document = Element::parse(self.body).filter(|document| document.name == root);
        schema::check(&document.ok_or_else(malformed)?, fields)
    }

    /// The state that is to be changed.
    pub(super) fn if_match(&self) -> Result<String, ControlError> {
        let missing = || ControlError::new(ControlCode::InvalidIfMatchVersion);
        let etag = self.if_match.map(|etag| etag.trim_matches('"')).filter(|etag| !etag.is_empty());
        etag.map(str::to_owned).ok_or_else(missing)
    }

    pub(super) fn page(&self) -> Result<Page, ControlError> {
        let marker = self.query.get("Marker").unwrap_or_default().to_owned();
        let most = match self.query.get("MaxItems").filter(|text| !text.is_empty()) {
            None => ITEMS_MAX,
            Some(text) => {
                let number = text.parse().ok().filter(|number| *number > 0);
                number.ok_or_else(|| ControlError::invalid("MaxItems is a number above 0."))?
            }
        };
        Ok(Page { marker, most: most.min(ITEMS_MAX) })
    }
}

/// Which part of a list is asked for.
#[derive(Debug)]
pub(super) struct Page {
    marker: String,
    most: usize,
}

impl Page {
    /// Writes a list that is in the order of its ids: `write` writes one item.
    pub(super) fn write<T>(
        &self,
        (xml, style): (&mut XmlWriter, ListStyle),
        all: Vec<T>,
        id: impl Fn(&T) -> &str,
        write: impl FnMut(&mut XmlWriter, &T),
    ) {
        let after = all.into_iter().filter(|item| id(item) > self.marker.as_str()).collect();
        self.write_rest((xml, style), after, id, write);
    }

    /// What comes after the marker, in a list that has another order; all of it if the marker is not there.
    pub(super) fn skip<T>(&self, mut all: Vec<T>, id: impl Fn(&T) -> &str) -> Vec<T> {
        match all.iter().position(|item| id(item) == self.marker) {
            Some(at) => all.split_off(at + 1),
            None => all,
        }
    }

    /// Writes as much of a list as a page holds.
    pub(super) fn write_rest<T>(
        &self,
        (xml, style): (&mut XmlWriter, ListStyle),
        mut after: Vec<T>,
        id: impl Fn(&T) -> &str,
        mut write: impl FnMut(&mut XmlWriter, &T),
    ) {
        let more = after.len() > self.most;
        after.truncate(self.most);
        if style == ListStyle::Told {
            xml.text("Marker", &self.marker);
        }
        if let Some(last) = after.last().filter(|_| more) {
            xml.text("NextMarker", id(last));
        }
        xml.plain("MaxItems", self.most);
        if style == ListStyle::Told {
            xml.plain("IsTruncated", more);
        }
        xml.plain("Quantity", after.len());
        if !after.is_empty() {
            xml.element("Items", |xml| after.iter().for_each(|item| write(xml, item)));
        }
    }
}

/// Whether a list tells its marker and whether it is cut: some of the API's do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ListStyle {
    Told,
    Short,
}

/// An operation of the control API. Everything about it stands here; the table in `table.rs` names it.
pub(super) trait ControlOperation: Sized + Send + Sync {
    /// The action as policies spell it.
    const ACTION: &'static str;

    fn read(request: &ControlRequest<'_>) -> Result<Self, ControlError>;

    /// The resource of the action, as policies name it.
    fn resource(&self, account: &AccountId) -> String;

    /// The tags that the call brings.
    fn tags(&self) -> &[Tag] {
        &[]
    }

    /// The keys of tags that the call takes away.
    fn tag_keys(&self) -> &[String] {
        &[]
    }

    async fn run(self, access: ControlAccess) -> Result<ControlReply, ControlError>;
}

/// An operation as the gate admits it.
pub(super) struct Admitted<O> {
    pub(super) operation: O,
    pub(super) target: TaggedTarget,
}

/// The distribution that a call is about, with the tags by which the call is judged.
pub(super) struct TaggedTarget {
    /// The distribution's id; empty if the call is about none of the caller's account.
    id: String,
    tags: Vec<Tag>,
}

impl TaggedTarget {
    /// What an ARN names among the distributions of an account.
    pub(super) fn of_arn(arn: &str, account: &AccountId, all: &Distributions) -> Self {
        let id = distribution_id(arn, account).unwrap_or_default().to_owned();
        let tags = Self::tags_now(&id, account, all);
        Self { id, tags }
    }

    fn tags_now(id: &str, account: &AccountId, all: &Distributions) -> Vec<Tag> {
        let found = own(all.resource(id), account, store::ResourceKind::Distribution);
        found.map_or_else(Vec::new, |found| tags_of(&found))
    }
}

/// The store, for an operation that was admitted.
pub(super) struct ControlAccess {
    access: StoreAccess,
    target: TaggedTarget,
}

impl ControlAccess {
    pub(super) fn new(access: StoreAccess, target: TaggedTarget) -> Self {
        Self { access, target }
    }

    /// The account of the caller. A call that is admitted has one.
    pub(super) fn account(&self) -> Result<&AccountId, ControlError> {
        self.access.account().map_err(|_| ControlError::new(ControlCode::AccessDenied))
    }

    pub(super) fn now(&self) -> Timestamp {
        self.access.now()
    }

    pub(super) fn context(&self) -> &RequestContext {
        self.access.context()
    }

    /// All resources as they are now.
    pub(super) fn distributions(&self) -> Arc<Distributions> {
        self.access.store().distributions()
    }

    /// Changes resources in one transaction. Refused if the distribution that the call is about no longer has the tags by
    /// which the call was judged.
    pub(super) async fn change<T: Send>(
        &self,
        now: Timestamp,
        mut change: impl FnMut(&mut DistributionEdit) -> Result<T, ControlError> + Send,
    ) -> Result<T, ControlError> {
        let (account, TaggedTarget { id, tags }) = (self.account()?, &self.target);
        let changed = self.access.store().change_distributions(now, |edit| {
            if TaggedTarget::tags_now(id, account, edit.distributions()) != *tags {
                return Err(ControlError::with_message(
                    ControlCode::PreconditionFailed,
                    "The tags of the distribution changed while the call was judged. Send it again.",
                ));
            }
            change(edit)
        });
        changed.await?
    }
}

/// What whoever gives something tags needs.
const TAG: &str = "cloudfront:TagResource";

impl<O: ControlOperation> AdmissibleCall for Admitted<O> {
    type Refusal = ControlError;

    fn permissions(&self, at: &AccountView<'_>) -> Result<Vec<QueryPermission>, ControlError> {
        let target = Target::new(self.operation.resource(at.account));
        let permission = |action, target| QueryPermission { action, target };
        let mut needed = vec![permission(O::ACTION, target.clone())];
        // Whoever may make something, and may not tag, makes it without tags.
        if !self.operation.tags().is_empty() && O::ACTION != TAG {
            needed.push(permission(TAG, target));
        }
        Ok(needed)
    }

    fn condition<'k>(&'k self, _target: &'k Target, key: &str) -> Option<Values<'k>> {
        if key == "aws:tagkeys" {
            let operation = &self.operation;
            let keys = operation.tags().iter().map(|tag| &tag.key).chain(operation.tag_keys());
            let keys: Vec<_> = keys.map(|key| key.as_str().into()).collect();
            return (!keys.is_empty()).then_some(Values::Many(keys));
        }
        match key.split_once('/')? {
            ("aws:requesttag", name) => tag_named(self.operation.tags(), name),
            ("aws:resourcetag", name) => tag_named(&self.target.tags, name),
            _ => None,
        }
    }

    fn unreadable(cause: StoreError) -> ControlError {
        cause.into()
    }

    fn revoked() -> ControlError {
        ControlError::with_message(ControlCode::AccessDenied, REVOKED)
    }

    fn denied(denied: &DeniedCall<'_>) -> ControlError {
        let DeniedCall { principal, action, resource, why } = denied;
        ControlError::with_message(
            ControlCode::AccessDenied,
            format!(
                "User: {principal} is not authorized to perform: {action} on resource: {resource} {why}"
            ),
        )
    }
}

/// The answer of an operation.
pub(super) struct ControlReply {
    status: StatusCode,
    body: Option<String>,
    etag: Option<String>,
    /// The path of what was made, below the version.
    location: Option<String>,
}

impl ControlReply {
    /// A document with this root.
    pub(super) fn document(root: &str, content: impl FnOnce(&mut XmlWriter)) -> Self {
        let mut xml = XmlWriter::document();
        xml.raw(&format!("<{root} xmlns=\"{NAMESPACE}\">"));
        content(&mut xml);
        xml.raw(&format!("</{root}>"));
        Self { status: StatusCode::OK, body: Some(xml.finish()), etag: None, location: None }
    }

    /// What was asked for is done, and there is nothing to say.
    pub(super) fn done() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: None, etag: None, location: None }
    }

    /// The state that the document shows.
    pub(super) fn of_state(self, etag: &str) -> Self {
        Self { etag: Some(etag.to_owned()), ..self }
    }

    /// The document shows what was made at this path.
    pub(super) fn made(self, path: String) -> Self {
        Self { status: StatusCode::CREATED, location: Some(path), ..self }
    }

    pub(super) fn into_reply(self, origin: &str) -> Reply {
        let mut reply = Reply::new(self.status);
        if let Some(body) = self.body {
            reply.set(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
            reply.body = ReplyBody::Full(body.into());
        }
        if let Some(etag) = self.etag {
            reply.set_text(ETAG, &etag);
        }
        if let Some(path) = self.location {
            reply.set_text(LOCATION, &format!("{origin}/{VERSION}/{path}"));
        }
        reply
    }
}

/// A time as the API writes it.
pub(super) fn time(time: Timestamp) -> String {
    let mut text = time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    // Writing to a `String` cannot fail.
    let _ = write!(text, ".{:03}Z", time.subsec_millisecond());
    text
}

/// The id of the distribution that an ARN names, if it is one of the account.
pub(super) fn distribution_id<'a>(arn: &'a str, account: &AccountId) -> Option<&'a str> {
    let rest = arn.strip_prefix("arn:aws:cloudfront::")?.strip_prefix(account.as_str())?;
    rest.strip_prefix(":distribution/")
}

/// The resource, as far as the account has it: to others it is as if it were not there.
pub(super) fn own(
    found: Option<&Arc<DistributionResource>>,
    account: &AccountId,
    kind: store::ResourceKind,
) -> Option<Arc<DistributionResource>> {
    found.filter(|found| found.account == *account && found.kind == kind).cloned()
}
