//! What a link allows, and what it leaves to whoever holds it.

use jiff::Timestamp;

use super::attempt::{Attempt, ClaimFacts};
use crate::claim::Mechanism;
use crate::conditions::LinkConditions;
use crate::encode::{decode_component, decode_query_component};
use crate::presign::EXPIRES_SECONDS_MAX;
use crate::request::QueryPairs;
use crate::scope::AmzDate;

/// What a link is good for, as far as its text and the secret tell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkGrant {
    /// The method, where it is known: it is not in the text of a link.
    pub method: Option<String>,
    /// The operation in words, for instance `GET: download the object`.
    pub operation: String,
    /// The bucket; empty where the path names none.
    pub bucket: String,
    /// The key, decoded once; empty for an operation on a bucket.
    pub key: String,
    /// The access key id that is claimed to have signed it.
    pub signer: String,
    /// The region it is signed for; `None` for SigV2.
    pub region: Option<String>,
    /// The first second in which it works; `None`: it does not say.
    pub from: Option<Timestamp>,
    /// The last second in which it works; `None` where that is not known.
    pub until: Option<Timestamp>,
    /// What ends it then.
    pub limited_by: Vec<ExpiryLimit>,
    /// The operation in words, were it of an object where the text names none, or of a bucket where it names an object.
    otherwise: String,
}

/// What ends a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExpiryLimit {
    /// What its signer asked for.
    Requested,
    /// Seven days, the longest life that there is.
    Maximum,
    /// The end of the session that signed it.
    Session,
    /// It ends with a session of which nobody here knows the end.
    SessionUnknown,
    /// A policy that limits the age of signatures.
    SignatureAge,
    /// A policy that names a time.
    PolicyTime,
}

impl ExpiryLimit {
    /// The word for it, for instance `session-unknown`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Maximum => "maximum",
            Self::Session => "session",
            Self::SessionUnknown => "session-unknown",
            Self::SignatureAge => "signature-age",
            Self::PolicyTime => "policy-time",
        }
    }
}

impl LinkGrant {
    pub(super) fn of(
        attempt: &Attempt,
        facts: &ClaimFacts,
        method: Option<&str>,
        conditions: &LinkConditions,
    ) -> Self {
        let (bucket, key) = place(attempt);
        let hinted = hinted_method(attempt);
        let (method, is_guess) = match (method, hinted) {
            (Some(method), _) => (Some(method), false),
            (None, hinted) => (hinted, true),
        };
        let not_before = conditions.not_before.map(AmzDate::timestamp);
        let full_life = facts.life.from.zip(facts.life.until).is_some_and(|(from, until)| {
            until.duration_since(from).as_secs() >= i64::from(EXPIRES_SECONDS_MAX)
        });
        let mut limited_by = vec![ExpiryLimit::Requested];
        if full_life {
            limited_by.push(ExpiryLimit::Maximum);
        }
        if facts.has_token {
            limited_by.push(ExpiryLimit::SessionUnknown);
        }
        Self {
            operation: operation(attempt, method, is_guess, !key.is_empty()),
            otherwise: operation(attempt, method, is_guess, key.is_empty()),
            method: method.map(str::to_owned),
            bucket,
            key,
            signer: facts.access_key_id.clone(),
            region: facts.scope.as_ref().map(|(region, _)| region.clone()),
            from: facts.life.from.max(not_before),
            until: facts.life.until,
            limited_by,
        }
    }

    /// Says of which bucket and object it is, as the server knows that reads the host and the path. An empty key is that of
    /// the bucket itself.
    pub fn set_place(&mut self, bucket: &str, key: &str) {
        if self.key.is_empty() != key.is_empty() {
            std::mem::swap(&mut self.operation, &mut self.otherwise);
        }
        (self.bucket, self.key) = (bucket.to_owned(), key.to_owned());
    }
}

/// Bucket and key, as the request's host and path name them.
fn place(attempt: &Attempt) -> (String, String) {
    let path = attempt.bare_path();
    let path = path.strip_prefix('/').unwrap_or(path);
    let decoded = |text: &str| String::from_utf8_lossy(&decode_component(text)).into_owned();
    if let Some(bucket) = &attempt.virtual_bucket {
        return (bucket.clone(), decoded(path));
    }
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    (decoded(bucket), decoded(key))
}

