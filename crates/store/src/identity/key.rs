//! Access keys: who signs requests.

use std::collections::HashMap;
use std::sync::Mutex;

use iam::AccountId;
use jiff::{SignedDuration, Timestamp};
use presign::SecretAccessKey;

use crate::StoreError;
use crate::lock::lock;
use crate::vault::random;

/// An access key with its secret. The secret is sealed wherever it is stored.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// The id that requests name (`AKIA…`).
    pub id: String,
    /// The secret that signs; never printed.
    pub secret: SecretAccessKey,
    /// The account it acts in.
    pub account: AccountId,
    /// Who signs with the key.
    pub owner: KeyOwner,
    /// Whether it may be used.
    pub status: KeyStatus,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Who signs with an access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOwner {
    /// The root of the account.
    Root,
    /// A user, by the id that is never given twice: a user deleted and made anew is another one.
    User {
        /// The id of the user, `AIDA…`.
        id: String,
    },
    /// A role that the server itself signs as: the link signer. Nobody else is given such a key.
    Role {
        /// The id of the role, `AROA…`.
        id: String,
    },
}

/// Whether a key may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyStatus {
    /// The key may be used.
    Active,
    /// The key is as if it were not there, until it is made active again.
    Inactive,
}

/// A key as its account sees it: without the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySummary {
    /// The id that requests name.
    pub id: String,
    /// Who signs with the key.
    pub owner: KeyOwner,
    /// Whether it may be used.
    pub status: KeyStatus,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A key that was made elsewhere and moves in.
#[derive(Clone, Debug)]
pub struct GivenKey {
    /// The id that requests name.
    pub id: String,
    /// The secret that requests are signed with.
    pub secret: SecretAccessKey,
}

/// When a key was last used, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// When the key was used, to the minute or so.
    pub at: Timestamp,
    /// The service that the credential scope named: `s3`, `iam` or `sts`.
    pub service: String,
    /// The region that the credential scope named.
    pub region: String,
}

/// Letters of an access key id; its length divides 256, so that none is more likely.
const ID_ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// The characters of a secret. There are 64, which divides 256, so that none is more likely.
const SECRET_ALPHABET: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl AccessKey {
    /// A new long-term key: `AKIA` and 16 characters, with a secret of 240 random bits.
    pub fn generate(
        account: AccountId,
        owner: KeyOwner,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let secret = random::<40>()?.map(|byte| letter(SECRET_ALPHABET, byte));
        Ok(Self {
            id: unique_id::<16>("AKIA")?,
            secret: SecretAccessKey::new(secret.iter().collect::<String>()),
            account,
            owner,
            status: KeyStatus::Active,
            created_at: now,
        })
    }

    /// What an account is told of the key: all but the secret.
    pub fn summary(&self) -> KeySummary {
        KeySummary {
            id: self.id.clone(),
            owner: self.owner.clone(),
            status: self.status,
            created_at: self.created_at,
        }
    }
}

/// An id that is never given twice: a prefix and `N` random letters and digits, five bits each.
pub(super) fn unique_id<const N: usize>(prefix: &str) -> Result<String, StoreError> {
    let letters = random::<N>()?.map(|byte| letter(ID_ALPHABET, byte));
    Ok(format!("{prefix}{}", letters.iter().collect::<String>()))
}

fn letter(alphabet: &[u8], byte: u8) -> char {
    let index = usize::from(byte).checked_rem(alphabet.len());
    index.and_then(|index| alphabet.get(index)).map_or('A', |&letter| char::from(letter))
}

/// Uses not yet written, and those already seen: at most so many keys.
const USES_MAX: usize = 65_536;
/// Uses of a key that come sooner after one another are one.
const USE_PERIOD: SignedDuration = SignedDuration::from_secs(60);

/// What uses of roles are noted under, beside those of keys: no id of a key has such a letter, so that none
/// passes for a role.
pub(crate) const ROLE_USE_PREFIX: &str = "role/";

/// The name under which the uses of a role are noted.
pub(crate) fn role_use(role_id: &str) -> String {
    format!("{ROLE_USE_PREFIX}{role_id}")
}

/// Uses of keys, noted without waiting and written now and then.
#[derive(Debug, Default)]
pub(crate) struct KeyUses(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    latest: HashMap<String, KeyUse>,
    unwritten: Vec<String>,
}

impl KeyUses {
    pub(crate) fn note(&self, id: &str, service: &str, region: &str, at: Timestamp) {
        let mut noted = lock(&self.0);
        if let Some(known) = noted.latest.get(id)
            && known.service == service
            && at.duration_since(known.at) < USE_PERIOD
        {
            return;
        }
        if noted.latest.len() >= USES_MAX {
            noted.latest.clear();
        }
        let used = KeyUse { at, service: service.to_owned(), region: region.to_owned() };
        noted.latest.insert(id.to_owned(), used);
        if noted.unwritten.len() < USES_MAX {
            noted.unwritten.push(id.to_owned());
        }
    }

    pub(crate) fn latest(&self, id: &str) -> Option<KeyUse> {
        lock(&self.0).latest.get(id).cloned()
    }

    /// The uses that were noted since the last call.
    pub(crate) fn take_unwritten(&self) -> Vec<(String, KeyUse)> {
        let mut noted = lock(&self.0);
        let ids = std::mem::take(&mut noted.unwritten);
        ids.into_iter()
            .filter_map(|id| noted.latest.get(&id).cloned().map(|used| (id, used)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_keys_have_the_shape_of_long_term_keys_and_differ() {
        let account = AccountId::parse("000000000000").unwrap();
        let make = || AccessKey::generate(account.clone(), KeyOwner::Root, Timestamp::UNIX_EPOCH);
        let (one, two) = (make().unwrap(), make().unwrap());
        assert!(one.id.starts_with("AKIA") && one.id.len() == 20, "{}", one.id);
        assert_eq!(one.secret.expose().len(), 40);
        assert!(one.id != two.id && one.secret.expose() != two.secret.expose());
    }

    #[test]
    fn uses_within_a_minute_are_written_once() {
        let uses = KeyUses::default();
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        uses.note("A", "s3", "r", at(0));
        uses.note("A", "s3", "r", at(59));
        assert_eq!(uses.take_unwritten().len(), 1);
        uses.note("A", "s3", "r", at(59));
        assert!(uses.take_unwritten().is_empty());
        uses.note("A", "sts", "r", at(59));
        uses.note("A", "s3", "r", at(61));
        assert_eq!(uses.latest("A").unwrap().at, at(61));
    }
}
