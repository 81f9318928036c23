//! Signature Version 2 query authentication, both ways (semantics 1.10).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

use crate::canonical::{push_header_values, trim_controls};
use crate::claim::{
    ClaimError, Mechanism, Payload, Proof, SigV2Use, SignatureFacts, SignatureMismatch, SignedHost,
    TokenClaim, VerifiedSignature, VerifyError, is_amz_header,
};
use crate::credentials::SecretAccessKey;
use crate::encode::decode_query_component;
use crate::key::sigv2_mac;
use crate::request::RequestHead;
use crate::scope::AmzDate;

/// A link opens this long before its end. AWS has no such rule; here no link outlives a SigV4 one.
const OPENS_BEFORE_END: SignedDuration = SignedDuration::from_hours(7 * 24);

const SECURITY_TOKEN: &str = "x-amz-security-token";

/// The query parameters that are part of the resource and so of the signature: the list that
/// botocore signs by. All others can be added to a link by anybody.
const SUB_RESOURCES: [&str; 35] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// Whether a SigV2 signature covers the query parameter.
pub(crate) fn covers_query(name: &str) -> bool {
    SUB_RESOURCES.contains(&name) || is_amz_header(&name.to_ascii_lowercase())
}

/// A SigV2 link's claim. It says neither when it was made nor for which region or service.
pub(crate) struct V2Claim<'a> {
    head: RequestHead<'a>,
    access_key_id: String,
    /// As decoded: what was signed.
    expires_text: String,
    expires_at: AmzDate,
    /// The text of the signature, percent-decoded.
    signature: Cow<'a, [u8]>,
}

impl<'a> V2Claim<'a> {
    pub(crate) fn read(
        head: &RequestHead<'a>,
        access_key_id: Option<&'a str>,
        expires: Option<&'a str>,
        signature: Option<&'a str>,
    ) -> Result<Self, ClaimError> {
        let (Some(access_key_id), Some(expires), Some(signature)) =
            (access_key_id, expires, signature)
        else {
            return Err(ClaimError::MissingSigV2Parameters);
        };
        let expires_text = String::from_utf8_lossy(&decode_query_component(expires)).into_owned();
        let Some(expires_at) = read_expires(&expires_text) else {
            return Err(ClaimError::InvalidSigV2Expires { value: expires_text });
        };
        let access_key_id = decode_query_component(access_key_id);
        Ok(Self {
            head: *head,
            access_key_id: String::from_utf8_lossy(&access_key_id).into_owned(),
            expires_text,
            expires_at,
            signature: decode_query_component(signature),
        })
    }

    pub(crate) fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    pub(crate) fn signature(&self) -> &[u8] {
        &self.signature
    }

    pub(crate) fn expires_at(&self) -> Timestamp {
        self.expires_at.timestamp()
    }

    pub(crate) fn check(&self, sigv2: SigV2Use, now: Timestamp) -> Result<(), VerifyError> {
        match sigv2 {
            SigV2Use::Allow => {}
            SigV2Use::Deny => return Err(VerifyError::SigV2Denied),
        }
        let server_time = AmzDate::from_timestamp(now).timestamp();
        let expires_at = self.expires_at.timestamp();
        if server_time > expires_at {
            return Err(VerifyError::Expired { expires_seconds: None, expires_at, server_time });
        }
        if expires_at.duration_since(server_time) > OPENS_BEFORE_END {
            return Err(VerifyError::NotYetValid { signed_at: None, expires_at, server_time });
        }
        Ok(())
    }