/// What other parameters say of the method.
fn hinted_method(attempt: &Attempt) -> Option<&'static str> {
    if let Some(operation) = attempt.query_value("x-id") {
        return ["Get", "List", "Put", "Upload", "Head", "Delete", "Create", "Complete"]
            .into_iter()
            .find(|verb| operation.starts_with(verb))
            .map(|verb| match verb {
                "Get" | "List" => "GET",
                "Put" | "Upload" => "PUT",
                "Head" => "HEAD",
                "Delete" => "DELETE",
                _ => "POST",
            });
    }
    let has = |name: &str| attempt.query_value(name).is_some();
    let reads = QueryPairs::new(&attempt.query).any(|(name, _)| name.starts_with("response-"));
    match () {
        () if has(LinkConditions::ALLOW_HEAD) || reads => Some("GET"),
        () if has("partNumber") || has("x-valet-write-once") => Some("PUT"),
        () if has("x-valet-content-length-range") => Some("PUT"),
        () => None,
    }
}

fn operation(attempt: &Attempt, method: Option<&str>, is_guess: bool, has_key: bool) -> String {
    let Some(method) = method else {
        return "one method, which the link does not name".to_owned();
    };
    let has = |name: &str| attempt.query_value(name).is_some();
    let words = match (method, has_key) {
        ("GET", true) if has("uploadId") => "list the parts of an upload",
        ("GET", true) => "download the object",
        ("HEAD", true) => "read the object's size, type and metadata",
        ("PUT", true) if has("uploadId") => "upload a part of the object",
        ("PUT", true) => "upload the object",
        ("DELETE", true) if has("uploadId") => "abort an upload",
        ("DELETE", true) => "delete the object",
        ("POST", true) if has("uploads") => "begin an upload in parts",
        ("POST", true) if has("uploadId") => "complete an upload in parts",
        ("GET", false) => "list the bucket, or read its settings",
        ("HEAD", false) => "ask whether the bucket is there",
        ("PUT", false) => "create the bucket, or change its settings",
        ("DELETE", false) => "delete the bucket, or settings of it",
        (_, false) => "an operation on the bucket",
        (_, true) => "an operation on the object",
    };
    let named = attempt.method.is_none() && is_guess;
    if named { format!("probably {method}: {words}") } else { format!("{method}: {words}") }
}

/// Something that whoever holds a link may choose, because its signature does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkFreedom {
    /// What is uploaded: any bytes will do.
    Body,
    /// How much is uploaded.
    Size,
    /// A header that is not signed.
    Header(&'static str),
    /// Parameters of the query, but for those that SigV2 covers.
    QueryParameters,
    /// The host by which the server is reached: SigV2 does not sign it.
    Host,
}

impl LinkFreedom {
    /// The same as a text for people.
    pub fn text(&self) -> String {
        match self {
            Self::Body => "the body: its hash is not signed".to_owned(),
            Self::Size => "the size of the body: Content-Length is not signed".to_owned(),
            Self::Header(name) => format!("the header {name}"),
            Self::QueryParameters => {
                "query parameters that SigV2 does not sign can be added".to_owned()
            }
            Self::Host => "the host: SigV2 does not sign it".to_owned(),
        }
    }

    pub(super) fn of_link(
        attempt: &Attempt,
        facts: &ClaimFacts,
        grant: &LinkGrant,
        conditions: &LinkConditions,
    ) -> Vec<Self> {
        let is_v2 = facts.mechanism == Mechanism::V2Query;
        let is_signed = |name: &str| {
            facts.signed_headers.iter().any(|signed| signed == name)
                || (is_v2 && matches!(name, "content-type" | "content-md5"))
        };
        let method = grant.method.as_deref();
        let mut freedoms = Vec::new();
        if method.is_none_or(|method| method == "PUT" || method == "POST") {
            let hash = ["x-amz-content-sha256", "x-amz-checksum-sha256", "content-md5"];
            let query = |name: &str| attempt.query_value(name).is_some();
            if !hash
                .iter()
                .any(|name| facts.signed_headers.iter().any(|it| it == name) || query(name))
            {
                freedoms.push(Self::Body);
            }
            if !is_signed("content-length") && conditions.content_length.is_none() {
                freedoms.push(Self::Size);
            }
            let stored = [
                ("content-type", "Content-Type"),
                ("cache-control", "Cache-Control"),
                ("content-disposition", "Content-Disposition"),
                ("content-encoding", "Content-Encoding"),
                ("content-language", "Content-Language"),
            ];
            let free = stored.into_iter().filter(|(name, _)| !is_signed(name));
            freedoms.extend(free.map(|(_, shown)| Self::Header(shown)));
        }
        if method.is_none_or(|method| method == "GET" || method == "HEAD") && !is_signed("range") {
            freedoms.push(Self::Header("Range"));
        }
        if is_v2 {
            freedoms.extend([Self::QueryParameters, Self::Host]);
        }
        freedoms
    }
}

/// The decoded parameters of a query, for whoever reads conditions in it.
pub(super) fn decoded_pairs(query: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| String::from_utf8_lossy(&decode_query_component(text)).into_owned();
    QueryPairs::new(query).map(|(name, value)| (decoded(name), decoded(value))).collect()
}
