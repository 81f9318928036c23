//! A SigV4 claim, wherever the request carried it: in time, in place, verified.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use memchr::memchr2_iter;

use super::{
    ClaimedLife, ExpectedScope, Mechanism, Payload, Proof, SignatureFacts, SignedHost, TokenClaim,
    VerifiedSignature, VerifyError,
};
use crate::canonical::{
    AbsentHeaders, CanonicalQuery, CanonicalRequest, EMPTY_SHA256, SignedHeaders,
    push_header_values, string_to_sign, trim_controls,
};
use crate::chunked::{ChunkContext, ChunkSigner};
use crate::claim::SignatureMismatch;
use crate::encode::{decode_query_component, hex_digits, hex_of};
use crate::key::SigningKey;
use crate::request::RequestHead;
use crate::scope::{AmzDate, AmzDay, CredentialScope, TERMINAL};

/// How far ahead of this server's clock a signer's may be, and how far behind it a signer's may be
/// whose request does not say when it expires.
const SKEW_MAX: SignedDuration = SignedDuration::from_mins(15);

/// The service whose requests say what their body hashes to.
pub(super) const S3: &str = "s3";

pub(super) const CONTENT_SHA256: &str = "x-amz-content-sha256";

/// The fields come from the query or from the `Authorization` header; all are well-formed.
pub(super) struct V4Claim<'a> {
    pub head: RequestHead<'a>,
    pub credential: Credential<'a>,
    pub date: AmzDate,
    pub carrier: Carrier,
    pub signed_headers: SignedHeaders<'a>,
    /// The text of the signature, percent-decoded.
    pub signature: Cow<'a, [u8]>,
    pub query_token: Option<Cow<'a, [u8]>>,
    pub payload: ClaimedPayload,
}

/// What carried the claim, and what only that carrier has.
pub(super) enum Carrier {
    Query { expires_seconds: u32 },
    Header { request_time: String },
}

/// What the payload line of the canonical request says.
pub(super) enum ClaimedPayload {
    /// The head states it, or the rules imply it.
    Stated(Payload),
    /// It is the hash of a body that only the caller can read; of nothing until it is supplied.
    BodySha256(String),
}

impl ClaimedPayload {
    pub(super) fn unstated() -> Self {
        Self::BodySha256(EMPTY_SHA256.to_owned())
    }

    fn into_payload(self) -> Payload {
        match self {
            Self::Stated(payload) => payload,
            Self::BodySha256(sha256) => Payload::Sha256(sha256),
        }
    }

    fn line(&self) -> &str {
        match self {
            Self::Stated(payload) => payload.line(),
            Self::BodySha256(sha256) => sha256,
        }
    }
}

/// A credential in its five parts: `<access key id>/<yyyymmdd>/<region>/<service>/<terminal>`.
pub(super) struct Credential<'a> {
    pub access_key_id: Cow<'a, str>,
    pub scope: CredentialScope<'a>,
    pub terminal: Cow<'a, str>,
}

pub(super) enum CredentialDefect {
    /// The credential has not five parts.
    Shape,
    /// The second part of the credential, given here, is no day of eight digits.
    Date(String),
}

impl<'a> Credential<'a> {
    pub(super) fn parse(text: &Cow<'a, str>) -> Result<Self, CredentialDefect> {
        Self::of_parts(match text {
            Cow::Borrowed(text) => five_parts(text)?.map(Cow::Borrowed),
            Cow::Owned(text) => five_parts(text)?.map(|part| Cow::Owned(part.to_owned())),
        })
    }

    /// Reads one that is still percent-encoded. Its slashes mostly are, so it is taken apart first and
    /// decoded then, part by part, which is mostly nothing to do.
    pub(super) fn parse_encoded(text: &'a str) -> Result<Self, CredentialDefect> {
        let mut rest = Some(text);
        let mut next = || {
            let (part, after) = cut_at_slash(rest.ok_or(CredentialDefect::Shape)?);
            rest = after;
            decode_text(part).ok_or(CredentialDefect::Shape)
        };
        let five = [next()?, next()?, next()?, next()?, next()?];
        if rest.is_some() { Err(CredentialDefect::Shape) } else { Self::of_parts(five) }
    }