    /// Header and query are both signed, so differing tokens are nobody's.
    pub(crate) fn session_token(&self) -> TokenClaim<'_> {
        let from_headers = self.head.header_values(SECURITY_TOKEN).map(Cow::Borrowed);
        let mut tokens = from_headers.chain(hoisted_values(&self.head, SECURITY_TOKEN));
        match tokens.next() {
            None => TokenClaim::Absent,
            Some(token) => {
                let same = tokens.all(|other| trim_controls(&other) == trim_controls(&token));
                if same { TokenClaim::Present(token) } else { TokenClaim::Conflicting }
            }
        }
    }

    pub(crate) fn verify(
        self,
        hosts: &[SignedHost<'_>],
        secret: Option<&SecretAccessKey>,
    ) -> Result<VerifiedSignature, SignatureMismatch> {
        let mut shown = None;
        for host in hosts {
            let written = string_to_sign(&self.head, &self.expires_text, host);
            if let Some(secret) = secret.filter(|_| !written.ambiguous) {
                let computed = signature(secret, &written.bytes);
                let proof = Proof { computed: computed.as_bytes(), provided: &self.signature };
                if let Some(proven) = proof.check() {
                    return Ok(proven.signature_of(self.into_facts()));
                }
            }
            shown.get_or_insert(written.bytes);
        }
        let to_sign = shown.unwrap_or_default();
        Err(SignatureMismatch {
            access_key_id: self.access_key_id,
            string_to_sign: String::from_utf8_lossy(&to_sign).into_owned(),
            signature_provided: String::from_utf8_lossy(&self.signature).into_owned(),
            canonical_request: None,
        })
    }

    fn into_facts(self) -> SignatureFacts {
        let mut content_sha256 = Vec::new();
        let stated =
            push_header_values(&mut content_sha256, self.head.headers, "x-amz-content-sha256");
        let payload = if stated {
            Payload::of_link(String::from_utf8_lossy(&content_sha256).into_owned())
        } else {
            Payload::Unsigned
        };
        SignatureFacts {
            access_key_id: self.access_key_id,
            mechanism: Mechanism::V2Query,
            payload,
            signed_at: None,
            expires_at: Some(self.expires_at.timestamp()),
            chunk_context: None,
            post_policy: None,
        }
    }
}

/// The signature of a string to sign: its HMAC-SHA1 in base64.
pub(crate) fn signature(secret: &SecretAccessKey, string_to_sign: &[u8]) -> String {
    STANDARD.encode(sigv2_mac(secret, string_to_sign))
}

/// A string to sign, written out.
pub(crate) struct WrittenString {
    pub bytes: Vec<u8>,
    /// It is also the string of another request. Such a request never verifies.
    pub ambiguous: bool,
}

/// `VERB\nContent-MD5\nContent-Type\nExpires\n`, `CanonicalizedAmzHeaders`, `CanonicalizedResource`.
pub(crate) fn string_to_sign(
    head: &RequestHead<'_>,
    expires: &str,
    host: &SignedHost<'_>,
) -> WrittenString {
    let mut bytes = Vec::with_capacity(128 + host.path.len());
    bytes.extend_from_slice(head.method.as_bytes());
    bytes.push(b'\n');
    // From the headers alone: S3 does not take these two from the query (semantics 1.2.11, 1.10.3).
    for name in ["content-md5", "content-type"] {
        push_header_values(&mut bytes, head.headers, name);
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(expires.as_bytes());
    bytes.push(b'\n');
    let headers = amz_headers(head);
    push_amz_headers(&mut bytes, &headers);
    let sub_resources = sub_resources(head);
    push_resource(&mut bytes, &sub_resources, host);
    let ambiguous = headers.iter().any(AmzHeader::is_ambiguous)
        || sub_resources.iter().any(SubResource::is_ambiguous);
    WrittenString { bytes, ambiguous }
}

struct AmzHeader<'a> {
    /// The name in lower case.
    name: Vec<u8>,
    origin: Origin,
    value: Cow<'a, [u8]>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Header,
    Query,
}

impl AmzHeader<'_> {
    /// A colon or line end out of a decoded query could stand for the end of a name or of a header,
    /// and so drop a signed header from the request.
    fn is_ambiguous(&self) -> bool {
        self.name.contains(&b':')
            || [&*self.name, &*self.value].iter().any(|text| has_line_end(text))
    }
}

fn has_line_end(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b'\n' | b'\r'))
}

/// Every `x-amz-*`, from the headers and from the query, where S3 takes them for headers; sorted,
/// those of one name in order of arrival.
fn amz_headers<'a>(head: &RequestHead<'a>) -> Vec<AmzHeader<'a>> {
    let from_headers =
        head.headers.iter().filter(|(name, _)| is_amz_header(name)).map(|(name, value)| {
            AmzHeader {
                name: name.to_ascii_lowercase().into_bytes(),
                origin: Origin::Header,
                value: Cow::Borrowed(trim_controls(value)),
            }
        });
    let from_query = head.query_pairs().filter_map(|(raw_name, raw_value)| {
        let name = decode_query_component(raw_name).to_ascii_lowercase();
        name.starts_with(b"x-amz-").then(|| AmzHeader {
            name,
            origin: Origin::Query,
            value: decode_query_component(raw_value),
        })
    });
    let mut headers: Vec<_> = from_headers.chain(from_query).collect();
    headers.sort_by(|a, b| a.name.cmp(&b.name));
    headers
}

