//! Verifies tokens of identity providers (`OpenID` Connect): who made them, whether their signature holds, and
//! what they say.

use std::collections::HashMap;
use std::sync::Arc;

use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::outbound::{Outbound, OutboundError};

/// The most providers whose keys are cached.
const ISSUERS_MAX: usize = 256;
/// How long cached keys are used before they are fetched again.
const KEYS_LIFE: SignedDuration = SignedDuration::from_hours(1);
/// How long cached keys are used while their provider cannot be reached. A key that was withdrawn must end at
/// some time.
const KEYS_LIFE_MAX: SignedDuration = SignedDuration::from_hours(24);
/// The least time between two fetches from one provider, for an unknown key or after a failure.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// The most keys of one provider.
const KEYS_MAX: usize = 64;
/// The longest key, in bytes: five times an RSA key of 4,096 bits.
const KEY_BYTES_MAX: usize = 4096;

/// The algorithms that may sign a token. None is symmetric, and `none` is not among them.
const ALGORITHMS: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
];

/// Why a token was not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OidcError {
    #[error("not a JWT")]
    Malformed,
    #[error("the issuer's keys cannot be had")]
    Unreachable(#[source] Option<Arc<OutboundError>>),
    #[error("the signature does not hold")]
    Signature,
}

/// What a token says of itself before its signature is verified: a claim, not a fact.
#[derive(Debug)]
pub(crate) struct TokenHead {
    pub(crate) issuer: String,
    key_id: Option<String>,
    algorithm: Algorithm,
}

/// What a token says, once its signature was verified.
#[derive(Debug)]
pub(crate) struct Claims(pub(crate) serde_json::Map<String, Value>);

impl TokenHead {
    /// Reads the unverified issuer, key id and algorithm of a token.
    pub(crate) fn read(token: &str) -> Result<Self, OidcError> {
        #[derive(Deserialize)]
        struct Issuer {
            iss: String,
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| OidcError::Malformed)?;
        let claims = jsonwebtoken::dangerous::insecure_decode::<Issuer>(token);
        let Issuer { iss } = claims.map_err(|_| OidcError::Malformed)?.claims;
        // A token may mark extensions as critical; whoever does not understand them must refuse it (RFC 7515,
        // 4.1.11).
        if !ALGORITHMS.contains(&header.alg) || header.crit.is_some() {
            return Err(OidcError::Signature);
        }
        Ok(Self { issuer: iss, key_id: header.kid, algorithm: header.alg })
    }
}

impl Claims {
    /// A claim that is text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A claim that is text or a list of texts.
    pub(crate) fn texts(&self, name: &str) -> Vec<&str> {
        match self.0.get(name) {
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(text)) => vec![text],
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
                Vec::new()
            }
        }
    }

    /// A claim that is a time in seconds.
    pub(crate) fn time(&self, name: &str) -> Option<i64> {
        let value = self.0.get(name)?;
        value.as_i64().or_else(|| {
            let seconds = value.as_f64()?;
            format!("{seconds:.0}").parse().ok()
        })
    }
}

/// The cached keys of identity providers.
#[derive(Debug)]
pub(crate) struct Issuers {
    outbound: Outbound,
    /// Each issuer has a lock of its own, so that a slow one delays nobody else.
    known: Mutex<HashMap<String, Arc<Mutex<Fetched>>>>,
}

#[derive(Debug, Default)]
struct Fetched {
    keys: Option<Vec<Jwk>>,
    /// When the keys were last fetched successfully.
    got_at: Option<Timestamp>,
    /// When a fetch was last tried.
    tried_at: Option<Timestamp>,
    failure: Option<Arc<OutboundError>>,
}

impl Issuers {
    pub(crate) fn new(allowed: Vec<IpNet>) -> Self {
        Self { outbound: Outbound::new(allowed), known: Mutex::default() }
    }