    fn of_parts(
        [access_key_id, day, region, service, terminal]: [Cow<'a, str>; 5],
    ) -> Result<Self, CredentialDefect> {
        let day = AmzDay::parse(&day).ok_or_else(|| CredentialDefect::Date(day.into_owned()))?;
        Ok(Self { access_key_id, scope: CredentialScope { day, region, service }, terminal })
    }
}

fn five_parts(text: &str) -> Result<[&str; 5], CredentialDefect> {
    let mut parts = text.split('/');
    let mut next = || parts.next().ok_or(CredentialDefect::Shape);
    let five = [next()?, next()?, next()?, next()?, next()?];
    if parts.next().is_some() { Err(CredentialDefect::Shape) } else { Ok(five) }
}

/// What stands before and after the first slash, encoded or not.
fn cut_at_slash(text: &str) -> (&str, Option<&str>) {
    for at in memchr2_iter(b'/', b'%', text.as_bytes()) {
        let (part, rest) = text.split_at_checked(at).unwrap_or((text, ""));
        let slash = ["/", "%2F", "%2f"].into_iter().find_map(|slash| rest.strip_prefix(slash));
        if slash.is_some() {
            return (part, slash);
        }
    }
    (text, None)
}

/// Percent-decodes once. `None`: not UTF-8.
pub(super) fn decode_text(raw: &str) -> Option<Cow<'_, str>> {
    match decode_query_component(raw) {
        Cow::Borrowed(_) => Some(Cow::Borrowed(raw)),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    }
}

/// The trimmed value of `x-amz-content-sha256`; several are joined, and so match nothing.
pub(super) fn content_sha256(head: &RequestHead<'_>) -> Option<String> {
    let mut value = Vec::new();
    push_header_values(&mut value, head.headers, CONTENT_SHA256)
        .then(|| String::from_utf8_lossy(&value).into_owned())
}

