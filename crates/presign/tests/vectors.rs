//! Signatures that others made verify, and are made again where they are of a shape that this
//! crate makes. See `vectors/README.md` for the sources.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use presign::{
    Addressing, AmzDay, ChunkEvent, CredentialScope, Credentials, Endpoint, ExpectedScope,
    ExpiresIn, Mechanism, Payload, Presign, Presigner, RequestHead, SecretAccessKey, SessionToken,
    SigV2Use, SignatureClaim, SignatureMismatch, SignedHost, SignedPayload, Signer, StreamingMode,
    VerifiedSignature, VerifyingKey, sign_request,
};
use serde_json::Value;

const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

fn read(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn pairs(object: &Value) -> Vec<(&str, &str)> {
    object.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), text(value))).collect()
}

fn credentials(token: Option<&str>) -> Credentials {
    Credentials {
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret_access_key: SecretAccessKey::new(SECRET),
        session_token: token.map(SessionToken::new),
    }
}

/// A request as a server would see it.
struct Received<'r> {
    method: &'r str,
    /// With the query.
    target: &'r str,
    host: &'r str,
    headers: &'r [(&'r str, &'r str)],
    prefix: &'r str,
    virtual_bucket: Option<&'r str>,
}

impl Received<'_> {
    /// Verifies it in the region and service that it claims.
    fn verify(
        &self,
        secret: &str,
        now: Timestamp,
    ) -> Result<VerifiedSignature, Box<SignatureMismatch>> {
        let (path, query) = self.target.split_once('?').unwrap_or((self.target, ""));
        let mut headers: Vec<(String, &[u8])> = vec![("host".to_owned(), self.host.as_bytes())];
        headers.extend(
            self.headers
                .iter()
                .filter(|(name, _)| !name.eq_ignore_ascii_case("host"))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.as_bytes())),
        );
        let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, *value)).collect();
        let head = RequestHead { method: self.method, path, query, headers: &headers };
        let claim = SignatureClaim::from_request(&head).unwrap().unwrap();
        let scope = claim.scope().cloned().map(CredentialScope::into_owned);
        let (region, service) =
            scope.as_ref().map_or(("", ""), |scope| (&*scope.region, &*scope.service));
        let expected = ExpectedScope::new(region, service).with_sigv2(SigV2Use::Allow);
        let claim = claim.admit(&expected, now).unwrap();
        let key = VerifyingKey::derive(&claim, &SecretAccessKey::new(secret));
        let host = SignedHost {
            host: self.host,
            path,
            prefix: self.prefix,
            virtual_bucket: self.virtual_bucket,
        };
        claim.verify(&[host], &key).map_err(Box::new)
    }
}

/// What the request verifies to, and what it is compared with when it does not.
fn canonical_request(received: &Received<'_>, now: Timestamp) -> SignatureMismatch {
    *received.verify("another secret", now).unwrap_err()
}

/// Scheme, authority and target of a URL.
fn split_url(url: &str) -> (&str, String, &str) {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (authority, _) = rest.split_once('/').unwrap();
    let default_port = if scheme == "http" { ":80" } else { ":443" };
    let host = authority.trim_end_matches(default_port).to_ascii_lowercase();
    (scheme, host, rest.strip_prefix(authority).unwrap())
}

#[test]
fn the_documented_signing_key_is_derived() {
    let file = read(include_str!("vectors/aws-documentation.json"));
    for day in ["20130524", "20151229"] {
        let expected = text(&file[&format!("signing_key_{day}")]);
        let day = AmzDay::parse(day).unwrap();
        let key =
            presign::SigningKey::derive(&SecretAccessKey::new(SECRET), day, "us-east-1", "s3");
        // The key itself is not shown to anybody: what it signs is compared.
        let bytes = unhex(expected);
        let expected = hmac::Mac::chain_update(
            <hmac::Hmac<sha2::Sha256> as hmac::KeyInit>::new_from_slice(&bytes).unwrap(),
            b"a string to sign",
        );
        let expected: [u8; 32] = hmac::Mac::finalize(expected).into_bytes().into();
        assert_eq!(key.sign(b"a string to sign"), expected);
    }
}

