//! A request that may be the signed one, read and verified as any other request.

use jiff::{SignedDuration, Timestamp};

use super::ExplainQuestion;
use super::pasted::UrlParts;
use crate::claim::{ClaimError, Mechanism, SignatureClaim, SignedHost};
use crate::claim::{ClaimedLife, ExpectedScope, SigV2Use, VerifyError};
use crate::conditions::LinkConditions;
use crate::credentials::SecretAccessKey;
use crate::encode::decode_query_component;
use crate::key::{Fingerprint, VerifyingKey};
use crate::presign::Endpoint;
use crate::request::{QueryPairs, RequestHead};

/// The methods that a link can be for, the likeliest first.
pub(super) const METHODS: [&str; 5] = ["GET", "PUT", "HEAD", "DELETE", "POST"];

/// A request as it may have been signed. Every change makes another one.
#[derive(Clone)]
pub(super) struct Attempt {
    /// `None`: nobody said, so each of [`METHODS`] is meant.
    pub method: Option<String>,
    /// With its port, as a client sends it.
    pub host: String,
    pub path: String,
    pub query: String,
    /// Names in lower case; without `host`.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The beginning of the path that is a public URL's.
    pub prefix: String,
    /// The bucket, where the host's name has it.
    pub virtual_bucket: Option<String>,
}

/// What a request says of its signature, once it can be read.
pub(super) struct ClaimFacts {
    pub mechanism: Mechanism,
    pub access_key_id: String,
    pub fingerprint: Fingerprint,
    pub life: ClaimedLife,
    /// Region and service of its scope; `None` for SigV2.
    pub scope: Option<(String, String)>,
    pub signed_headers: Vec<String>,
    pub has_token: bool,
}

impl Attempt {
    pub(super) fn of(parts: &UrlParts, question: &ExplainQuestion<'_>) -> Self {
        let mut host = parts.sent_host();
        let mut headers = Vec::with_capacity(question.headers.len());
        for (name, value) in question.headers {
            let name = name.trim().to_ascii_lowercase();
            if name == "host" {
                value.trim().clone_into(&mut host);
            } else {
                headers.push((name, value.trim().as_bytes().to_vec()));
            }
        }
        let mut attempt = Self {
            method: question.method.map(str::to_ascii_uppercase),
            host,
            path: parts.path.clone(),
            query: parts.query.clone(),
            headers,
            prefix: String::new(),
            virtual_bucket: None,
        };
        attempt.place(question);
        attempt
    }

    /// Finds the path prefix and the bucket in the host's name, by the names that the server may have.
    fn place(&mut self, question: &ExplainQuestion<'_>) {
        self.virtual_bucket = virtual_bucket(&self.host, question);
        let known = question.declared.iter().chain(question.origins);
        let same_host = known.filter(|origin| self.host == host_at(origin, self.bucket_label()));
        let prefix =
            same_host.map(Endpoint::prefix).find(|prefix| self.path_below(prefix).is_some());
        self.prefix = prefix.unwrap_or_default().to_owned();
    }

    fn bucket_label(&self) -> Option<&str> {
        self.virtual_bucket.as_deref()
    }

    fn path_below(&self, prefix: &str) -> Option<&str> {
        self.path.strip_prefix(prefix).filter(|rest| rest.starts_with('/'))
    }

    /// The path without the prefix of a public URL.
    pub(super) fn bare_path(&self) -> &str {
        self.path_below(&self.prefix).unwrap_or(&self.path)
    }

