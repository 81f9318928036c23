//! How many bytes an upload may have.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::number;

/// How many bytes an upload or a copy may have: both ends are required, and both are allowed lengths.
///
/// Written `MIN,MAX`, as in `x-valet-content-length-range=1,1048576`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentLengthRange {
    min: u64,
    max: u64,
}

/// Not `MIN,MAX` with two numbers of which the second is not smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected MIN,MAX in bytes, where MIN is not greater than MAX")]
pub struct ContentLengthRangeError;

impl ContentLengthRange {
    /// From the smallest to the largest length. `None`: there is no length between them.
    pub fn new(min: u64, max: u64) -> Option<Self> {
        (min <= max).then_some(Self { min, max })
    }

    /// The lengths, in bytes.
    pub fn bytes(self) -> RangeInclusive<u64> {
        self.min..=self.max
    }
}

impl FromStr for ContentLengthRange {
    type Err = ContentLengthRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (min, max) = text.split_once(',').ok_or(ContentLengthRangeError)?;
        let bounds = number(min).zip(number(max));
        bounds.and_then(|(min, max)| Self::new(min, max)).ok_or(ContentLengthRangeError)
    }
}

impl fmt::Display for ContentLengthRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{},{}", self.min, self.max)
    }
}