#[test]
fn the_documented_requests_verify_and_are_made_again() {
    let file = read(include_str!("vectors/aws-documentation.json"));
    let now: Timestamp = "2013-05-24T00:00:00Z".parse().unwrap();
    for case in file["requests"].as_array().unwrap() {
        let name = text(&case["name"]);
        let headers = pairs(&case["headers"]);
        let host = text(&case["headers"]["host"]);
        let signature = text(&case["signature"]);
        let query = text(&case["canonical_query"]);
        let path = text(&case["canonical_uri"]);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders={},Signature={signature}",
            text(&case["signed_headers"])
        );
        let by_query = case["kind"] == "query";
        let (target, headers) = if by_query {
            (format!("{path}?{query}&X-Amz-Signature={signature}"), headers)
        } else {
            let mut headers = headers;
            headers.push(("authorization", &authorization));
            (format!("{path}?{query}"), headers)
        };
        let received = Received {
            method: text(&case["method"]),
            target: &target,
            host,
            headers: &headers,
            prefix: "",
            virtual_bucket: None,
        };
        let verified = received.verify(SECRET, now).unwrap();
        assert_eq!(verified.mechanism() == Mechanism::V4Query, by_query, "{name}");
        let shown = canonical_request(&received, now);
        assert_eq!(
            shown.canonical_request.as_deref(),
            case["canonical_request"].as_str(),
            "{name}"
        );
        assert_eq!(shown.string_to_sign, text(&case["string_to_sign"]), "{name}");
        assert_eq!(shown.signature_provided, signature, "{name}");
        if by_query {
            make_documented_url(text(&case["url"]), now);
        } else {
            make_documented_headers(case, verified.payload(), &headers, &target, now);
        }
    }
}

fn make_documented_url(url: &str, now: Timestamp) {
    let endpoint = Endpoint::parse("https://s3.amazonaws.com").unwrap();
    let made = Presigner::new(credentials(None), "us-east-1").presign(
        &Presign::new(
            "GET",
            &endpoint,
            "examplebucket",
            b"test.txt",
            ExpiresIn::from_seconds(86_400).unwrap(),
        )
        .with_addressing(Addressing::VirtualHost),
        now,
    );
    assert_eq!(made.unwrap().url, url);
}

fn make_documented_headers(
    case: &Value,
    payload: &Payload,
    headers: &[(&str, &str)],
    target: &str,
    now: Timestamp,
) {
    let payload = match payload {
        Payload::Unsigned => SignedPayload::Unsigned,
        Payload::Sha256(text) => SignedPayload::Sha256(unhex(text)),
        Payload::Streaming(mode) => SignedPayload::Streaming(*mode),
    };
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    let (path, query) = target.split_once('?').unwrap();
    let head = RequestHead { method: text(&case["method"]), path, query, headers: &headers };
    let credentials = credentials(None);
    let signer = Signer { credentials: &credentials, region: "us-east-1", service: "s3" };
    let signed = sign_request(&head, payload, &signer, now).unwrap();
    let authorization = &signed.headers.last().unwrap().1;
    assert!(authorization.ends_with(text(&case["signature"])), "{}", text(&case["name"]));
}

fn unhex(text: &str) -> [u8; 32] {
    let byte = |digits: &[u8]| u8::from_str_radix(str::from_utf8(digits).unwrap(), 16).unwrap();
    text.as_bytes().chunks(2).map(byte).collect::<Vec<u8>>().try_into().unwrap()
}

