//! The condition keys that time changes, and at which of their values a condition changes.

use jiff::{SignedDuration, Timestamp};

use super::PolicyLimit;
use crate::condition::{Date, Operator};
use crate::fold_case;

/// A condition key whose value time changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TimeKey {
    /// Milliseconds since the link was signed. Only links and forms have it (semantics 5.1).
    SignatureAge,
    /// The moment of the request as ISO 8601, in whole seconds.
    CurrentTime,
    /// The same in seconds since 1970.
    EpochTime,
}

impl TimeKey {
    pub(super) const ALL: [Self; 3] = [Self::SignatureAge, Self::CurrentTime, Self::EpochTime];

    /// Its name as policies are kept, in lower case.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::SignatureAge => "s3:signatureage",
            Self::CurrentTime => "aws:currenttime",
            Self::EpochTime => "aws:epochtime",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    pub(super) const fn limit(self) -> PolicyLimit {
        match self {
            Self::SignatureAge => PolicyLimit::SignatureAge,
            Self::CurrentTime | Self::EpochTime => PolicyLimit::Time,
        }
    }
}

/// At what value of a time key it begins to compare otherwise.
pub(super) enum Threshold {
    /// At no value: it always compares alike.
    None,
    /// At this age of the signature, or less than a millisecond after.
    Age(SignedDuration),
    /// At this second since 1970, or less than a second after.
    Second(i64),
    /// It is not computed.
    Unsolved,
}

pub(super) fn solve(key: TimeKey, operator: Operator, operand: &str) -> Threshold {
    match (operator, key) {
        // The keys are always there.
        (Operator::Null, _)
        // What is written as ISO 8601 is no number.
        | (Operator::Numeric(_), TimeKey::CurrentTime) => Threshold::None,
        (Operator::Numeric(_), TimeKey::SignatureAge) => {
            let age = whole(operand).map(SignedDuration::from_millis);
            age.map_or(Threshold::None, Threshold::Age)
        }
        (Operator::Numeric(_), TimeKey::EpochTime) => {
            whole(operand).map_or(Threshold::None, Threshold::Second)
        }
        (Operator::Date(_), TimeKey::CurrentTime | TimeKey::EpochTime) => {
            let second = |Date(date): Date| date.as_millisecond().div_euclid(1000);
            Date::parse(operand).map(second).map_or(Threshold::None, Threshold::Second)
        }
        (Operator::Date(_), TimeKey::SignatureAge)
        | (
            Operator::StringEquals
            | Operator::StringEqualsIgnoreCase
            | Operator::StringLike
            | Operator::Bool
            | Operator::BinaryEquals
            | Operator::IpAddress
            | Operator::ArnLike,
            _,
        ) => Threshold::Unsolved,
    }
}

/// The time keys that a text may name in its variables.
pub(super) fn in_variables(text: &str) -> impl Iterator<Item = TimeKey> {
    let folded = if text.contains("${") { fold_case(text) } else { String::new() };
    TimeKey::ALL.into_iter().filter(move |key| folded.contains(key.name()))
}

/// The whole part of a decimal number. `None`: it is none, or one that no time comes to.
fn whole(text: &str) -> Option<i64> {
    match text.split_once('.').map_or(text, |(whole, _)| whole) {
        "" | "+" | "-" => Some(0),
        whole => whole.parse().ok(),
    }
}

/// The values of the time keys at one moment.
pub(super) struct Times {
    age: String,
    current: String,
    epoch: String,
}

impl Times {
    pub(super) fn at(at: Timestamp, signed_at: Timestamp) -> Self {
        let second = at.as_millisecond().div_euclid(1000);
        let current = Timestamp::from_second(second).unwrap_or(at).to_string();
        let age = at.as_millisecond().saturating_sub(signed_at.as_millisecond()).to_string();
        Self { age, current, epoch: second.to_string() }
    }

    pub(super) fn value(&self, key: TimeKey) -> &str {
        match key {
            TimeKey::SignatureAge => &self.age,
            TimeKey::CurrentTime => &self.current,
            TimeKey::EpochTime => &self.epoch,
        }
    }
}