    pub(super) fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| &**value)
    }

    /// The first value of a query parameter, decoded.
    pub(super) fn query_value(&self, name: &str) -> Option<String> {
        QueryPairs::new(&self.query)
            .find(|(raw, _)| *decode_query_component(raw) == *name.as_bytes())
            .map(|(_, raw)| String::from_utf8_lossy(&decode_query_component(raw)).into_owned())
    }

    fn with_head<R>(&self, method: &str, read: impl FnOnce(&RequestHead<'_>) -> R) -> R {
        let mut headers: Vec<(&str, &[u8])> = Vec::with_capacity(self.headers.len() + 1);
        headers.push(("host", self.host.as_bytes()));
        headers.extend(self.headers.iter().map(|(name, value)| (&**name, &**value)));
        read(&RequestHead { method, path: &self.path, query: &self.query, headers: &headers })
    }

    /// Reads the claim. `Ok(None)`: nothing in it is a signature.
    pub(super) fn read(&self) -> Result<Option<ClaimFacts>, ClaimError> {
        self.with_head("GET", |head| {
            let Some(claim) = SignatureClaim::from_request(head)? else { return Ok(None) };
            let scope =
                claim.scope().map(|scope| (scope.region.to_string(), scope.service.to_string()));
            let token = ["X-Amz-Security-Token", "x-amz-security-token"];
            Ok(Some(ClaimFacts {
                mechanism: claim.mechanism(),
                access_key_id: claim.access_key_id().to_owned(),
                fingerprint: claim.fingerprint(),
                life: claim.life(),
                scope,
                signed_headers: claim.signed_header_names(),
                has_token: token
                    .iter()
                    .any(|name| head.query_value(name).is_some() || head.header(name).is_some()),
            }))
        })
    }

    /// Whether it is in its time and place, as far as it can be read.
    pub(super) fn admitted(
        &self,
        expected: &ExpectedScope<'_>,
        now: Timestamp,
    ) -> Result<(), VerifyError> {
        self.with_head("GET", |head| match SignatureClaim::from_request(head) {
            Ok(Some(claim)) => claim.admit(expected, now).map(|_| ()),
            Ok(None) | Err(_) => Ok(()),
        })
    }

    /// The method for which the signature holds, of those that this may be.
    pub(super) fn verified(&self, prover: &Prover<'_>) -> Option<&str> {
        let methods = self.methods();
        methods.into_iter().find(|method| self.holds(method, prover))
    }

    pub(super) fn methods(&self) -> Vec<&str> {
        self.method.as_deref().map_or_else(|| METHODS.to_vec(), |method| vec![method])
    }

    fn holds(&self, method: &str, prover: &Prover<'_>) -> bool {
        // A link with this condition answers HEAD by the signature of a GET.
        let is_head_of_get = method == "HEAD"
            && self.query_value(LinkConditions::ALLOW_HEAD).as_deref() == Some("true");
        let method = if is_head_of_get { "GET" } else { method };
        let places = self.places(prover.declared);
        self.with_head(method, |head| {
            let Ok(Some(claim)) = SignatureClaim::from_request(head) else { return false };
            let Some(now) = within(claim.life()) else { return false };
            let scope = claim.scope().cloned();
            let expected = match &scope {
                Some(scope) => ExpectedScope::new(&scope.region, &scope.service),
                None => ExpectedScope::new("", "s3").with_sigv2(SigV2Use::Allow),
            };
            let Ok(claim) = claim.admit(&expected, now) else { return false };
            let key = VerifyingKey::derive(&claim, prover.secret);
            let hosts: Vec<_> = places.iter().map(Place::signed_host).collect();
            claim.verify(&hosts, &key).is_ok()
        })
    }

    /// Where the server would try the signature: as the request arrives, and at each of its declared names.
    fn places(&self, declared: &[Endpoint]) -> Vec<Place> {
        let virtual_bucket = self.virtual_bucket.clone();
        let as_it_arrives = Place {
            host: self.host.clone(),
            path: self.path.clone(),
            prefix: self.prefix.clone(),
            virtual_bucket: virtual_bucket.clone(),
        };
        let at_others = declared.iter().map(|origin| Place {
            host: host_at(origin, virtual_bucket.as_deref()),
            path: [origin.prefix(), self.bare_path()].concat(),
            prefix: origin.prefix().to_owned(),
            virtual_bucket: virtual_bucket.clone(),
        });
        let mut places = vec![as_it_arrives];
        places.extend(at_others);
        places
    }
}

/// With what signatures are checked.
pub(super) struct Prover<'p> {
    pub secret: &'p SecretAccessKey,
    /// Other names by which the server takes a request for signed.
    pub declared: &'p [Endpoint],
}

struct Place {
    host: String,
    path: String,
    prefix: String,
    virtual_bucket: Option<String>,
}

impl Place {
    fn signed_host(&self) -> SignedHost<'_> {
        let Self { host, path, prefix, virtual_bucket } = self;
        SignedHost { host, path, prefix, virtual_bucket: virtual_bucket.as_deref() }
    }
}

/// The host of an origin, with a bucket before it in virtual-host style.
pub(super) fn host_at(origin: &Endpoint, bucket: Option<&str>) -> String {
    match bucket {
        Some(bucket) => [bucket, ".", origin.signed_host()].concat(),
        None => origin.signed_host().to_owned(),
    }
}

/// A moment at which a claim is in its time, whatever time it is.
fn within(life: ClaimedLife) -> Option<Timestamp> {
    match (life.from, life.until) {
        (Some(from), _) => Some(from),
        (None, Some(until)) => until.checked_sub(SignedDuration::from_secs(1)).ok(),
        (None, None) => None,
    }
}

/// The bucket in a host's name: before a name of the server, before `localhost`, or before the label `s3`, by which
/// AWS and most others name their service.
fn virtual_bucket(host: &str, question: &ExplainQuestion<'_>) -> Option<String> {
    let known = question.declared.iter().chain(question.origins);
    let mut origins = known.map(Endpoint::signed_host);
    let name = super::pasted::split_port(host).0;
    let bucket = origins
        .find_map(|origin| host.strip_suffix(origin)?.strip_suffix('.'))
        .or_else(|| {
            question.domains.iter().find_map(|domain| name.strip_suffix(domain)?.strip_suffix('.'))
        })
        .or_else(|| name.strip_suffix(".localhost"))
        .or_else(|| before_service_label(name))?;
    (!bucket.is_empty()).then(|| bucket.to_owned())
}

fn before_service_label(name: &str) -> Option<&str> {
    let mut at = 0_usize;
    for label in name.split('.') {
        let is_service = label == "s3" || label.starts_with("s3-");
        if is_service && at > 0 {
            return name.get(..at.checked_sub(1)?);
        }
        at += label.len() + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_stands_before_the_label_of_the_service() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(before_service_label(name), expected, "{name}");
        };
        check("b.s3.amazonaws.com", Some("b"));
        check("a.b.s3.eu-west-1.amazonaws.com", Some("a.b"));
        check("b.s3-eu-west-1.amazonaws.com", Some("b"));
        check("s3.amazonaws.com", None);
        check("files.example.com", None);
        check("", None);
    }
}
