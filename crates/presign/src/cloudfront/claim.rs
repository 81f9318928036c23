//! What a viewer presents: read, and proven by a key. A [`VerifiedPolicy`] comes from nowhere else.

use core::net::IpAddr;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::encoding::decode;
use super::key::{CloudFrontHash, CloudFrontPublicKey};
use super::policy::{CloudFrontPolicy, POLICY_BYTES_MAX};
use super::refusal::{CloudFrontRefusal, DenialReason};
use crate::encode::decode_component;

/// How long the lines of cookies of one request may be together, in bytes, where they hold one of CloudFront's.
pub const SIGNED_COOKIES_BYTES_MAX: usize = 16 * 1024;
/// The longest signature that is read, encoded: one of RSA with 2,048 bits has 344 characters.
const SIGNATURE_CHARS_MAX: usize = 1024;
/// The longest id of a key that is read.
const KEY_ID_CHARS_MAX: usize = 64;
/// The longest policy that is read, encoded: three bytes make four characters, and a last group is filled up.
const POLICY_CHARS_MAX: usize = POLICY_BYTES_MAX.div_ceil(3) * 4;

/// The names of the parameters, in the order of [`Parts`].
const PARAMETERS: [&str; 5] = ["Expires", "Policy", "Signature", "Key-Pair-Id", "Hash-Algorithm"];
/// The names of the cookies, in the same order.
const COOKIES: [&str; 5] = [
    "CloudFront-Expires",
    "CloudFront-Policy",
    "CloudFront-Signature",
    "CloudFront-Key-Pair-Id",
    "CloudFront-Hash-Algorithm",
];
/// The place of the hash among them, which alone signs nothing.
const HASH: usize = 4;

/// What a request presents, as it is written: nothing of it is proven.
#[derive(Clone)]
pub struct CloudFrontClaim {
    key_pair_id: String,
    signed: Signed,
    signature: Vec<u8>,
    hash: CloudFrontHash,
}

#[derive(Clone)]
enum Signed {
    /// The policy is made of the URL and this second.
    Canned { expires: i64 },
    /// The policy was sent.
    Custom { text: Vec<u8>, policy: CloudFrontPolicy },
}

/// The values as they were sent, decoded from the query's own encoding.
type Parts<'r> = [Option<Cow<'r, [u8]>>; 5];

/// What a request presents, before anything of it is read. Who remembers what was found true asks here, and reads only what is
/// new.
#[derive(Clone)]
pub struct CloudFrontPresented<'r>(Parts<'r>);

impl<'r> CloudFrontPresented<'r> {
    /// Finds what a request presents: the parameters of its query, or else its cookies. As soon as the query has one of
    /// the parameters, cookies are not looked at (semantics 7.4.2).
    ///
    /// `query` is without its `?`; `cookies` are the lines of the `Cookie` header.
    pub fn from_request(
        query: &'r str,
        cookies: impl IntoIterator<Item = &'r [u8]>,
    ) -> Result<Self, CloudFrontRefusal> {
        let parts = parts_of_query(query)?;
        let is_signed = parts.iter().take(HASH).any(Option::is_some);
        Ok(Self(if is_signed { parts } else { parts_of_cookies(cookies)? }))
    }

