//! What is signed verifies, anything else does not, and `aws-sigv4` signs alike.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "support/harness.rs"]
mod harness;

use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SessionTokenMode, SignableBody, SignableRequest,
    SignatureLocation, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use harness::{AKID, HOST, Request, SECRET, credentials, now_plus};
use presign::{
    Endpoint, ExpiresIn, Presign, Presigner, SignedHost, SignedPayload, Signer, encode_component,
    encode_path, sign_request,
};
use proptest::prelude::*;

/// A request that any signer can be given: names and values not encoded.
#[derive(Clone, Debug)]
struct Plan {
    method: &'static str,
    key: Vec<u8>,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    token: Option<String>,
    expires: u64,
}

fn plan() -> impl Strategy<Value = Plan> {
    let method = prop::sample::select(vec!["GET", "PUT", "HEAD", "DELETE", "POST"]);
    let key = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..40),
        "[a-z/. ~+%!é]{1,40}".prop_map(String::into_bytes),
    ];
    let parameter = ("[a-zA-Z0-9_.~ /+=&%é-]{1,8}", "[ -~é]{0,12}");
    let header = ("(x-amz-meta-)?[a-z]{1,6}[0-9]", "[!-~]( {0,3}[!-~]){0,8}");
    let unique = |pairs: Vec<(String, String)>| {
        let mut seen = std::collections::HashSet::new();
        pairs.into_iter().filter(|(name, _)| seen.insert(name.clone())).collect::<Vec<_>>()
    };
    (
        method,
        key,
        prop::collection::vec(parameter, 0..6),
        prop::collection::vec(header, 0..5).prop_map(unique),
        prop::option::of("[A-Za-z0-9/+=]{1,20}"),
        1..=604_800_u64,
    )
        .prop_map(|(method, key, query, headers, token, expires)| Plan {
            method,
            key,
            query,
            headers,
            token,
            expires,
        })
}

impl Plan {
    fn presigned(&self, v2: bool) -> Request {
        let endpoint = Endpoint::parse(&format!("http://{HOST}")).unwrap();
        let query: Vec<_> = self.query.iter().map(|(name, value)| (&**name, &**value)).collect();
        let headers: Vec<_> = self
            .headers
            .iter()
            .filter(|(name, _)| !v2 || name.starts_with("x-amz-"))
            .map(|(name, value)| (&**name, &**value))
            .collect();
        let request = Presign::new(
            self.method,
            &endpoint,
            "bucket",
            &self.key,
            ExpiresIn::from_seconds(self.expires).unwrap(),
        )
        .with_headers(&headers)
        .with_query(&query);
        let mut presigner = Presigner::new(credentials(self.token.as_deref()), "us-east-1");
        let link = if v2 {
            presigner.presign_v2(&request, now_plus(0))
        } else {
            presigner.presign(&request, now_plus(0))
        };
        let link = link.unwrap();
        let target = link.url.strip_prefix(&format!("http://{HOST}")).unwrap();
        let mut request = Request::new(self.method, target);
        for (name, value) in link.headers {
            request = request.with(&name, value);
        }
        request
    }

    fn path(&self) -> String {
        format!("/bucket/{}", encode_path(&self.key))
    }

    fn raw_query(&self) -> String {
        let pairs: Vec<_> = self
            .query
            .iter()
            .map(|(name, value)| {
                let [name, value] = [name, value].map(|text| encode_component(text.as_bytes()));
                format!("{name}={value}")
            })
            .collect();
        pairs.join("&")
    }

