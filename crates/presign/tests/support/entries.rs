//! What the fuzzers call, and `tests/fuzz.rs` too: bytes in, no panic, and what must always hold.
#![allow(dead_code, reason = "each fuzz target uses one of them")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use presign::{
    ChunkEvent, CredentialScope, Credentials, ExpectedScope, ExplainQuestion,
    FORM_BYTES_BEFORE_FILE_MAX, FormDecoder, FormError, FormEvent, FormFields, LinkVerdict,
    PostPolicy, RequestHead, SecretAccessKey, SigV2Use, SignatureClaim, SignedHost, SignedPayload,
    Signer, StreamingMode, VerifyingKey, decode_component, encode_component, encode_path, explain,
    sign_request,
};

/// The secret of all that the fuzzers sign; no input can know a signature made with it.
const SECRET: &str = "a secret that no corpus holds";

fn now() -> Timestamp {
    Timestamp::from_second(1_781_524_800).unwrap()
}

/// `method`, target and header lines, separated by line ends, to a claim, and that to a refusal.
pub(crate) fn claim(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.lines();
    let method = lines.next().unwrap_or_default();
    let target = lines.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: Vec<(String, &[u8])> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.as_bytes()))
        .collect();
    let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, *value)).collect();
    let head = RequestHead { method, path, query, headers: &headers };
    let Ok(Some(claim)) = SignatureClaim::from_request(&head) else { return };
    let scope = claim.scope().cloned().map(CredentialScope::into_owned);
    let (region, service) =
        scope.as_ref().map_or(("", "s3"), |scope| (&*scope.region, &*scope.service));
    let expected = ExpectedScope::new(region, service).with_sigv2(SigV2Use::Allow);
    let Ok(claim) = claim.admit(&expected, now()) else { return };
    let _ = claim.session_token();
    let key = VerifyingKey::derive(&claim, &SecretAccessKey::new(SECRET));
    let host = head.header("host").and_then(|host| str::from_utf8(host).ok()).unwrap_or_default();
    let hosts = [
        SignedHost { host, path, prefix: "", virtual_bucket: None },
        SignedHost { host: "elsewhere", path, prefix: "/pre", virtual_bucket: Some("bucket") },
    ];
    assert!(claim.verify(&hosts, &key).is_err(), "a signature was guessed");
}

/// An aws-chunked body in pieces; the first bytes say how.
pub(crate) fn chunks(data: &[u8]) {
    let [mode, length, piece_size, body @ ..] = data else { return };
    let mode = match mode % 3 {
        0 => StreamingMode::Signed,
        1 => StreamingMode::SignedTrailer,
        _ => StreamingMode::UnsignedTrailer,
    };
    let length = u64::from(*length);
    let headers: [(&str, &[u8]); 1] = [("host", b"h")];
    let head = RequestHead { method: "PUT", path: "/b/k", query: "", headers: &headers };
    let credentials = Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: SecretAccessKey::new(SECRET),
        session_token: None,
    };
    let signer = Signer { credentials: &credentials, region: "us-east-1", service: "s3" };
    let signed = sign_request(&head, SignedPayload::Streaming(mode), &signer, now()).unwrap();
    let mut all: Vec<(&str, &[u8])> = headers.to_vec();
    all.extend(signed.headers.iter().map(|(name, value)| (*name, value.as_bytes())));
    let head = RequestHead { headers: &all, ..head };
    let claim = SignatureClaim::from_request(&head).unwrap().unwrap();
    let expected = ExpectedScope::new("us-east-1", "s3");
    let claim = claim.admit(&expected, now()).unwrap();
    let key = VerifyingKey::derive(&claim, &credentials.secret_access_key);
    let host = SignedHost { host: "h", path: "/b/k", prefix: "", virtual_bucket: None };
    let verified = claim.verify(&[host], &key).unwrap();

    let decode = |piece_size: usize| {
        let mut decoder = verified.chunk_decoder(length, &["x-amz-checksum-crc32"]).unwrap();
        let mut decoded = Vec::new();
        for piece in body.chunks(piece_size.max(1)) {
            let mut input = Bytes::copy_from_slice(piece);
            loop {
                match decoder.decode(&mut input) {
                    Ok(Some(ChunkEvent::Data(data))) => decoded.extend_from_slice(&data),
                    Ok(Some(ChunkEvent::End { .. })) => {
                        let decoded_length = u64::try_from(decoded.len()).unwrap();
                        assert_eq!(decoded_length, length, "the end came at the wrong place");
                        assert!(!mode.signs_chunks(), "a signature was guessed");
                    }
                    Ok(None) => break,
                    Err(error) => return (decoded, Err(error)),
                }
                assert!(u64::try_from(decoded.len()).unwrap() <= length, "more than declared");
            }
        }
        (decoded, decoder.finish())
    };
    let (whole, in_pieces) = (decode(body.len()), decode(usize::from(*piece_size)));
    assert_eq!(whole, in_pieces, "how a body is cut must not matter");
}