/// Encodes the documented body, compares it, and decodes it again in pieces of all sizes.
#[test]
fn the_documented_chunks_are_made_and_verify() {
    let file = read(include_str!("vectors/aws-documentation.json"));
    let now: Timestamp = "2013-05-24T00:00:00Z".parse().unwrap();
    for stream in file["streams"].as_array().unwrap() {
        let name = text(&stream["name"]);
        let requests = file["requests"].as_array().unwrap();
        let case = requests.iter().find(|case| case["name"] == name).unwrap();
        let has_trailer = stream.get("trailer_canonical").is_some();
        let mode = if has_trailer { StreamingMode::SignedTrailer } else { StreamingMode::Signed };
        let headers = pairs(&case["headers"]);
        let wire: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let head = RequestHead {
            method: "PUT",
            path: text(&case["canonical_uri"]),
            query: "",
            headers: &wire,
        };
        let credentials = credentials(None);
        let signer = Signer { credentials: &credentials, region: "us-east-1", service: "s3" };
        let signed = sign_request(&head, SignedPayload::Streaming(mode), &signer, now).unwrap();
        let mut encoder = signed.chunk_encoder().unwrap();
        let trailers: &[(&str, &str)] =
            if has_trailer { &[("x-amz-checksum-crc32c", "sOO8/Q==")] } else { &[] };
        let mut body = Vec::new();
        for size in [65_536, 1024] {
            let pieces = encoder.chunk(Bytes::from(vec![b'a'; size]));
            body.extend(pieces.concat());
        }
        body.extend(encoder.finish(trailers));
        let length = u64::try_from(body.len()).unwrap();
        assert_eq!(Some(length), stream["encoded_body_length"].as_u64(), "{name}");
        assert_eq!(presign::ChunkEncoder::encoded_length(mode, 66_560, 65_536, trailers), length);
        let hash = <sha2::Sha256 as sha2::Digest>::digest(&body);
        assert_eq!(<[u8; 32]>::from(hash), unhex(text(&stream["encoded_body_sha256"])), "{name}");
        let shown = String::from_utf8_lossy(&body);
        for chunk in stream["chunks"].as_array().unwrap() {
            assert!(shown.contains(text(&chunk["signature"])), "{name}");
        }

        let authorization = signed.headers.last().unwrap().1.clone();
        let mut headers = headers;
        headers.push(("authorization", &authorization));
        let received = Received {
            method: "PUT",
            target: text(&case["canonical_uri"]),
            host: "s3.amazonaws.com",
            headers: &headers,
            prefix: "",
            virtual_bucket: None,
        };
        let verified = received.verify(SECRET, now).unwrap();
        for piece_size in [1, 7, 89, 8192, body.len()] {
            decode_in_pieces(&verified, &body, piece_size, trailers);
        }
    }
}

fn decode_in_pieces(
    verified: &VerifiedSignature,
    body: &[u8],
    piece_size: usize,
    trailers: &[(&str, &str)],
) {
    let declared: Vec<_> = trailers.iter().map(|(name, _)| name.to_uppercase()).collect();
    let declared: Vec<_> = declared.iter().map(|name| &**name).collect();
    let mut decoder = verified.chunk_decoder(66_560, &declared).unwrap();
    let mut decoded = Vec::new();
    let mut end = None;
    for piece in body.chunks(piece_size) {
        let mut piece = Bytes::copy_from_slice(piece);
        while let Some(event) = decoder.decode(&mut piece).unwrap() {
            match event {
                ChunkEvent::Data(data) => decoded.extend_from_slice(&data),
                ChunkEvent::End { trailers } => end = Some(trailers),
            }
        }
    }
    decoder.finish().unwrap();
    assert_eq!(decoded, vec![b'a'; 66_560]);
    let expected: Vec<(String, String)> =
        trailers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    assert_eq!(end, Some(expected));
}

/// All but the last sign a `Date` header, which this crate refuses: their text is signed as it is.
#[test]
fn the_documented_sigv2_signatures_are_made() {
    let file = read(include_str!("vectors/aws-documentation.json"));
    for case in file["sigv2"].as_array().unwrap() {
        let mac = <hmac::Hmac<sha1::Sha1> as hmac::KeyInit>::new_from_slice(SECRET.as_bytes());
        let mac = hmac::Mac::chain_update(mac.unwrap(), text(&case["string_to_sign"]));
        let bytes = hmac::Mac::finalize(mac).into_bytes();
        let made = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
        assert_eq!(made, text(&case["signature"]));
    }
    let last = file["sigv2"].as_array().unwrap().last().unwrap();
    let target = format!(
        "/photos/puppy.jpg?AWSAccessKeyId={ACCESS_KEY_ID}&Signature={}&Expires=1175139620",
        presign::encode_component(text(&last["signature"]).as_bytes())
    );
    let received = Received {
        method: "GET",
        target: &target,
        host: "johnsmith.s3.amazonaws.com",
        headers: &[],
        prefix: "",
        virtual_bucket: Some("johnsmith"),
    };
    let now = Timestamp::from_second(1_175_139_600).unwrap();
    assert_eq!(received.verify(SECRET, now).unwrap().mechanism(), Mechanism::V2Query);
    assert_eq!(canonical_request(&received, now).string_to_sign, text(&last["string_to_sign"]));
}