    /// Takes a token in a path apart, `~Policy~Signature~Key-Pair-Id` or with `~SHA256` behind: a custom policy, for players
    /// that lose the query.
    ///
    /// The `~` that separates is also a character of the values. A policy is written in groups of four characters, and
    /// a group that begins with `~` stands for a byte that no UTF-8 has: so the first `~` between two groups ends it.
    pub fn from_path_token(token: &str) -> Result<Self, CloudFrontRefusal> {
        let token = decode_component(token);
        let token = token.strip_prefix(b"~").ok_or(CloudFrontRefusal::MalformedPolicy)?;
        let (token, hash) = match token.strip_suffix(b"~SHA256") {
            Some(token) => (token, Some(Cow::Borrowed(&b"SHA256"[..]))),
            None => (token.strip_suffix(b"~SHA1").unwrap_or(token), None),
        };
        let last = token.iter().rposition(|byte| *byte == b'~');
        let (values, key) = last
            .and_then(|at| around(token, at))
            .filter(|(_, key)| !key.is_empty())
            .ok_or(CloudFrontRefusal::MissingKey)?;
        let mut groups = values.chunks(4);
        let separator = groups.position(|group| group.first() == Some(&b'~'));
        let (policy, signature) =
            separator.and_then(|group| around(values, group * 4)).unwrap_or((values, &[]));
        let [policy, signature, key] =
            [policy, signature, key].map(|value| Some(Cow::Owned(value.to_vec())));
        Ok(Self([None, policy, signature, key, hash]))
    }

    /// The id of the key that is said to have signed.
    pub fn key_pair_id(&self) -> Option<&str> {
        let [.., key, _] = &self.0;
        str::from_utf8(key.as_deref()?).ok()
    }

    /// Names everything on which it depends whether a key has signed for these URLs, which are those of
    /// [`CloudFrontClaim::verify`]: the same digest, the same answer of the same key.
    pub fn digest(&self, urls: &[String]) -> [u8; 32] {
        let mut digest = Sha256::new();
        let mut add = |bytes: &[u8]| {
            digest.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(bytes);
        };
        for part in &self.0 {
            add(if part.is_some() { b"+" } else { b"-" });
            add(part.as_deref().unwrap_or_default());
        }
        let [_, policy, ..] = &self.0;
        if policy.is_none() {
            for url in urls {
                add(url.as_bytes());
            }
        }
        digest.finalize().into()
    }

    /// Reads it, with the refusal of whatever cannot be read. A request that presents nothing is refused with
    /// [`CloudFrontRefusal::MissingKey`].
    pub fn read(self) -> Result<CloudFrontClaim, CloudFrontRefusal> {
        CloudFrontClaim::read(self.0)
    }
}

impl fmt::Debug for CloudFrontPresented<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CloudFrontPresented").finish_non_exhaustive()
    }
}

