//! Access keys: who signs requests.

use jiff::Timestamp;
use presign::SecretAccessKey;

use crate::StoreError;
use crate::vault::random;
use iam::AccountId;

/// An access key with its secret. The secret is sealed wherever it is stored.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// The id that requests name (`AKIA…`).
    pub id: String,
    /// The secret that signs; never printed.
    pub secret: SecretAccessKey,
    /// The account it acts in.
    pub account: AccountId,
    /// Whose key it is.
    pub owner: KeyOwner,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Whose an access key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOwner {
    /// The root of the account.
    Root,
}

/// Letters of an access key id; its length divides 256, so that none is more likely.
const ID_ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Characters of a secret.
const SECRET_ALPHABET: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl AccessKey {
    /// A new long-term key: `AKIA` and 16 characters, with a secret of 240 random bits.
    pub fn generate(
        account: AccountId,
        owner: KeyOwner,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let id = random::<16>()?.map(|byte| letter(ID_ALPHABET, byte));
        let secret = random::<40>()?.map(|byte| letter(SECRET_ALPHABET, byte));
        Ok(Self {
            id: format!("AKIA{}", id.iter().collect::<String>()),
            secret: SecretAccessKey::new(secret.iter().collect::<String>()),
            account,
            owner,
            created_at: now,
        })
    }
}

fn letter(alphabet: &[u8], byte: u8) -> char {
    let index = usize::from(byte).checked_rem(alphabet.len());
    index.and_then(|index| alphabet.get(index)).map_or('A', |&letter| char::from(letter))
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
}