impl V4Claim<'_> {
    pub(super) fn mechanism(&self) -> Mechanism {
        match self.carrier {
            Carrier::Query { .. } => Mechanism::V4Query,
            Carrier::Header { .. } => Mechanism::V4Header,
        }
    }

    pub(super) fn life(&self) -> ClaimedLife {
        let until = match self.carrier {
            Carrier::Query { expires_seconds } => Some(self.date.plus_seconds(expires_seconds)),
            Carrier::Header { .. } => None,
        };
        ClaimedLife { from: Some(self.date.timestamp()), until }
    }

    /// Checks 7 to 12, in that order.
    pub(super) fn check(
        &self,
        expected: &ExpectedScope<'_>,
        now: Timestamp,
    ) -> Result<(), VerifyError> {
        self.check_time(AmzDate::from_timestamp(now))?;
        check_scope(self.mechanism(), &self.credential, self.date, expected)?;
        self.check_headers_signed()
    }

    fn check_time(&self, now: AmzDate) -> Result<(), VerifyError> {
        let server_time = now.timestamp();
        let signed_at = self.date.timestamp();
        let ahead = signed_at.duration_since(server_time);
        match &self.carrier {
            Carrier::Header { request_time } => {
                if ahead.abs() > SKEW_MAX {
                    let request_time = request_time.clone();
                    return Err(VerifyError::RequestTimeTooSkewed { request_time, server_time });
                }
            }
            Carrier::Query { expires_seconds } => {
                let expires_at = self.date.plus_seconds(*expires_seconds);
                if ahead > SKEW_MAX {
                    let signed_at = Some(signed_at);
                    return Err(VerifyError::NotYetValid { signed_at, expires_at, server_time });
                }
                if server_time > expires_at || *expires_seconds == 0 {
                    let expires_seconds = Some(*expires_seconds);
                    return Err(VerifyError::Expired { expires_seconds, expires_at, server_time });
                }
            }
        }
        Ok(())
    }

    /// A header that is not signed can be added by whoever holds the link; those beginning `x-amz-`
    /// change what the request means. `x-amz-content-sha256` changes the canonical request itself.
    fn check_headers_signed(&self) -> Result<(), VerifyError> {
        let names = self.head.headers.iter().map(|(name, _)| *name);
        let mut unsigned: Vec<String> = names
            .filter(|name| is_amz_header(name) && *name != CONTENT_SHA256)
            .chain(["host"])
            .filter(|name| !self.signed_headers.contains(name))
            .map(str::to_owned)
            .collect();
        if unsigned.is_empty() {
            return Ok(());
        }
        unsigned.sort_unstable();
        unsigned.dedup();
        Err(VerifyError::HeadersNotSigned { names: unsigned })
    }

    /// A header wins over the query (semantics 1.7.0); it is signed, or the claim would not have
    /// been admitted.
    pub(super) fn session_token(&self) -> TokenClaim<'_> {
        let mut tokens = self.head.header_values("x-amz-security-token").map(trim_controls);
        match tokens.next() {
            Some(token) if tokens.all(|other| other == token) => {
                TokenClaim::Present(Cow::Borrowed(token))
            }
            Some(_) => TokenClaim::Conflicting,
            None => match &self.query_token {
                Some(token) => TokenClaim::Present(Cow::Borrowed(token)),
                None => TokenClaim::Absent,
            },
        }
    }

    pub(super) fn verify(
        self,
        hosts: &[SignedHost<'_>],
        key: Option<&SigningKey>,
    ) -> Result<VerifiedSignature, SignatureMismatch> {
        let (left_out, absent_headers) = match self.carrier {
            Carrier::Query { .. } => (Some("X-Amz-Signature"), AbsentHeaders::InQuery),
            Carrier::Header { .. } => (None, AbsentHeaders::Nowhere),
        };
        let query = CanonicalQuery::new(self.head.query_pairs(), left_out);
        let write = |host: &str, path: &str| {
            let request = CanonicalRequest {
                method: self.head.method,
                path,
                query: &query,
                host,
                headers: self.head.headers,
                signed_headers: &self.signed_headers,
                absent_headers,
                payload: self.payload.line(),
            };
            let written = request.write();
            let to_sign = string_to_sign(self.date, &self.credential.scope, &written.bytes);
            (written, to_sign)
        };
        for host in hosts {
            let (written, to_sign) = write(host.host, host.path);
            if let Some(key) = key.filter(|_| !written.lacks_header) {
                let computed = hex_digits(&key.sign(&to_sign));
                let proof = Proof { computed: &computed, provided: &self.signature };
                if let Some(proven) = proof.check() {
                    return Ok(proven.signature_of(self.into_facts(key, &written.bytes)));
                }
            }
        }
        // As it arrived, whatever it was tried as.
        let host = String::from_utf8_lossy(self.head.header("host").unwrap_or_default());
        let (written, to_sign) = write(&host, self.head.path);
        let canonical_request = String::from_utf8_lossy(&written.bytes).into_owned();
        Err(SignatureMismatch {
            access_key_id: self.credential.access_key_id.into_owned(),
            string_to_sign: String::from_utf8_lossy(&to_sign).into_owned(),
            signature_provided: String::from_utf8_lossy(&self.signature).into_owned(),
            canonical_request: Some(canonical_request),
        })
    }

    fn into_facts(self, key: &SigningKey, canonical_request: &[u8]) -> SignatureFacts {
        let mechanism = self.mechanism();
        let Self { credential, date, carrier, signature, payload, .. } = self;
        let payload = payload.into_payload();
        let expires_at = match carrier {
            Carrier::Query { expires_seconds } => Some(date.plus_seconds(expires_seconds)),
            Carrier::Header { .. } => None,
        };
        let access_key_id = credential.access_key_id.into_owned();
        let chunk_context = matches!(payload, Payload::Streaming(_)).then(|| {
            Box::new(ChunkContext {
                signer: ChunkSigner::new(
                    key.clone(),
                    date,
                    &credential.scope,
                    String::from_utf8_lossy(&signature).into_owned(),
                ),
                access_key_id: access_key_id.clone(),
                canonical_request: String::from_utf8_lossy(canonical_request).into_owned(),
            })
        });
        SignatureFacts {
            access_key_id,
            mechanism,
            payload,
            signed_at: Some(date.timestamp()),
            expires_at,
            chunk_context,
            post_policy: None,
        }
    }

    pub(super) fn needs_body_sha256(&self) -> bool {
        matches!(self.payload, ClaimedPayload::BodySha256(_))
    }

    pub(super) fn set_body_sha256(&mut self, sha256: &[u8; 32]) {
        if let ClaimedPayload::BodySha256(claimed) = &mut self.payload {
            *claimed = hex_of(sha256);
        }
    }
}

