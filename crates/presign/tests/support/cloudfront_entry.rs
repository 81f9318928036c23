//! What the fuzzer of CloudFront's claims calls, and `tests/cloudfront.rs` too: bytes in, no panic, and no key opens
//! what it did not sign.

use presign::{
    CloudFrontClaim, CloudFrontPresented, CloudFrontPublicKey, SIGNED_COOKIES_BYTES_MAX,
};

/// A key whose secret half nobody kept.
const KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE3h7FoPxRaLu9ZxvQOc4SzvsbQ5F1\n\
AiXr0BSotLQU/gX9dQx2GWubkT4Ib+6QcZVTnNnUIQggDdoEevMGmItbQA==\n\
-----END PUBLIC KEY-----\n";

/// A query or a token in a path in the first line, and lines of cookies in the others; or a key.
pub(crate) fn cloudfront(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (first, cookies) = text.split_once('\n').unwrap_or((&text, ""));
    let key = CloudFrontPublicKey::from_pem(KEY).unwrap();
    let presented = [
        CloudFrontPresented::from_request(first, cookies.lines().map(str::as_bytes)),
        CloudFrontPresented::from_request("", cookies.lines().map(str::as_bytes)),
        CloudFrontPresented::from_path_token(first),
    ];
    for presented in presented.into_iter().flatten() {
        let urls = [first.to_owned()];
        let _ = presented.digest(&urls);
        let named = presented.key_pair_id().map(str::to_owned);
        let Ok(claim) = presented.read() else { continue };
        assert_eq!(named.as_deref(), Some(claim.key_pair_id()));
        assert!(claim.verify(&urls, &key).is_err(), "a signature was guessed");
    }
    let asked = CloudFrontClaim::unsigned_query(first);
    assert_eq!(CloudFrontClaim::unsigned_query(&asked), asked, "a parameter was left");
    let length: usize = cookies.lines().map(str::len).sum();
    let is_claim = CloudFrontClaim::from_request("", cookies.lines().map(str::as_bytes)).is_ok();
    assert!(!is_claim || length <= SIGNED_COOKIES_BYTES_MAX, "more cookies than are read");
    let _ = CloudFrontPublicKey::from_pem(&text);
}