impl CloudFrontClaim {
    /// Reads what a request presents, as [`CloudFrontPresented::from_request`] finds it.
    pub fn from_request<'r>(
        query: &'r str,
        cookies: impl IntoIterator<Item = &'r [u8]>,
    ) -> Result<Self, CloudFrontRefusal> {
        CloudFrontPresented::from_request(query, cookies)?.read()
    }

    /// Reads a token in a path, as [`CloudFrontPresented::from_path_token`] takes it apart.
    pub fn from_path_token(token: &str) -> Result<Self, CloudFrontRefusal> {
        CloudFrontPresented::from_path_token(token)?.read()
    }

    fn read(parts: Parts<'_>) -> Result<Self, CloudFrontRefusal> {
        let [expires, policy, signature, key, hash] = parts;
        let key = key.filter(|key| !key.is_empty()).ok_or(CloudFrontRefusal::MissingKey)?;
        let key_pair_id = String::from_utf8(key.into_owned())
            .ok()
            .filter(|key| key.len() <= KEY_ID_CHARS_MAX)
            .ok_or(CloudFrontRefusal::InvalidKey)?;
        let malformed = CloudFrontRefusal::MalformedPolicy;
        let hash = match hash {
            None => CloudFrontHash::default(),
            Some(hash) => {
                let hash = std::str::from_utf8(&hash).ok().and_then(CloudFrontHash::parse);
                hash.ok_or(malformed)?
            }
        };
        let signed = match (policy, expires) {
            // What is sent counts; the time beside it is signed by nobody.
            (Some(_), Some(_)) | (None, None) => return Err(malformed),
            (Some(policy), None) => {
                let text = (policy.len() <= POLICY_CHARS_MAX).then(|| decode(&policy));
                let text = text.flatten().ok_or(malformed)?;
                let policy = CloudFrontPolicy::parse(&text).ok_or(malformed)?;
                Signed::Custom { text, policy }
            }
            (None, Some(expires)) => {
                Signed::Canned { expires: read_expires(&expires).ok_or(malformed)? }
            }
        };
        let signature = signature
            .filter(|text| !text.is_empty() && text.len() <= SIGNATURE_CHARS_MAX)
            .and_then(|text| decode(&text))
            .ok_or(CloudFrontRefusal::MalformedSignature)?;
        Ok(Self { key_pair_id, signed, signature, hash })
    }

    /// The query without the parameters of a signature: what the viewer asks for, a cache knows and an origin is sent
    /// (semantics 7.4.3).
    pub fn unsigned_query(query: &str) -> Cow<'_, str> {
        let is_of_signature = |pair: &str| place_of(pair, &PARAMETERS).is_some();
        if !query.split('&').any(is_of_signature) {
            return Cow::Borrowed(query);
        }
        let others: Vec<_> = query.split('&').filter(|pair| !is_of_signature(pair)).collect();
        Cow::Owned(others.join("&"))
    }

    /// The id of the key that is said to have signed.
    pub fn key_pair_id(&self) -> &str {
        &self.key_pair_id
    }

    /// Verifies that the key signed the policy. `urls` are the URL that was asked for, without the parameters of a
    /// signature, by every name under which it may have been signed; a canned policy is made of them.
    pub fn verify(
        &self,
        urls: &[String],
        key: &CloudFrontPublicKey,
    ) -> Result<VerifiedPolicy, CloudFrontRefusal> {
        let refused = CloudFrontRefusal::AccessDenied(DenialReason::BadSignature);
        let holds = |text: &[u8]| key.verifies(text, self.hash, &self.signature);
        match &self.signed {
            Signed::Custom { text, policy } => {
                let verified = holds(text).then(|| VerifiedPolicy::custom(policy.clone()));
                verified.ok_or(refused)
            }
            Signed::Canned { expires } => {
                let text = |url: &String| {
                    // As signers write it: the URL as it is.
                    format!(
                        "{{\"Statement\":[{{\"Resource\":\"{url}\",\"Condition\":{{\"DateLessThan\":{{\"AWS:EpochTime\":{expires}}}}}}}]}}"
                    )
                };
                // In such a URL could stand members of a policy that was signed for something else.
                let plain = |url: &&String| !url.contains(['"', '\\']);
                let mut urls = urls.iter().filter(plain);
                let signed = urls.find(|url| holds(text(url).as_bytes()));
                signed.map(|url| VerifiedPolicy::canned(url, *expires)).ok_or(refused)
            }
        }
    }
}

impl fmt::Debug for CloudFrontClaim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = match self.signed {
            Signed::Canned { .. } => "canned",
            Signed::Custom { .. } => "custom",
        };
        let mut shown = formatter.debug_struct("CloudFrontClaim");
        shown.field("key_pair_id", &self.key_pair_id).field("policy", &shape);
        shown.field("hash", &self.hash).finish_non_exhaustive()
    }
}

/// A policy that a key has signed. Whether it allows a request is asked for each request.
#[derive(Clone, Debug)]
pub struct VerifiedPolicy(Arc<Proven>);

#[derive(Debug)]
enum Proven {
    /// A canned policy: this very URL, with no wildcards in it.
    Canned {
        url: String,
        expires: i64,
    },
    Custom(CloudFrontPolicy),
}

impl VerifiedPolicy {
    fn custom(policy: CloudFrontPolicy) -> Self {
        Self(Arc::new(Proven::Custom(policy)))
    }

    fn canned(url: &str, expires: i64) -> Self {
        Self(Arc::new(Proven::Canned { url: url.to_owned(), expires }))
    }