#[test]
fn the_urls_of_the_javascript_sdk_verify() {
    let file = read(include_str!("vectors/aws-sdk-js.json"));
    let now: Timestamp = text(&file["now"]).parse().unwrap();
    let urls = file["urls"].as_array().unwrap();
    assert_eq!(urls.len(), 27);
    for case in urls {
        let name = text(&case["name"]);
        let (_, host, target) = split_url(text(&case["url"]));
        let headers = pairs(&case["headers_to_send"]);
        let received = Received {
            method: text(&case["method"]),
            target,
            host: &host,
            headers: &headers,
            prefix: "",
            virtual_bucket: None,
        };
        // Two of them are refused for their expiry, which a server checks before the signature:
        // `claims.rs` has those rows.
        if name.ends_with("expires 0") || name.ends_with("expires -1") {
            continue;
        }
        assert!(received.verify(SECRET, now).is_ok(), "{name}");
        let shown = canonical_request(&received, now);
        assert_eq!(
            shown.canonical_request.as_deref(),
            case["canonical_request"].as_str(),
            "{name}"
        );
    }
}

/// It writes blanks in a query as `+`, as forms do.
#[test]
fn the_requests_of_aws4fetch_verify() {
    let file = read(include_str!("vectors/aws4fetch.json"));
    let now: Timestamp = text(&file["now"]).parse().unwrap();
    let requests = file["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 3);
    for case in requests {
        let name = text(&case["name"]);
        let (_, host, target) = split_url(text(&case["url"]));
        assert!(target.contains('+'), "{name}");
        let headers = pairs(&case["headers_to_send"]);
        let received = Received {
            method: text(&case["method"]),
            target,
            host: &host,
            headers: &headers,
            prefix: "",
            virtual_bucket: None,
        };
        assert!(received.verify(SECRET, now).is_ok(), "{name}");
        let shown = canonical_request(&received, now);
        let expected = case["canonical_request"].as_str();
        assert_eq!(shown.canonical_request.as_deref(), expected, "{name}");
    }
}

#[test]
fn the_urls_of_botocore_verify_and_are_made_again() {
    let file = read(include_str!("vectors/botocore.json"));
    let now: Timestamp = text(&file["now"]).parse().unwrap();
    let urls = file["urls"].as_array().unwrap();
    assert_eq!(urls.len(), 43);
    for case in urls {
        let name = text(&case["name"]);
        let url = text(&case["url"]);
        let (scheme, host, target) = split_url(url);
        let headers = pairs(&case["headers_to_send"]);
        let bucket = case["params"]["Bucket"].as_str().unwrap_or_default();
        let virtual_bucket =
            host.strip_prefix(bucket).filter(|rest| rest.starts_with('.')).map(|_| bucket);
        let prefix = if target.starts_with("/pre/fix/") { "/pre/fix" } else { "" };
        let received = Received {
            method: text(&case["method"]),
            target,
            host: &host,
            headers: &headers,
            prefix,
            virtual_bucket,
        };
        assert!(
            received.verify(SECRET, now).is_ok(),
            "{name} {:?}",
            canonical_request(&received, now).string_to_sign
        );
        if let Some(expected) = case["canonical_request"].as_str() {
            let shown = canonical_request(&received, now);
            assert_eq!(shown.canonical_request.as_deref(), Some(expected), "{name}");
        }

        let (path, query) = target.split_once('?').unwrap();
        let authority = url.split('/').nth(2).unwrap();
        let authority = virtual_bucket
            .map_or(authority, |bucket| authority.strip_prefix(bucket).unwrap().trim_matches('.'));
        let endpoint = Endpoint::parse(&format!("{scheme}://{authority}{prefix}")).unwrap();
        let made = remake(case, &endpoint, virtual_bucket, query, now);
        assert_eq!(made, url, "{name} {path}");
    }
}

/// The same link from the same inputs: the operation's own parameters are read off the URL, the
/// headers off the parameters.
fn remake(
    case: &Value,
    endpoint: &Endpoint,
    virtual_bucket: Option<&str>,
    query: &str,
    now: Timestamp,
) -> String {
    let name = text(&case["name"]);
    let sigv2 = name.starts_with("v2");
    let first_own = if sigv2 { "AWSAccessKeyId" } else { "X-Amz-Algorithm" };
    let decode = |raw: &str| String::from_utf8(presign::decode_component(raw).to_vec()).unwrap();
    let operation: Vec<(String, String)> = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .take_while(|(name, _)| *name != first_own)
        .map(|(name, value)| (decode(name), decode(value)))
        .collect();
    let operation: Vec<_> = operation.iter().map(|(name, value)| (&**name, &**value)).collect();
    let mut headers: Vec<(String, String)> = if sigv2 {
        // Hoisted: they stand in the URL, in the order in which they were given.
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .filter(|(name, _)| name.starts_with("x-amz-") || name.starts_with("content-"))
            .map(|(name, value)| (name.to_owned(), decode(value)))
            .collect()
    } else {
        pairs(&case["headers_to_send"])
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    };
    headers.retain(|(name, _)| name != "x-amz-security-token");
    let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    let token = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("x-amz-security-token"))
        .map(|(_, value)| decode(value));
    let scope: Vec<String> = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("X-Amz-Credential="))
        .map(|raw| decode(raw).split('/').map(str::to_owned).collect())
        .unwrap_or_default();
    let region = scope.get(2).cloned().unwrap_or_default();
    let mut presigner = Presigner::new(credentials(token.as_deref()), region);
    let request = Presign::new(
        text(&case["method"]),
        endpoint,
        case["params"]["Bucket"].as_str().unwrap_or_default(),
        case["params"]["Key"].as_str().unwrap_or_default().as_bytes(),
        ExpiresIn::from_seconds(case["expires"].as_u64().unwrap()).unwrap(),
    )
    .with_addressing(virtual_bucket.map_or(Addressing::Path, |_| Addressing::VirtualHost))
    .with_headers(&headers)
    .with_query(&operation);
    let made =
        if sigv2 { presigner.presign_v2(&request, now) } else { presigner.presign(&request, now) };
    let made = made.unwrap();
    let to_send: BTreeMap<&str, &str> =
        made.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    let expected: BTreeMap<&str, &str> = pairs(&case["headers_to_send"]).into_iter().collect();
    assert_eq!(to_send, expected, "{name}");
    made.url
}

