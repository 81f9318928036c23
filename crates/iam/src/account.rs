//! Accounts: who owns buckets and identities.

use std::fmt;
use std::sync::Arc;

const ACCOUNT_ID_DIGITS: usize = 12;

/// The id of an account: 12 digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(Arc<str>);

impl AccountId {
    /// Reads the id of an account: exactly 12 ASCII digits, leading zeros included.
    pub fn parse(text: &str) -> Result<Self, AccountIdError> {
        Self::is_well_formed(text).then(|| Self(text.into())).ok_or(AccountIdError)
    }

    /// Whether a text is the id of an account.
    pub(crate) fn is_well_formed(text: &str) -> bool {
        text.len() == ACCOUNT_ID_DIGITS && text.bytes().all(|b| b.is_ascii_digit())
    }

    /// The 12 digits as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no [`AccountId`]: it is not exactly 12 ASCII digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("account id is not {ACCOUNT_ID_DIGITS} digits")]
pub struct AccountIdError;

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountId({:?})", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_twelve_digits() {
        assert!(AccountId::parse("012345678901").is_ok());
        for bad in ["", "01234567890", "0123456789012", "01234567890a", "٠٠٠٠٠٠"] {
            assert_eq!(AccountId::parse(bad), Err(AccountIdError), "{bad}");
        }
    }
}
