//! Making presigned URLs: the same bytes as the AWS CLI v2 and botocore make.

mod endpoint;
mod expires;
mod link;
mod post;

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};

use crate::canonical::{
    ALGORITHM, AbsentHeaders, CanonicalQuery, CanonicalRequest, SignedHeaders, string_to_sign,
};
use crate::claim::{Payload, SignedHost, is_amz_header};
use crate::conditions::{ConditionError, LinkConditions};
use crate::credentials::{Credentials, SecretAccessKey};
use crate::encode::{Slash, ascii_string, push_encoded};
use crate::key::{Fingerprint, SigningKey};
use crate::request::{QueryPairs, RequestHead};
use crate::scope::{AmzDate, AmzDay, CredentialScope};
use crate::sigv2;

pub use endpoint::{Endpoint, EndpointError};
pub use expires::{EXPIRES_SECONDS_MAX, ExpiresIn, ExpiresInError};
pub use link::{Addressing, Presign, Presigned};
pub use post::{PostCondition, PresignPost, PresignedPost};

/// What clients and proxies set, drop or change on the way, and so cannot be signed; the first two
/// are the signer's own.
pub(crate) const UNSIGNABLE_HEADERS: [&str; 13] = [
    "authorization",
    "host",
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-amzn-trace-id",
];

/// Query parameters that only a signature may set.
const RESERVED_PARAMETERS: [&str; 9] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "AWSAccessKeyId",
    "Signature",
];

/// Why a link or a form cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PresignError {
    /// A header name that is not a token, or a value with a control character.
    #[error("malformed header {name:?}")]
    MalformedHeader {
        /// The name as the caller wrote it.
        name: String,
    },
    /// A header that signers leave out: `host` and `authorization`, which are the signer's own,
    /// and those that proxies and clients set or change. For SigV2, any that it does not cover.
    #[error("header {name:?} cannot be signed")]
    UnsignableHeader {
        /// The name as the caller wrote it.
        name: String,
    },
    /// One header is given twice, in any case of letters.
    #[error("header {name:?} is given twice")]
    RepeatedHeader {
        /// The name in lower case.
        name: String,
    },
    /// A query parameter that belongs to the signature.
    #[error("query parameter {name:?} is the signature's own")]
    ReservedParameter {
        /// The name of the parameter.
        name: String,
    },
    /// Conditions that every verifier would refuse: a value out of bounds, or one condition among the query parameters
    /// and among the conditions.
    #[error(transparent)]
    Condition(#[from] ConditionError),
    /// Conditions of a SigV2 link, whose signature would not cover them.
    #[error("only SigV4 links can have conditions")]
    UnsignableConditions,
    /// A value of a SigV2 parameter that could be read as another parameter.
    #[error("a query value is ambiguous under SigV2")]
    AmbiguousParameter,
    /// The method is empty or not upper-case letters.
    #[error("malformed method")]
    MalformedMethod,
    /// A bucket that cannot stand in a path, or not in a host name.
    #[error("malformed bucket")]
    MalformedBucket,
    /// A key without a bucket.
    #[error("a key needs a bucket")]
    KeyWithoutBucket,
    /// A form for no object.
    #[error("a form needs a key")]
    EmptyKey,
    /// A field of a form whose name cannot be sent.
    #[error("malformed field {name:?}")]
    MalformedField {
        /// The name as the caller wrote it.
        name: String,
    },
    /// A field that is the form's own: what it signs and is signed with, its key, its file.
    #[error("field {name:?} is the form's own")]
    ReservedField {
        /// The name as the caller wrote it.
        name: String,
    },
    /// One field of a form twice.
    #[error("field {name:?} is given twice")]
    RepeatedField {
        /// The name in lower case.
        name: String,
    },
    /// The link would end after the last instant that can be written.
    #[error("the end is beyond the calendar")]
    BeyondCalendar,
}