#[test]
fn the_aws_signing_suite_verifies_and_its_headers_are_made_again() {
    let file = read(include_str!("vectors/aws-signing-suite.json"));
    let now: Timestamp = "2015-08-30T12:36:00Z".parse().unwrap();
    let access_key_id = text(&file["access_key_id"]);
    let secret = text(&file["secret_access_key"]);
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len() + file["excluded"].as_array().unwrap().len(), 38);
    for case in cases {
        let name = text(&case["name"]);
        let headers: Vec<(&str, &str)> = case["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|header| (text(&header[0]), text(&header[1])))
            .collect();
        let suite = SuiteCase { case, access_key_id, secret, headers, now };
        suite.check_header(name);
        suite.check_query(name);
    }
}

struct SuiteCase<'c> {
    case: &'c Value,
    access_key_id: &'c str,
    secret: &'c str,
    headers: Vec<(&'c str, &'c str)>,
    now: Timestamp,
}

impl<'c> SuiteCase<'c> {
    fn signed_token(&self) -> Option<&'c str> {
        let token = self.case.get("session_token")?;
        (self.case["token_signed"] == true).then(|| text(token))
    }

    fn body_sha256(&self) -> [u8; 32] {
        <sha2::Sha256 as sha2::Digest>::digest(text(&self.case["body"])).into()
    }

    /// The suite's paths and queries are as typed; on the wire a space cannot stand.
    fn target(&self) -> String {
        text(&self.case["target"]).replace(' ', "%20")
    }

    fn host(&self) -> &'c str {
        self.headers.iter().find(|(name, _)| *name == "Host").unwrap().1
    }

    fn check_header(&self, name: &str) {
        let signature = text(&self.case["header_signature"]);
        let expected = text(&self.case["header_canonical_request"]);
        let signed_headers = expected.lines().nth_back(1).unwrap();
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/20150830/us-east-1/service/aws4_request, \
             SignedHeaders={signed_headers}, Signature={signature}",
            self.access_key_id
        );
        let mut headers = self.headers.clone();
        headers.push(("x-amz-date", "20150830T123600Z"));
        let hash = expected.lines().last().unwrap();
        let states_hash = signed_headers.contains("x-amz-content-sha256");
        headers.extend(states_hash.then_some(("x-amz-content-sha256", hash)));
        headers.extend(self.signed_token().map(|token| ("x-amz-security-token", token)));
        headers.push(("authorization", &authorization));
        self.check(name, &self.target(), &headers, expected);

        let mut lower: Vec<(String, &[u8])> = self
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.as_bytes()))
            .collect();
        lower.extend(states_hash.then_some(("x-amz-content-sha256".to_owned(), &b""[..])));
        let lower: Vec<_> = lower.iter().map(|(name, value)| (&**name, *value)).collect();
        let target = self.target();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let head = RequestHead { method: text(&self.case["method"]), path, query, headers: &lower };
        let credentials = Credentials {
            access_key_id: self.access_key_id.to_owned(),
            secret_access_key: SecretAccessKey::new(self.secret),
            session_token: self.signed_token().map(SessionToken::new),
        };
        let signer = Signer { credentials: &credentials, region: "us-east-1", service: "service" };
        let payload = SignedPayload::Sha256(self.body_sha256());
        let signed = sign_request(&head, payload, &signer, self.now).unwrap();
        assert_eq!(signed.headers.last().unwrap(), &("authorization", authorization), "{name}");
    }

    fn check_query(&self, name: &str) {
        let expected = text(&self.case["query_canonical_request"]);
        let query = expected.lines().nth(2).unwrap();
        let (path, _) =
            text(&self.case["target"]).split_once('?').unwrap_or((text(&self.case["target"]), ""));
        let target = format!(
            "{}?{query}&X-Amz-Signature={}",
            path.replace(' ', "%20"),
            text(&self.case["query_signature"])
        );
        self.check(name, &target, &self.headers, expected);
    }

    fn check(&self, name: &str, target: &str, headers: &[(&str, &str)], expected: &str) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers: Vec<(String, &[u8])> = headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.as_bytes()))
            .collect();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, *value)).collect();
        let method = text(&self.case["method"]);
        let head = RequestHead { method, path, query, headers: &headers };
        for (secret, holds) in [(self.secret, true), ("another", false)] {
            let claim = SignatureClaim::from_request(&head).unwrap().unwrap();
            let expected_scope = ExpectedScope::new("us-east-1", "service");
            let claim = claim.admit(&expected_scope, self.now).unwrap();
            let states_hash = head.header("x-amz-content-sha256").is_some();
            assert_eq!(claim.needs_body_sha256(), !states_hash, "{name}");
            let claim = claim.with_body_sha256(&self.body_sha256());
            let key = VerifyingKey::derive(&claim, &SecretAccessKey::new(secret));
            let host = SignedHost { host: self.host(), path, prefix: "", virtual_bucket: None };
            match claim.verify(&[host], &key) {
                Ok(_) => assert!(holds, "{name}"),
                Err(mismatch) => {
                    assert_eq!(mismatch.canonical_request.as_deref(), Some(expected), "{name}");
                    assert!(!holds, "{name}");
                }
            }
        }
    }
}
