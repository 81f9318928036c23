//! Requests as rows write them, and what becomes of them.
#![allow(dead_code, reason = "each test file uses a part of it")]

use jiff::Timestamp;
use presign::{
    AmzDay, Credentials, ExpectedScope, RequestHead, SecretAccessKey, SessionToken, SigV2Use,
    SignatureClaim, SignatureMismatch, SignedHost, SigningKey, TokenClaim, VerifiedSignature,
    VerifyingKey,
};
use sha2::{Digest, Sha256};

pub(crate) const AKID: &str = "AKIDEXAMPLE";
pub(crate) const SECRET: &str = "secret";
pub(crate) const HOST: &str = "s3.example.com";
pub(crate) const DATE: &str = "20260615T120000Z";
pub(crate) const SCOPE: &str = "20260615/us-east-1/s3/aws4_request";

/// The instant of [`DATE`], and so many seconds.
pub(crate) fn now_plus(seconds: i64) -> Timestamp {
    let now: Timestamp = "2026-06-15T12:00:00Z".parse().unwrap();
    now.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap()
}

pub(crate) fn credentials(token: Option<&str>) -> Credentials {
    Credentials {
        access_key_id: AKID.to_owned(),
        secret_access_key: SecretAccessKey::new(SECRET),
        session_token: token.map(SessionToken::new),
    }
}

/// A request with a `host` header.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) sigv2: SigV2Use,
    pub(crate) seconds: i64,
}

impl Request {
    pub(crate) fn new(method: &str, target: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            target: target.into(),
            headers: vec![("host".to_owned(), HOST.to_owned())],
            sigv2: SigV2Use::Allow,
            seconds: 0,
        }
    }

    pub(crate) fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(given, _)| given != name);
        self
    }

    /// Received so many seconds after [`DATE`].
    pub(crate) fn after(mut self, seconds: i64) -> Self {
        self.seconds = seconds;
        self
    }

    pub(crate) fn read<T>(&self, then: impl FnOnce(&RequestHead<'_>) -> T) -> T {
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (&**name, value.as_bytes())).collect();
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        then(&RequestHead { method: &self.method, path, query, headers: &headers })
    }

    /// All the way: at the hosts given, or at [`HOST`].
    pub(crate) fn verify_at(
        &self,
        hosts: &[SignedHost<'_>],
    ) -> Result<VerifiedSignature, Box<Refusal>> {
        self.read(|head| {
            let claim = SignatureClaim::from_request(head)
                .map_err(|error| Refusal::Claim(error.clone()))?
                .ok_or(Refusal::Anonymous)?;
            let expected = ExpectedScope::new("us-east-1", "s3").with_sigv2(self.sigv2);
            let claim = claim.admit(&expected, now_plus(self.seconds)).map_err(Refusal::Verify)?;
            let key = VerifyingKey::derive(&claim, &SecretAccessKey::new(SECRET));
            claim.verify(hosts, &key).map_err(Refusal::Mismatch)
        })
        .map_err(Box::new)
    }

    pub(crate) fn verify(&self) -> Result<VerifiedSignature, Box<Refusal>> {
        let path = self.target.split_once('?').map_or(&*self.target, |(path, _)| path);
        self.verify_at(&[SignedHost { host: HOST, path, prefix: "", virtual_bucket: None }])
    }

    /// What became of it, in words.
    pub(crate) fn outcome(&self) -> String {
        match self.verify() {
            Ok(verified) => format!("{:?}", verified.payload()),
            Err(refusal) => match *refusal {
                Refusal::Anonymous => "Anonymous".to_owned(),
                Refusal::Claim(error) => format!("{error:?}"),
                Refusal::Verify(error) => format!("{error:?}"),
                Refusal::Mismatch(_) => "Mismatch".to_owned(),
            },
        }
    }

    pub(crate) fn mismatch(&self) -> SignatureMismatch {
        match self.verify().map_err(|refusal| *refusal) {
            Err(Refusal::Mismatch(mismatch)) => mismatch,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn token(&self) -> String {
        self.read(|head| {
            let claim = SignatureClaim::from_request(head).unwrap().unwrap();
            let expected = ExpectedScope::new("us-east-1", "s3").with_sigv2(self.sigv2);
            let claim = claim.admit(&expected, now_plus(self.seconds)).unwrap();
            match claim.session_token() {
                TokenClaim::Absent => "absent".to_owned(),
                TokenClaim::Present(token) => String::from_utf8(token.to_vec()).unwrap(),
                TokenClaim::Conflicting => "conflicting".to_owned(),
            }
        })
    }
}

#[derive(Debug)]
pub(crate) enum Refusal {
    Anonymous,
    Claim(presign::ClaimError),
    Verify(presign::VerifyError),
    Mismatch(SignatureMismatch),
}

/// The query of a link with the standard parameters, changed: a value of `-` leaves one out, an
/// unknown name adds one in front. Values are encoded as they shall be on the wire.
pub(crate) fn link_query(changes: &[(&str, &str)]) -> String {
    let credential = format!("{AKID}/{SCOPE}").replace('/', "%2F");
    let standard = [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", &credential),
        ("X-Amz-Date", DATE),
        ("X-Amz-Expires", "3600"),
        ("X-Amz-SignedHeaders", "host"),
        ("X-Amz-Signature", "0"),
    ];
    let added = changes.iter().filter(|(name, _)| !standard.iter().any(|(own, _)| own == name));
    let changed = standard.iter().map(|(name, value)| {
        let change = changes.iter().find(|(changed, _)| changed == name);
        (*name, change.map_or(*value, |(_, value)| *value))
    });
    let pairs: Vec<_> = added
        .copied()
        .chain(changed)
        .filter(|(_, value)| *value != "-")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// The signature of a canonical request that a row spells out.
pub(crate) fn sign(canonical_request: &str) -> String {
    let hash = hex(&Sha256::digest(canonical_request));
    sign_string(&format!("AWS4-HMAC-SHA256\n{DATE}\n{SCOPE}\n{hash}"))
}

pub(crate) fn sign_string(string_to_sign: &str) -> String {
    let day = AmzDay::parse("20260615").unwrap();
    let key = SigningKey::derive(&SecretAccessKey::new(SECRET), day, "us-east-1", "s3");
    hex(&key.sign(string_to_sign.as_bytes()))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