/// Makes links and forms, and keeps the signing key of the day: tens of thousands of links a second.
#[derive(Clone, Debug)]
pub struct Presigner {
    credentials: Credentials,
    region: String,
    key_of_the_day: Option<(AmzDay, SigningKey)>,
}

impl Presigner {
    /// For links to `s3` in `region`, signed with `credentials`.
    pub fn new(credentials: Credentials, region: impl Into<String>) -> Self {
        Self { credentials, region: region.into(), key_of_the_day: None }
    }

    /// Makes a SigV4 link.
    ///
    /// The body is not signed, unless `x-amz-content-sha256` is among the headers and names its
    /// SHA-256 (semantics 1.2.12). Parameters come in the URL as botocore orders them: the
    /// operation's own, then the conditions, then those of the signature.
    pub fn presign(
        &mut self,
        request: &Presign<'_>,
        now: Timestamp,
    ) -> Result<Presigned, PresignError> {
        let Self { credentials, region, key_of_the_day } = self;
        let target = Target::of(request)?;
        let headers = checked_headers(request.headers)?;
        let date = AmzDate::from_timestamp(now);
        let expires_at = end(date, request.expires_in)?;
        let names = headers.iter().map(|(name, _)| Cow::Borrowed(&**name));
        let signed_headers = SignedHeaders::from_names(names.chain(["host".into()]).collect());
        let scope = CredentialScope {
            day: date.day(),
            region: Cow::Borrowed(region),
            service: Cow::Borrowed("s3"),
        };
        let mut query = operation_query(request.query, BlankValue::AfterEquals)?;
        for (name, value) in conditions(request)? {
            push_parameter(&mut query, name, value);
        }
        Terms {
            scope: &scope,
            date,
            expires_in: request.expires_in,
            signed_headers: &signed_headers,
        }
        .push_to(&mut query, credentials);
        let mut query = ascii_string(query);
        let canonical_request = CanonicalRequest {
            method: request.method,
            path: &target.path,
            query: &CanonicalQuery::new(QueryPairs::new(&query), None),
            host: &target.signed_host,
            headers: &as_wire_headers(&headers),
            signed_headers: &signed_headers,
            absent_headers: AbsentHeaders::Nowhere,
            payload: payload_line(&headers),
        }
        .write();
        let to_sign = string_to_sign(date, &scope, &canonical_request.bytes);
        let signature =
            kept_key(key_of_the_day, &credentials.secret_access_key, &scope).signature(&to_sign);
        query.extend(["&X-Amz-Signature=", &signature]);
        Ok(Presigned {
            method: request.method.to_owned(),
            url: target.url(&query),
            headers,
            expires_at,
            fingerprint: Fingerprint::of_signature(signature.as_bytes()),
        })
    }

    /// Makes a SigV2 link, as boto3 does by default. It names no region, and everything the
    /// operation needs of `x-amz-*` headers goes into the URL.
    pub fn presign_v2(
        &self,
        request: &Presign<'_>,
        now: Timestamp,
    ) -> Result<Presigned, PresignError> {
        if !conditions(request)?.is_empty() {
            return Err(PresignError::UnsignableConditions);
        }
        let target = Target::of(request)?;
        let expires_at = end(AmzDate::from_timestamp(now), request.expires_in)?;
        let expires = expires_at.as_second().to_string();
        let mut headers = checked_headers(request.headers)?;
        let is_covered =
            |name: &str| is_amz_header(name) || matches!(name, "content-md5" | "content-type");
        if let Some((name, _)) = headers.iter().find(|(name, _)| !is_covered(name)) {
            return Err(PresignError::UnsignableHeader { name: name.clone() });
        }
        if let Some(token) = &self.credentials.session_token {
            headers.push(("x-amz-security-token".to_owned(), token.expose().to_owned()));
        }
        let mut query = operation_query(request.query, BlankValue::Nothing)?;
        let to_sign = sigv2::string_to_sign(
            &RequestHead {
                method: request.method,
                path: &target.path,
                query: &String::from_utf8_lossy(&query),
                headers: &as_wire_headers(&headers),
            },
            &expires,
            &SignedHost {
                host: &target.signed_host,
                path: &target.path,
                prefix: request.endpoint.prefix(),
                virtual_bucket: target.virtual_bucket,
            },
        );
        if to_sign.ambiguous {
            return Err(PresignError::AmbiguousParameter);
        }
        let signature = sigv2::signature(&self.credentials.secret_access_key, &to_sign.bytes);
        push_parameter(&mut query, "AWSAccessKeyId", &self.credentials.access_key_id);
        push_parameter(&mut query, "Signature", &signature);
        for (name, value) in &headers {
            push_parameter(&mut query, name, value);
        }
        push_parameter(&mut query, "Expires", &expires);
        headers.retain(|(name, _)| !is_amz_header(name));
        Ok(Presigned {
            method: request.method.to_owned(),
            url: target.url(&ascii_string(query)),
            headers,
            expires_at,
            fingerprint: Fingerprint::of_signature(signature.as_bytes()),
        })
    }
}