/// Checks 8 to 11: day, region, service, terminal.
pub(super) fn check_scope(
    mechanism: Mechanism,
    credential: &Credential<'_>,
    date: AmzDate,
    expected: &ExpectedScope<'_>,
) -> Result<(), VerifyError> {
    let Credential { access_key_id: _, scope, terminal } = credential;
    let CredentialScope { day, region, service } = scope;
    if *day != date.day() {
        let credential_day = day.to_string();
        let request_day = date.day().to_string();
        return Err(VerifyError::WrongDay { mechanism, credential_day, request_day });
    }
    if region != expected.region {
        let (region, expected) = (region.to_string(), expected.region.to_owned());
        return Err(VerifyError::WrongRegion { mechanism, region, expected });
    }
    if service != expected.service {
        let (service, expected) = (service.to_string(), expected.service.to_owned());
        return Err(VerifyError::WrongService { mechanism, service, expected });
    }
    if terminal != TERMINAL {
        let terminal = terminal.to_string();
        return Err(VerifyError::WrongTerminal { mechanism, terminal });
    }
    Ok(())
}

/// In any case of letters: a caller that forgot to lower a name must not slip it past the check.
pub(crate) fn is_amz_header(name: &str) -> bool {
    name.get(..6).is_some_and(|prefix| prefix.eq_ignore_ascii_case("x-amz-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_credential_is_what_it_decodes_to() {
        fn shown(credential: Result<Credential<'_>, CredentialDefect>) -> Option<[String; 5]> {
            let Credential { access_key_id, scope, terminal } = credential.ok()?;
            let CredentialScope { day, region, service } = scope;
            let texts = [access_key_id, region, service, terminal].map(Cow::into_owned);
            let [access_key_id, region, service, terminal] = texts;
            Some([access_key_id, day.to_string(), region, service, terminal])
        }
        fn check(text: &str, legal: bool) {
            let decoded = decode_text(text);
            let first_decoded = decoded.and_then(|text| shown(Credential::parse(&text)));
            assert_eq!(first_decoded.is_some(), legal, "{text}");
            assert_eq!(shown(Credential::parse_encoded(text)), first_decoded, "{text}");
        }
        for slash in ["/", "%2F", "%2f"] {
            for id in ["a", "", "a%2B", "%", "%2", "%%", "a%252Fb", "%zz", "%C3%A9"] {
                let parts = [id, "20260615", "us-east-1", "s3", "aws4_request"];
                check(&parts.join(slash), true);
                check(&parts.join(slash).replace("06", "%30%36"), true);
                check(&parts.join(slash).replace("06", "13"), false);
                check(&parts.get(1..).unwrap_or_default().join(slash), false);
                check(&[&parts[..], &["x"]].concat().join(slash), false);
            }
            check(&["%C3", "20260615", "r", "s3", "aws4_request"].join(slash), false);
        }
        check("", false);
    }
}
