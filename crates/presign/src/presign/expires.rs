//! How long a link is to live.

use std::fmt;
use std::str::FromStr;

/// The longest life of a SigV4 link: seven days.
pub const EXPIRES_SECONDS_MAX: u32 = 604_800;

/// The units of a duration, the largest first, in seconds.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// How long a link is to live: 1 to 604800 seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpiresIn(u32);

/// Why a text or number is not an [`ExpiresIn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpiresInError {
    /// Neither a number of seconds nor a duration such as `15m`, `1h30m` or `7d`.
    #[error("expected seconds or a duration such as 15m, 1h30m or 7d")]
    Malformed,
    /// The duration is zero.
    #[error("a link must live for at least 1 second")]
    TooShort,
    /// The duration is more than seven days, [`EXPIRES_SECONDS_MAX`].
    #[error("a link can live for at most 7 days (604800 seconds)")]
    TooLong,
}

impl ExpiresIn {
    /// Seven days, the longest life that there is.
    pub const MAX: Self = Self(EXPIRES_SECONDS_MAX);

    /// From a number of seconds.
    pub fn from_seconds(seconds: u64) -> Result<Self, ExpiresInError> {
        match u32::try_from(seconds) {
            Ok(0) => Err(ExpiresInError::TooShort),
            Ok(seconds) if seconds <= EXPIRES_SECONDS_MAX => Ok(Self(seconds)),
            _ => Err(ExpiresInError::TooLong),
        }
    }

    /// Reads `3600`, `15m`, `1h30m`, `7d`: a number of seconds, or numbers with the units `d`,
    /// `h`, `m`, `s`, each at most once and in that order.
    pub fn parse(text: &str) -> Result<Self, ExpiresInError> {
        Self::from_seconds(Self::seconds_in(text)?)
    }

    /// The seconds of a duration in the form that [`parse`](Self::parse) reads, however long it is:
    /// for whoever shortens to what a link can have, or measures something else than a link.
    ///
    /// The one error is [`ExpiresInError::Malformed`].
    pub fn seconds_in(text: &str) -> Result<u64, ExpiresInError> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(number(text));
        }
        let mut rest = text;
        let mut seconds = 0_u64;
        for (unit, unit_seconds) in UNITS {
            let Some((digits, tail)) = rest.split_once(unit) else { continue };
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(ExpiresInError::Malformed);
            }
            seconds = seconds.saturating_add(number(digits).saturating_mul(unit_seconds));
            rest = tail;
        }
        if text.is_empty() || !rest.is_empty() {
            return Err(ExpiresInError::Malformed);
        }
        Ok(seconds)
    }

    /// The life in whole seconds: 1 to 604800.
    pub const fn seconds(self) -> u32 {
        self.0
    }
}

/// Of digits alone. One that does not fit is too long for any purpose here.
fn number(digits: &str) -> u64 {
    digits.parse().unwrap_or(u64::MAX)
}

impl FromStr for ExpiresIn {
    type Err = ExpiresInError;

    fn from_str(text: &str) -> Result<Self, ExpiresInError> {
        Self::parse(text)
    }
}

impl fmt::Display for ExpiresIn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_durations_are_read() {
        fn check(text: &str, expected: Result<u32, ExpiresInError>) {
            assert_eq!(ExpiresIn::parse(text).map(ExpiresIn::seconds), expected, "{text}");
        }
        check("1", Ok(1));
        check("3600", Ok(3600));
        check("15m", Ok(900));
        check("1h30m", Ok(5400));
        check("7d", Ok(604_800));
        check("6d23h59m60s", Ok(604_800));
        check("604800", Ok(604_800));
        check("604801", Err(ExpiresInError::TooLong));
        check("7d1s", Err(ExpiresInError::TooLong));
        check("99999999999999999999", Err(ExpiresInError::TooLong));
        check("99999999999999999999d", Err(ExpiresInError::TooLong));
        check("0", Err(ExpiresInError::TooShort));
        check("0m", Err(ExpiresInError::TooShort));
        for text in ["", "m", "-1", "+1", "1.5h", "1 h", "1m1h", "1m1m", "1w", "1h30", "1H", "é"] {
            check(text, Err(ExpiresInError::Malformed));
        }
    }

    #[test]
    fn longer_durations_are_measured() {
        fn check(text: &str, expected: Result<u64, ExpiresInError>) {
            assert_eq!(ExpiresIn::seconds_in(text), expected, "{text}");
        }
        check("0", Ok(0));
        check("12h", Ok(43_200));
        check("30d", Ok(2_592_000));
        check("99999999999999999999d", Ok(u64::MAX));
        check("", Err(ExpiresInError::Malformed));
    }
}