/// The key for `scope`, derived when the one that is kept is of another day.
fn kept_key<'k>(
    kept: &'k mut Option<(AmzDay, SigningKey)>,
    secret: &SecretAccessKey,
    scope: &CredentialScope<'_>,
) -> &'k SigningKey {
    if kept.as_ref().is_some_and(|(day, _)| *day != scope.day) {
        *kept = None;
    }
    let (_, key) = kept.get_or_insert_with(|| (scope.day, SigningKey::for_scope(secret, scope)));
    key
}

/// What a SigV4 link says of itself.
struct Terms<'t> {
    scope: &'t CredentialScope<'t>,
    date: AmzDate,
    expires_in: ExpiresIn,
    signed_headers: &'t SignedHeaders<'t>,
}

impl Terms<'_> {
    /// Appends the parameters in the order in which botocore writes them.
    fn push_to(&self, query: &mut Vec<u8>, credentials: &Credentials) {
        let Self { scope, date, expires_in, signed_headers } = self;
        let Credentials { access_key_id, secret_access_key: _, session_token } = credentials;
        let mut credential = access_key_id.clone().into_bytes();
        credential.push(b'/');
        scope.push_to(&mut credential);
        push_parameter(query, "X-Amz-Algorithm", ALGORITHM);
        push_parameter(query, "X-Amz-Credential", &credential);
        push_parameter(query, "X-Amz-Date", date.text());
        push_parameter(query, "X-Amz-Expires", expires_in.seconds().to_string());
        push_parameter(query, "X-Amz-SignedHeaders", signed_headers.joined());
        if let Some(token) = session_token {
            push_parameter(query, "X-Amz-Security-Token", token.expose());
        }
    }
}

/// What the URL is made of, but for the query.
struct Target<'p> {
    origin: String,
    signed_host: Cow<'p, str>,
    /// The path in wire form, percent-encoded.
    path: String,
    virtual_bucket: Option<&'p str>,
}

impl<'p> Target<'p> {
    fn of(request: &Presign<'p>) -> Result<Self, PresignError> {
        let Presign { method, endpoint, addressing, bucket, key, .. } = *request;
        if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(PresignError::MalformedMethod);
        }
        if bucket.is_empty() && !key.is_empty() {
            return Err(PresignError::KeyWithoutBucket);
        }
        let named = Some(bucket).filter(|bucket| !bucket.is_empty());
        let label = named.filter(|_| addressing == Addressing::VirtualHost);
        let virtual_bucket = named.filter(|_| addressing != Addressing::Path);
        let is_bucket_byte = |byte: u8| match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' => true,
            b'A'..=b'Z' | b'_' => label.is_none(),
            _ => false,
        };
        if !bucket.bytes().all(is_bucket_byte) {
            return Err(PresignError::MalformedBucket);
        }
        let mut path = Vec::with_capacity(endpoint.prefix().len() + bucket.len() + key.len() + 2);
        path.extend_from_slice(endpoint.prefix().as_bytes());
        path.push(b'/');
        if virtual_bucket.is_none() {
            path.extend_from_slice(bucket.as_bytes());
            if !key.is_empty() {
                path.push(b'/');
            }
        }
        push_encoded(&mut path, key, Slash::Kept);
        let signed_host = match label {
            Some(bucket) => Cow::Owned([bucket, ".", endpoint.signed_host()].concat()),
            None => Cow::Borrowed(endpoint.signed_host()),
        };
        let origin = endpoint.origin(label);
        Ok(Self { origin, signed_host, path: ascii_string(path), virtual_bucket })
    }

    fn url(&self, query: &str) -> String {
        [&self.origin, &self.path, "?", query].concat()
    }
}