    /// Whether a viewer at an address may have one of these URLs now; they are those of [`CloudFrontClaim::verify`].
    pub fn judge(
        &self,
        urls: &[String],
        client: IpAddr,
        now: Timestamp,
    ) -> Result<(), CloudFrontRefusal> {
        match &*self.0 {
            Proven::Custom(policy) => policy.judge(urls, client, now),
            Proven::Canned { url, expires } => {
                let denied = |reason| Err(CloudFrontRefusal::AccessDenied(reason));
                if now.as_second() >= *expires {
                    return denied(DenialReason::Expired);
                }
                if urls.contains(url) { Ok(()) } else { denied(DenialReason::Resource) }
            }
        }
    }

    /// Whether what the policy is about has this text in it, letter by letter; or it is about everything there is.
    pub fn names(&self, text: &str) -> bool {
        match &*self.0 {
            Proven::Custom(policy) => policy.names(text),
            Proven::Canned { url, .. } => url.contains(text),
        }
    }

    /// The second at which the policy allows nothing any more.
    pub fn ends_at(&self) -> Timestamp {
        match &*self.0 {
            Proven::Custom(policy) => policy.ends_at(),
            Proven::Canned { expires, .. } => {
                Timestamp::from_second(*expires).unwrap_or(Timestamp::MIN)
            }
        }
    }
}

/// What stands before the byte at a place, and what behind it.
fn around(bytes: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    let (before, after) = bytes.split_at_checked(at)?;
    Some((before, after.get(1..)?))
}

/// A second as signers write it: digits alone, without zeros before them.
fn read_expires(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (text == "0" || !text.starts_with('0'));
    let epoch: i64 = plain.then(|| text.parse().ok())??;
    (epoch <= i64::from(i32::MAX)).then_some(epoch)
}

/// Which of these names the pair bears, percent-decoded as every reader of the query would.
fn place_of(pair: &str, names: &[&str; 5]) -> Option<usize> {
    let name = pair.split_once('=').map_or(pair, |(name, _)| name);
    let name = decode_component(name);
    names.iter().position(|known| known.as_bytes() == &*name)
}

fn parts_of_query(query: &str) -> Result<Parts<'_>, CloudFrontRefusal> {
    let mut parts = Parts::default();
    for pair in query.split('&') {
        let Some(place) = place_of(pair, &PARAMETERS) else { continue };
        let value = pair.split_once('=').map_or("", |(_, value)| value);
        put(&mut parts, place, decode_component(value))?;
    }
    Ok(parts)
}

fn parts_of_cookies<'r>(
    lines: impl IntoIterator<Item = &'r [u8]>,
) -> Result<Parts<'r>, CloudFrontRefusal> {
    let mut parts = Parts::default();
    let mut bytes = 0_usize;
    for line in lines {
        bytes = bytes.saturating_add(line.len());
        for cookie in line.split(|byte| *byte == b';') {
            let cookie = cookie.trim_ascii();
            let Some(equals) = cookie.iter().position(|byte| *byte == b'=') else { continue };
            let (name, value) = cookie.split_at(equals);
            let Some(place) = COOKIES.iter().position(|known| known.as_bytes() == name) else {
                continue;
            };
            put(&mut parts, place, value.get(1..).unwrap_or_default().into())?;
        }
    }
    if bytes > SIGNED_COOKIES_BYTES_MAX && parts.iter().any(Option::is_some) {
        return Err(CloudFrontRefusal::MalformedPolicy);
    }
    Ok(parts)
}

/// A name that is there twice could mean one thing here and another elsewhere.
fn put<'r>(
    parts: &mut Parts<'r>,
    place: usize,
    value: Cow<'r, [u8]>,
) -> Result<(), CloudFrontRefusal> {
    match parts.get_mut(place) {
        Some(slot @ None) => {
            *slot = Some(value);
            Ok(())
        }
        Some(Some(_)) | None => Err(CloudFrontRefusal::MalformedPolicy),
    }
}