/// A query value that repeats the header is not written twice; one that contradicts it is, and so
/// breaks the signature: else it could be added to a link whose header is signed.
fn push_amz_headers(buffer: &mut Vec<u8>, headers: &[AmzHeader<'_>]) {
    for group in headers.chunk_by(|a, b| a.name == b.name) {
        let Some(first) = group.first() else { continue };
        buffer.extend_from_slice(&first.name);
        buffer.push(b':');
        let start = buffer.len();
        for (index, AmzHeader { name: _, origin, value }) in group.iter().enumerate() {
            let value = trim_controls(value);
            if index > 0 && *origin == Origin::Query && buffer.get(start..) == Some(value) {
                continue;
            }
            if index > 0 {
                buffer.push(b',');
            }
            buffer.extend_from_slice(value);
        }
        buffer.push(b'\n');
    }
}

struct SubResource<'a> {
    name: &'static str,
    /// The value, percent-decoded.
    value: Cow<'a, [u8]>,
}

impl SubResource<'_> {
    fn named(name: &[u8]) -> Option<&'static str> {
        SUB_RESOURCES.into_iter().find(|known| known.as_bytes() == name)
    }

    /// Its value could stand for further sub-resources, since values are signed decoded: in
    /// `response-expires=0%26versionId=1` the version is none.
    fn is_ambiguous(&self) -> bool {
        self.value.split(|byte| *byte == b'&').skip(1).any(|part| {
            let name = part.split(|byte| *byte == b'=').next().unwrap_or_default();
            Self::named(name).is_some()
        })
    }
}

fn sub_resources<'a>(head: &RequestHead<'a>) -> Vec<SubResource<'a>> {
    let mut found: Vec<_> = head
        .query_pairs()
        .filter_map(|(raw_name, raw_value)| {
            let name = SubResource::named(&decode_query_component(raw_name))?;
            Some(SubResource { name, value: decode_query_component(raw_value) })
        })
        .collect();
    found.sort_by_key(|sub_resource| sub_resource.name);
    found
}

/// `/bucket/` and the key as on the wire, without a public URL's prefix; then the sub-resources.
///
/// A bucket alone ends in a slash, whether or not its path does: botocore signs `/bucket/` for links
/// to `/bucket`.
fn push_resource(buffer: &mut Vec<u8>, sub_resources: &[SubResource<'_>], host: &SignedHost<'_>) {
    if let Some(bucket) = host.virtual_bucket {
        buffer.push(b'/');
        buffer.extend_from_slice(bucket.as_bytes());
    }
    let path = host.path.strip_prefix(host.prefix).unwrap_or(host.path);
    buffer.extend_from_slice(path.as_bytes());
    let is_bucket = host.virtual_bucket.is_none()
        && path.strip_prefix('/').is_none_or(|rest| !rest.is_empty() && !rest.contains('/'));
    if is_bucket {
        buffer.push(b'/');
    }
    for (index, SubResource { name, value }) in sub_resources.iter().enumerate() {
        buffer.push(if index == 0 { b'?' } else { b'&' });
        buffer.extend_from_slice(name.as_bytes());
        if !value.is_empty() {
            buffer.push(b'=');
            buffer.extend_from_slice(value);
        }
    }
}

fn hoisted_values<'a>(
    head: &RequestHead<'a>,
    name: &'static str,
) -> impl Iterator<Item = Cow<'a, [u8]>> {
    head.query_pairs()
        .filter(move |(raw_name, _)| {
            decode_query_component(raw_name).eq_ignore_ascii_case(name.as_bytes())
        })
        .map(|(_, raw_value)| decode_query_component(raw_value))
}

/// Seconds since the epoch, below 2^31.
fn read_expires(text: &str) -> Option<AmzDate> {
    let seconds: i32 = text.parse().ok().filter(|seconds| *seconds >= 0)?;
    Timestamp::from_second(i64::from(seconds)).ok().map(AmzDate::from_timestamp)
}
