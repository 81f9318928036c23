//! Revocations: which links are dead before their end. What a revocation matches is decided here; engines keep the
//! records.

mod index;

use iam::AccountId;
use jiff::{SignedDuration, Timestamp};
use presign::Fingerprint;
use twox_hash::XxHash3_128;

use crate::{BucketName, ObjectKey};

pub(crate) use index::{Life, RevocationIndex};

/// How long a revocation of links lives after the last second in which they may have been signed: the seven days that a
/// link may live, and the quarter of an hour by which the clock of its signer may be ahead.
pub const REVOCATION_LIFE: SignedDuration = SignedDuration::from_mins(7 * 24 * 60 + 15);

/// Room for the name of most subjects; longer ones take more.
const SUBJECT_NAME_BYTES: usize = 256;

/// The most revocations of links of everybody that one account may have at a time.
pub const REVOCATIONS_MAX: u64 = 2_000_000;

/// The most revocations of their own links that the identities of one account may have together, and one of them alone.
pub const OWN_REVOCATIONS_MAX: (u64, u64) = (1_000_000, 1000);

/// The most prefixes that one account may have revoked at a time: 10,000, and fewer in the tests of this crate.
pub const REVOKED_PREFIXES_MAX: u64 = if cfg!(test) { 100 } else { 10_000 };

/// "Links that match, and were signed until then, are dead until that time."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Which links it matches.
    pub links: RevokedLinks,
    /// Whose links it matches.
    pub scope: RevocationScope,
    /// The last second in which such a link was signed. A SigV2 link says nothing of its signing, so it matches
    /// whenever it was signed.
    pub signed_until: Timestamp,
    /// When the revocation is forgotten, because no link that it could match lives any more.
    pub lives_until: Timestamp,
    /// When it was made.
    pub revoked_at: Timestamp,
    /// The ARN of who made it.
    pub revoked_by: String,
}

/// Which links a revocation matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevokedLinks {
    /// The link or form of one signature.
    Link {
        /// Of its signature.
        fingerprint: Fingerprint,
        /// What the link was said to be for, if that decided whether it may be revoked: then links for something else
        /// do not match, whatever their fingerprint.
        target: Option<(BucketName, ObjectKey)>,
    },
    /// All that one access key signed.
    AccessKey(String),
    /// All for one object, in all of its versions.
    Object(BucketName, ObjectKey),
    /// All for the keys of a bucket that begin so; an empty prefix: also those for the bucket itself.
    Prefix(BucketName, String),
}

/// Whose links a revocation matches, for nobody may revoke what others may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationScope {
    /// Links that an identity of this account signed, or that are for a bucket of this account.
    pub account: AccountId,
    /// The `aws:userid` of one identity of the account: then only what that identity signed.
    pub signer: Option<String>,
}

/// A revocation as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRevocation {
    /// Its number, which is never given twice.
    pub number: u64,
    /// What it says.
    pub revocation: Revocation,
}

/// One page of the revocations of an account, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationPage {
    /// The revocations of this page.
    pub revocations: Vec<RecordedRevocation>,
    /// The number after which the next page begins; `None`: there is none.
    pub next: Option<u64>,
}

/// Which revocations a page has.
#[derive(Clone, Debug)]
pub struct ListRevocations {
    /// Those of this account.
    pub account: AccountId,
    /// Those of this identity's own links alone, by its `aws:userid`.
    pub signer: Option<String>,
    /// Those after this number.
    pub after: u64,
    /// The most of them, at most 1,000.
    pub limit: usize,
}

/// What became of a revocation that was to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoke {
    /// The revocation is on stable storage.
    Recorded(RecordedRevocation),
    /// The account has as many as it may: [`REVOCATIONS_MAX`], or [`REVOKED_PREFIXES_MAX`].
    TooMany,
}

/// Which kinds of subjects are revoked in a scope, prefixes aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RevokedKinds {
    pub(crate) links: bool,
    pub(crate) access_keys: bool,
    pub(crate) objects: bool,
}

impl RevokedKinds {
    fn and(self, other: Self) -> Self {
        Self {
            links: self.links || other.links,
            access_keys: self.access_keys || other.access_keys,
            objects: self.objects || other.objects,
        }
    }
}

/// A link or form whose signature holds, as far as revocations ask.
#[derive(Clone, Copy, Debug)]
pub struct PresentedLink<'l> {
    /// Of its signature.
    pub fingerprint: Fingerprint,
    /// The key that signed it.
    pub access_key_id: &'l str,
    /// The account of the identity that signed it.
    pub account: &'l AccountId,
    /// The `aws:userid` of that identity.
    pub signer: &'l str,
    /// When it was signed; `None` for SigV2, which does not say.
    pub signed_at: Option<Timestamp>,
}

/// What a link is used for: a bucket, or one of its objects.
#[derive(Clone, Copy, Debug)]
pub struct LinkTarget<'l> {
    /// The bucket that it is used on.
    pub bucket: &'l BucketName,
    /// The object; `None`: the bucket itself.
    pub key: Option<&'l ObjectKey>,
}

/// A name of what is revoked, by which revocations are found. Two things may have one name, so whoever finds a
/// revocation asks whether it [matches](Revocation::matches).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Subject([u8; 16]);