/// A form in pieces: the size of a piece, the content type, and behind the first line end the body.
pub(crate) fn form(data: &[u8]) {
    let Some((piece_size, rest)) = data.split_first() else { return };
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (content_type, body) = rest.split_at(end);
    let body = body.get(1..).unwrap_or_default();
    let content_type = String::from_utf8_lossy(content_type);
    let decode = |piece_size: usize| {
        let mut decoder = FormDecoder::new(&content_type)?;
        let (mut fields, mut file, mut ended) = (FormFields::default(), None, false);
        for piece in body.chunks(piece_size.max(1)) {
            let mut input = Bytes::copy_from_slice(piece);
            while let Some(event) = decoder.decode(&mut input)? {
                assert!(!ended, "something after the end");
                match event {
                    FormEvent::Field { name, value } if file.is_none() => fields.push(name, value),
                    FormEvent::File { name } if file.is_none() => file = Some((name, Vec::new())),
                    FormEvent::Data(bytes) => {
                        assert!(!bytes.is_empty(), "data that is none");
                        file.as_mut().unwrap().1.extend_from_slice(&bytes);
                    }
                    FormEvent::End if file.is_some() => ended = true,
                    other => panic!("out of order: {other:?}"),
                }
            }
            assert!(input.is_empty(), "not all was taken");
        }
        Ok::<_, FormError>((fields, file, ended))
    };
    let (whole, in_pieces) = (decode(body.len()), decode(usize::from(*piece_size)));
    // How a body is cut must not matter; only half a file may end with what could be its end.
    assert_eq!(whole, in_pieces);
    let Ok((fields, file, _)) = whole else { return };
    let held: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(held <= FORM_BYTES_BEFORE_FILE_MAX + 8192, "more than a form may hold");
    let named = fields.with_file_name(file.and_then(|(name, _)| name).as_deref());
    let Ok(fields) = named else { return };
    let Ok(Some(claim)) = SignatureClaim::from_form(&fields) else { return };
    let expected = ExpectedScope::new("us-east-1", "s3").with_sigv2(SigV2Use::Allow);
    let Ok(claim) = claim.admit(&expected, now()) else { return };
    let _ = claim.session_token();
    let key = VerifyingKey::derive(&claim, &SecretAccessKey::new(SECRET));
    assert!(claim.verify(&[], &key).is_err(), "a signature was guessed");
}

/// A policy, which is a line of JSON, and the fields of a form, a line each: what is not named is
/// never let through.
pub(crate) fn post_policy(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (json, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let _ = PostPolicy::parse(json);
    let Ok(policy) = PostPolicy::parse(&STANDARD.encode(json)) else { return };
    let mut fields = FormFields::default();
    for line in rest.lines() {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        fields.push(name, value);
    }
    let Ok(sizes) = policy.judge(&fields, "bucket", now()) else { return };
    assert!(policy.expires_at() >= now());
    fields.push("not named in any policy", "");
    assert!(policy.judge(&fields, "bucket", now()).is_err(), "a field slipped through");
    assert!(sizes.is_empty() || json.contains("ucket"), "no bucket was named");
}

/// Any text decodes, and what is decoded encodes to one spelling.
pub(crate) fn encoding(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let decoded = decode_component(&text);
    let encoded = encode_component(&decoded);
    assert_eq!(decode_component(&encoded), decoded, "one spelling of the same bytes");
    assert_eq!(encode_component(&decode_component(&encoded)), encoded);
    assert_eq!(*decode_component(&encode_component(data)), *data, "every byte survives");
    assert_eq!(*decode_component(&encode_path(data)), *data, "every byte survives");
    assert!(encode_path(data).replace('/', "%2F") == encode_component(data));
    let head = RequestHead { method: "GET", path: "/", query: &text, headers: &[] };
    for (name, _) in head.query_pairs().take(4) {
        let name = String::from_utf8_lossy(&decode_component(name)).into_owned();
        let _ = head.query_value(&name);
    }
}

/// Any text is explained, and no text that was signed with another secret is said to work.
pub(crate) fn explained(data: &[u8]) {
    let secret = SecretAccessKey::new(SECRET);
    let text = String::from_utf8_lossy(data);
    let (text, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let headers: Vec<_> = rest.lines().filter_map(|line| line.split_once(':')).collect();
    let mut question = ExplainQuestion::new(text);
    question.headers = &headers;
    question.secret = Some(&secret);
    let Ok(told) = explain(&question, now()) else { return };
    assert_ne!(told.works, LinkVerdict::Works, "a signature out of nowhere");
    assert!(!format!("{told:?}").contains(SECRET), "the secret was said");
    assert!(told.works != LinkVerdict::Fails || !told.causes.is_empty(), "no cause");
}