    /// The signature that `aws-sigv4` makes: the last instruction's value.
    fn signed_by_aws(&self, location: SignatureLocation) -> String {
        let credentials =
            aws_credential_types::Credentials::new(AKID, SECRET, self.token.clone(), None, "test")
                .into();
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = match location {
            SignatureLocation::QueryParams => PayloadChecksumKind::NoHeader,
            _ => PayloadChecksumKind::XAmzSha256,
        };
        settings.session_token_mode = SessionTokenMode::Include;
        settings.signature_location = location;
        settings.expires_in = match location {
            SignatureLocation::QueryParams => Some(Duration::from_secs(self.expires)),
            _ => None,
        };
        let seconds = u64::try_from(now_plus(0).as_second()).unwrap();
        let params = SigningParams::builder()
            .identity(&credentials)
            .region("us-east-1")
            .name("s3")
            .time(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let url = format!("http://{HOST}{}?{}", self.path(), self.raw_query());
        let headers = self.headers.iter().map(|(name, value)| (&**name, &**value));
        let body = SignableBody::UnsignedPayload;
        let request = SignableRequest::new(self.method, url, headers, body).unwrap();
        sign(request, &params).unwrap().into_parts().1
    }
}

/// The bytes of a request that a signature covers, each in turn replaced by another.
fn mutated(request: &Request, at: usize, by: u8) -> Option<Request> {
    let mut mutated = request.clone();
    let mut bytes = mutated.target.into_bytes();
    let byte = bytes.get_mut(at)?;
    if *byte == by || by == b'#' {
        return None;
    }
    *byte = by;
    mutated.target = String::from_utf8(bytes).ok()?;
    mutated.target.starts_with('/').then_some(mutated)
}

/// Whether two targets are the same but for the spelling of their bytes and the order of their
/// query: decoded here without the crate's help.
fn same_meaning(a: &str, b: &str) -> bool {
    fn decode(text: &str) -> Vec<u8> {
        let bytes = text.as_bytes();
        let (mut decoded, mut at) = (Vec::new(), 0);
        while let Some(byte) = bytes.get(at) {
            let digits = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%');
            let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
            if let Some(digits) = digits {
                let digits = str::from_utf8(digits).unwrap();
                decoded.push(u8::from_str_radix(digits, 16).unwrap());
                at += 3;
            } else {
                decoded.push(*byte);
                at += 1;
            }
        }
        decoded
    }
    let meaning = |target: &str| {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut pairs: Vec<_> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect();
        pairs.sort();
        (decode(path), pairs)
    };
    meaning(a) == meaning(b)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_presigned_link_verifies(plan in plan()) {
        let request = plan.presigned(false);
        prop_assert_eq!(request.outcome(), "Unsigned");
        prop_assert_eq!(request.token(), plan.token.clone().unwrap_or_else(|| "absent".to_owned()));
        let expires = i64::try_from(plan.expires).unwrap();
        prop_assert_eq!(request.clone().after(expires).outcome(), "Unsigned");
        prop_assert!(request.after(expires + 1).outcome().starts_with("Expired"));
    }

    #[test]
    fn a_presigned_sigv2_link_verifies(plan in plan()) {
        prop_assert_eq!(plan.presigned(true).outcome(), "Unsigned");
    }

    #[test]
    fn a_changed_byte_fails(plan in plan(), at in 0..600_usize, by in 0x21..0x7f_u8) {
        let request = plan.presigned(false);
        if let Some(changed) = mutated(&request, at % request.target.len(), by)
            && !same_meaning(&changed.target, &request.target)
        {
            prop_assert_ne!(changed.outcome(), "Unsigned", "{} {}", changed.target, request.target);
        }
    }

    #[test]
    fn another_host_or_method_fails(plan in plan(), at in 0..HOST.len(), by in 0x21..0x7f_u8) {
        let request = plan.presigned(false);
        let other = if plan.method == "GET" { "HEAD" } else { "GET" };
        prop_assert_eq!(Request { method: other.to_owned(), ..request.clone() }.outcome(), "Mismatch");
        let mut host = HOST.as_bytes().to_vec();
        host[at] = by;
        let host = String::from_utf8(host).unwrap();
        let path = plan.path();
        let at_host = SignedHost { host: &host, path: &path, prefix: "", virtual_bucket: None };
        prop_assert_eq!(request.verify_at(&[at_host]).is_ok(), host == HOST);
    }

    #[test]
    fn aws_sigv4_signs_the_same_links(plan in plan()) {
        let signature = plan.signed_by_aws(SignatureLocation::QueryParams);
        let request = plan.presigned(false);
        prop_assert!(
            request.target.ends_with(&format!("X-Amz-Signature={signature}")),
            "{} {}", request.target, signature
        );
    }

    #[test]
    fn aws_sigv4_signs_the_same_headers(plan in plan()) {
        let signature = plan.signed_by_aws(SignatureLocation::Headers);
        let mut request = Request::new(plan.method, format!("{}?{}", plan.path(), plan.raw_query()));
        for (name, value) in &plan.headers {
            request = request.with(name, value.clone());
        }
        let credentials = credentials(plan.token.as_deref());
        let signer = Signer { credentials: &credentials, region: "us-east-1", service: "s3" };
        let signed = request
            .read(|head| sign_request(head, SignedPayload::Unsigned, &signer, now_plus(0)))
            .unwrap();
        let authorization = &signed.headers.last().unwrap().1;
        prop_assert!(
            authorization.ends_with(&format!("Signature={signature}")),
            "{} {}", authorization, signature
        );
        for (name, value) in signed.headers {
            request = request.with(name, value);
        }
        prop_assert_eq!(request.outcome(), "Unsigned");
    }
}