    /// Verifies a token with its issuer's keys, and returns what it says.
    pub(crate) async fn verify(
        &self,
        token: &str,
        head: &TokenHead,
        now: Timestamp,
    ) -> Result<Claims, OidcError> {
        let key = self.key(head, now).await?;
        claims(token, head, &key)
    }

    async fn key(&self, head: &TokenHead, now: Timestamp) -> Result<DecodingKey, OidcError> {
        let slot = {
            let mut known = self.known.lock().await;
            if known.len() >= ISSUERS_MAX && !known.contains_key(&head.issuer) {
                known.clear();
            }
            Arc::clone(known.entry(head.issuer.clone()).or_default())
        };
        let mut fetched = slot.lock().await;
        let age = fetched.tried_at.map(|at| now.duration_since(at));
        let stale = age.is_none_or(|age| age >= KEYS_LIFE);
        let may_retry = age.is_none_or(|age| age >= RETRY_AFTER);
        fetched.forget_old(now);
        let here = fetched.find(head);
        if stale || (here.is_none() && may_retry) {
            fetched.tried_at = Some(now);
            match self.fetch(&head.issuer).await {
                Ok(keys) => {
                    let failure = None;
                    *fetched = Fetched {
                        keys: Some(keys),
                        got_at: Some(now),
                        tried_at: Some(now),
                        failure,
                    };
                }
                // Keys that were cached before stay valid while their issuer cannot be reached.
                Err(error) => fetched.failure = Some(Arc::new(error)),
            }
        } else if let Some(key) = here {
            return Ok(key);
        }
        match (fetched.find(head), &fetched.keys) {
            (Some(key), _) => Ok(key),
            (None, Some(_)) => Err(OidcError::Signature),
            (None, None) => Err(OidcError::Unreachable(fetched.failure.clone())),
        }
    }

    async fn fetch(&self, issuer: &str) -> Result<Vec<Jwk>, OutboundError> {
        #[derive(Deserialize)]
        struct Discovery {
            issuer: String,
            jwks_uri: String,
        }
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let document = self.outbound.get(&url).await?;
        let discovery: Discovery =
            serde_json::from_slice(&document).map_err(|_| OutboundError::Document)?;
        if discovery.issuer != issuer {
            return Err(OutboundError::Document);
        }
        let keys = self.outbound.get(&discovery.jwks_uri).await?;
        read_keys(&keys).ok_or(OutboundError::Document)
    }
}

/// Verifies a token with one key, and returns what it says.
fn claims(token: &str, head: &TokenHead, key: &DecodingKey) -> Result<Claims, OidcError> {
    // The caller judges times and audience, because it has a message for each.
    let mut validation = Validation::new(head.algorithm);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let decoded = jsonwebtoken::decode(token, key, &validation);
    decoded.map(|token| Claims(token.claims)).map_err(|_| OidcError::Signature)
}

/// The usable keys of a JWK set. Keys of other kinds are skipped (RFC 7517, 5).
fn read_keys(document: &[u8]) -> Option<Vec<Jwk>> {
    #[derive(Deserialize)]
    struct Keys {
        keys: Vec<Value>,
    }
    let Keys { keys } = serde_json::from_slice(document).ok()?;
    let usable = |key: &Jwk| {
        let signs = key.common.public_key_use != Some(PublicKeyUse::Encryption);
        signs && DecodingKey::from_jwk(key).is_ok()
    };
    let keys = keys.into_iter().take(KEYS_MAX).filter_map(slim);
    Some(keys.filter_map(|key| serde_json::from_value(key).ok()).filter(usable).collect())
}

/// A key without its certificates, which nobody reads. `None` if it is longer than [`KEY_BYTES_MAX`] even so.
fn slim(mut key: Value) -> Option<Value> {
    key.as_object_mut()?.remove("x5c");
    (key.to_string().len() <= KEY_BYTES_MAX).then_some(key)
}