impl Subject {
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    fn link(scope: ScopeName<'_>, fingerprint: &Fingerprint) -> Self {
        Self::of(b'l', scope, &[fingerprint.as_bytes()])
    }

    fn access_key(scope: ScopeName<'_>, id: &str) -> Self {
        Self::of(b'k', scope, &[id.as_bytes()])
    }

    fn object(scope: ScopeName<'_>, bucket: &BucketName, key: &ObjectKey) -> Self {
        Self::of(b'o', scope, &[bucket.as_str().as_bytes(), key.as_bytes()])
    }

    fn prefix(scope: ScopeName<'_>, bucket: &BucketName, prefix: &str) -> Self {
        Self::of(b'p', scope, &[bucket.as_str().as_bytes(), prefix.as_bytes()])
    }

    /// No text has the byte that stands between them, and a fingerprint has one length.
    fn of(kind: u8, scope: ScopeName<'_>, texts: &[&[u8]]) -> Self {
        let ScopeName { account, signer } = scope;
        let scope = [account.as_str().as_bytes(), signer.unwrap_or_default().as_bytes()];
        let texts = scope.iter().chain(texts).flat_map(|text| [text, &[0xff][..]]);
        let mut name = Vec::with_capacity(SUBJECT_NAME_BYTES);
        name.push(kind);
        texts.for_each(|text| name.extend_from_slice(text));
        Self(XxHash3_128::oneshot(&name).to_be_bytes())
    }
}

impl RevokedLinks {
    /// The kind of its subject; none for a prefix.
    pub(crate) fn kind(&self) -> RevokedKinds {
        RevokedKinds {
            links: matches!(self, Self::Link { .. }),
            access_keys: matches!(self, Self::AccessKey(_)),
            objects: matches!(self, Self::Object(_, _)),
        }
    }

    fn subject(&self, scope: ScopeName<'_>) -> Subject {
        match self {
            Self::Link { fingerprint, target: _ } => Subject::link(scope, fingerprint),
            Self::AccessKey(id) => Subject::access_key(scope, id),
            Self::Object(bucket, key) => Subject::object(scope, bucket, key),
            Self::Prefix(bucket, prefix) => Subject::prefix(scope, bucket, prefix),
        }
    }

    fn match_link(&self, link: &PresentedLink<'_>, used_for: Option<LinkTarget<'_>>) -> bool {
        match self {
            Self::Link { fingerprint, target } => {
                *fingerprint == link.fingerprint
                    && target.as_ref().is_none_or(|(bucket, key)| {
                        used_for
                            .is_some_and(|used| *used.bucket == *bucket && used.key == Some(key))
                    })
            }
            Self::AccessKey(id) => id == link.access_key_id,
            Self::Object(bucket, key) => {
                used_for.is_some_and(|used| *used.bucket == *bucket && used.key == Some(key))
            }
            Self::Prefix(bucket, prefix) => used_for.is_some_and(|used| {
                *used.bucket == *bucket
                    && used.key.map_or("", ObjectKey::as_str).starts_with(prefix.as_str())
            }),
        }
    }
}

/// Whose links a revocation is for, as its subject says it: so what others revoke is not even looked at.
#[derive(Clone, Copy, Debug)]
struct ScopeName<'s> {
    account: &'s AccountId,
    signer: Option<&'s str>,
}

impl Revocation {
    /// The name by which it is found.
    pub(crate) fn subject(&self) -> Subject {
        let RevocationScope { account, signer } = &self.scope;
        self.links.subject(ScopeName { account, signer: signer.as_deref() })
    }

    /// Both in one, if they are for the same links.
    pub(crate) fn merged(&self, other: &Self) -> Option<Self> {
        (self.links == other.links && self.scope == other.scope).then(|| Self {
            signed_until: self.signed_until.max(other.signed_until),
            lives_until: self.lives_until.max(other.lives_until),
            ..other.clone()
        })
    }

    /// Whether a link is dead by this revocation when it is used for something, or for nothing of a bucket (a call of
    /// STS). `owner` is the account that owns the bucket.
    pub fn matches(
        &self,
        link: &PresentedLink<'_>,
        used_for: Option<(LinkTarget<'_>, Option<&AccountId>)>,
        now: Timestamp,
    ) -> bool {
        let Self { links, scope, signed_until, lives_until, revoked_at: _, revoked_by: _ } = self;
        let in_time = now <= *lives_until && link.signed_at.is_none_or(|at| at <= *signed_until);
        let (target, owner) = match used_for {
            Some((target, owner)) => (Some(target), owner),
            None => (None, None),
        };
        in_time && links.match_link(link, target) && scope.covers(link, owner)
    }
}

impl RevocationScope {
    fn name(&self) -> ScopeName<'_> {
        ScopeName { account: &self.account, signer: self.signer.as_deref() }
    }

    fn covers(&self, link: &PresentedLink<'_>, owner: Option<&AccountId>) -> bool {
        let Self { account, signer } = self;
        match signer {
            Some(signer) => account == link.account && signer == link.signer,
            None => account == link.account || Some(account) == owner,
        }
    }
}

#[cfg(test)]
mod tests;