/// The verifier takes the header for the payload line, so a link that signs it must do so too.
fn payload_line(headers: &[(String, String)]) -> &str {
    let stated = headers.iter().find(|(name, _)| name == "x-amz-content-sha256");
    stated.map_or(Payload::UNSIGNED, |(_, value)| value.trim())
}

/// The last second of a link made at `date`.
fn end(date: AmzDate, expires_in: ExpiresIn) -> Result<Timestamp, PresignError> {
    let life = SignedDuration::from_secs(i64::from(expires_in.seconds()));
    date.timestamp().checked_add(life).map_err(|_| PresignError::BeyondCalendar)
}

/// Names in lower case, values as given, in the order given.
fn checked_headers(headers: &[(&str, &str)]) -> Result<Vec<(String, String)>, PresignError> {
    let mut checked: Vec<(String, String)> = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let is_malformed = name.is_empty()
            || !name.bytes().all(is_token_byte)
            || value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t');
        if is_malformed {
            return Err(PresignError::MalformedHeader { name: (*name).to_owned() });
        }
        let lower = name.to_ascii_lowercase();
        if UNSIGNABLE_HEADERS.contains(&&*lower) {
            return Err(PresignError::UnsignableHeader { name: (*name).to_owned() });
        }
        if checked.iter().any(|(other, _)| *other == lower) {
            return Err(PresignError::RepeatedHeader { name: lower });
        }
        checked.push((lower, (*value).to_owned()));
    }
    Ok(checked)
}

/// A byte of a header's name (RFC 9110, 5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// How botocore writes a parameter without a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BlankValue {
    /// With an equals sign under SigV4: `acl=`.
    AfterEquals,
    /// By the bare name under SigV2: `acl`.
    Nothing,
}

fn operation_query(query: &[(&str, &str)], blank: BlankValue) -> Result<Vec<u8>, PresignError> {
    let mut buffer = Vec::with_capacity(512);
    for (name, value) in query {
        if RESERVED_PARAMETERS.contains(name)
            || (blank == BlankValue::Nothing && *name == "Expires")
        {
            return Err(PresignError::ReservedParameter { name: (*name).to_owned() });
        }
        push_parameter(&mut buffer, name, value);
        if value.is_empty() && blank == BlankValue::Nothing {
            buffer.pop();
        }
    }
    Ok(buffer)
}

/// The parameters of the link's conditions, which have to be such as a verifier takes.
fn conditions(request: &Presign<'_>) -> Result<Vec<(&'static str, String)>, PresignError> {
    let Some(conditions) = request.conditions else { return Ok(Vec::new()) };
    let parameters = conditions.parameters();
    let made = parameters.iter().map(|(name, value)| (*name, &**value));
    LinkConditions::read(request.query.iter().copied().chain(made))?;
    Ok(parameters)
}

fn push_parameter(query: &mut Vec<u8>, name: &str, value: impl AsRef<[u8]>) {
    if !query.is_empty() {
        query.push(b'&');
    }
    push_encoded(query, name.as_bytes(), Slash::Encoded);
    query.push(b'=');
    push_encoded(query, value.as_ref(), Slash::Encoded);
}

fn as_wire_headers(headers: &[(String, String)]) -> Vec<(&str, &[u8])> {
    headers.iter().map(|(name, value)| (&**name, value.as_bytes())).collect()
}