impl Fetched {
    fn forget_old(&mut self, now: Timestamp) {
        let age = self.got_at.map(|at| now.duration_since(at));
        if age.is_some_and(|age| age >= KEYS_LIFE_MAX) {
            self.keys = None;
        }
    }

    /// The key that a token names. A token that names none may use the only key.
    fn find(&self, head: &TokenHead) -> Option<DecodingKey> {
        let keys = self.keys.as_ref()?;
        let key = match &head.key_id {
            Some(id) => keys.iter().find(|key| key.common.key_id.as_ref() == Some(id))?,
            None => match keys.as_slice() {
                [only] => only,
                _ => return None,
            },
        };
        DecodingKey::from_jwk(key).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Made by another implementation: see the README beside them.
    const JWKS: &str = include_str!("../tests/vectors/oidc/jwks.json");
    const TOKENS: &str = include_str!("../tests/vectors/oidc/tokens.json");

    #[derive(Deserialize)]
    struct Tokens {
        good: BTreeMap<String, String>,
        bad: BTreeMap<String, String>,
    }

    fn verify(token: &str) -> Result<Claims, OidcError> {
        let head = TokenHead::read(token)?;
        assert_eq!(head.issuer, "https://issuer.example");
        let keys = read_keys(JWKS.as_bytes());
        let key = Fetched { keys, ..Fetched::default() }.find(&head).ok_or(OidcError::Signature)?;
        claims(token, &head, &key)
    }

    #[test]
    fn tokens_of_a_provider() {
        let Tokens { good, bad } = serde_json::from_str(TOKENS).unwrap();
        assert_eq!((good.len(), bad.len()), (ALGORITHMS.len(), 9));
        for (name, token) in good {
            let claims = verify(&token).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(claims.text("sub"), Some("alice"), "{name}");
            assert_eq!(claims.time("exp"), Some(1_781_528_400), "{name}");
            // Any character of the signature counts.
            let at = token.len() - 20;
            let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
            let mut changed = token.clone();
            changed.replace_range(at..=at, other);
            assert!(verify(&changed).is_err(), "{name}");
        }
        for (name, token) in bad {
            assert!(verify(&token).is_err(), "{name}");
        }
    }

    #[test]
    fn keys_of_no_use_are_left_out() {
        let keys = read_keys(JWKS.as_bytes()).unwrap();
        let ids: Vec<_> = keys.iter().filter_map(|key| key.common.key_id.as_deref()).collect();
        assert_eq!(ids, ["rsa", "ec", "ec384"]);
        for bad in ["", "[]", "{}", "{\"keys\":{}}"] {
            assert!(read_keys(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn keys_that_are_too_long_are_left_out() {
        let mut set: Value = serde_json::from_str(JWKS).unwrap();
        let chain = Value::from(vec!["A".repeat(KEY_BYTES_MAX)]);
        set["keys"][0]["x5c"] = chain.clone();
        let all = read_keys(set.to_string().as_bytes()).unwrap();
        assert_eq!(all.len(), 3, "certificates are not kept");
        assert!(all.iter().all(|key| key.common.x509_chain.is_none()));
        for key in set["keys"].as_array_mut().unwrap() {
            key["note"] = chain.clone();
        }
        assert_eq!(read_keys(set.to_string().as_bytes()).unwrap().len(), 0);
    }

    #[test]
    fn texts_and_times() {
        let claims = serde_json::from_str(r#"{"a":"x","b":["x",1,"y"],"c":1.5e9,"d":"5","e":7}"#);
        let claims = Claims(claims.unwrap());
        assert_eq!(claims.texts("a"), ["x"]);
        assert_eq!(claims.texts("b"), ["x", "y"]);
        assert_eq!(claims.texts("e"), [""; 0]);
        assert_eq!(claims.time("c"), Some(1_500_000_000));
        assert_eq!((claims.time("d"), claims.time("e")), (None, Some(7)));
    }
}
