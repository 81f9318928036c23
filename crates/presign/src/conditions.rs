//! What Valet adds to a link: conditions in signed query parameters whose names begin with `x-valet-`.

mod error;
mod label;
mod size;
mod source;

use std::num::NonZeroU64;

use crate::scope::AmzDate;

pub use error::ConditionError;
pub use label::{LINK_ID_CHARS_MAX, LINK_LABEL_CHARS_MAX, LinkId, LinkLabel, LinkNameError};
pub use size::{ContentLengthRange, ContentLengthRangeError};
pub use source::{SOURCE_RANGES_MAX, SourceRanges, SourceRangesError};

/// How every condition's name begins, in lower case. Amazon S3 ignores parameters of such names.
pub const CONDITION_PREFIX: &str = "x-valet-";

/// The lowest and the highest rate of a link, in bytes a second.
pub const LINK_RATE_MIN: u64 = 1024;
/// See [`LINK_RATE_MIN`].
pub const LINK_RATE_MAX: u64 = 1 << 40;

/// The conditions of one link: what a holder may do less with it than its signer could.
///
/// They are made for a link that is about to be signed, as parameters of its query, and read from a link whose
/// signature holds. SigV4 covers the whole query, so nobody can add, change or remove one.
///
/// More of them may come: begin with [`LinkConditions::default`], which has none, and set what the link is to have.
///
/// ```
/// use presign::LinkConditions;
///
/// let mut conditions = LinkConditions::default();
/// conditions.uses = Some(5.try_into()?);
/// conditions.content_length = Some("1,1048576".parse()?);
/// let parameters = conditions.parameters();
/// assert_eq!(parameters[0], ("x-valet-uses", "5".to_owned()));
/// assert_eq!(parameters[1], ("x-valet-content-length-range", "1,1048576".to_owned()));
///
/// let read = LinkConditions::read(parameters.iter().map(|(name, value)| (*name, value.as_str())))?;
/// assert_eq!(read, conditions);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkConditions {
    /// `x-valet-id`: makes a link one of its own, since two links that are signed alike in one second are the same.
    pub id: Option<LinkId>,
    /// `x-valet-uses`: how often the link may be used. Set an `id` too, or links that are signed alike in one second share
    /// their uses.
    pub uses: Option<NonZeroU64>,
    /// `x-valet-content-length-range`: how many bytes an upload or a copy may have.
    pub content_length: Option<ContentLengthRange>,
    /// `x-valet-source-ip`: the addresses from which the link may be used.
    pub source_ip: Option<SourceRanges>,
    /// `x-valet-not-before`: the first second in which the link may be used.
    pub not_before: Option<AmzDate>,
    /// `x-valet-head`: a GET link also answers HEAD.
    pub allow_head: bool,
    /// `x-valet-write-once`: an upload or a copy fails while the key has an object.
    pub write_once: bool,
    /// `x-valet-rate`: bytes a second in either direction, over all connections that use the link;
    /// [`LINK_RATE_MIN`] to [`LINK_RATE_MAX`].
    pub rate: Option<NonZeroU64>,
    /// `x-valet-label`: names the link for people.
    pub label: Option<LinkLabel>,
}

/// A condition that is known, by its parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Id,
    Uses,
    ContentLength,
    SourceIp,
    NotBefore,
    AllowHead,
    WriteOnce,
    Rate,
    Label,
}

impl Condition {
    /// In the order in which they stand in a link.
    const ALL: [Self; 9] = [
        Self::Id,
        Self::Uses,
        Self::ContentLength,
        Self::SourceIp,
        Self::NotBefore,
        Self::AllowHead,
        Self::WriteOnce,
        Self::Rate,
        Self::Label,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Id => "x-valet-id",
            Self::Uses => "x-valet-uses",
            Self::ContentLength => "x-valet-content-length-range",
            Self::SourceIp => "x-valet-source-ip",
            Self::NotBefore => "x-valet-not-before",
            Self::AllowHead => LinkConditions::ALLOW_HEAD,
            Self::WriteOnce => "x-valet-write-once",
            Self::Rate => "x-valet-rate",
            Self::Label => LinkConditions::LABEL,
        }
    }

    /// What a value has to be, for the message of a refusal.
    fn expected(self) -> &'static str {
        match self {
            Self::Id => "1 to 64 of the characters A-Z, a-z, 0-9, _ and -",
            Self::Uses => "a number from 1, without a sign and leading zeros",
            Self::ContentLength => "MIN,MAX in bytes, both inclusive",
            Self::SourceIp => "1 to 32 addresses or CIDR ranges, separated by commas",
            Self::NotBefore => "an instant such as 20261130T120000Z",
            Self::AllowHead | Self::WriteOnce => "true",
            Self::Rate => "bytes a second, from 1024 to 1099511627776",
            Self::Label => "1 to 256 printable characters",
        }
    }
}

impl LinkConditions {
    /// The name of the condition that names a link for people.
    pub const LABEL: &'static str = "x-valet-label";

    /// The name of the condition by which a GET link answers HEAD. The signature of such a HEAD has to be verified as
    /// that of a GET, so it is looked for before any signature holds; see [`allow_head`](Self::allow_head).
    pub const ALLOW_HEAD: &'static str = "x-valet-head";

    /// Whether a query parameter is a condition, known or not, in whatever case it is written.
    pub fn is_condition(name: &str) -> bool {
        name.get(..CONDITION_PREFIX.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(CONDITION_PREFIX))
    }

    /// Reads the conditions among the decoded parameters of a query, and passes over all other parameters.
    ///
    /// # Errors
    ///
    /// A condition that is unknown, malformed, repeated or not in lower case: a verifier that lets it pass would
    /// give more than the signer meant to.
    pub fn read<'q>(
        parameters: impl IntoIterator<Item = (&'q str, &'q str)>,
    ) -> Result<Self, ConditionError> {
        let mut read = Self::default();
        let mut seen = Vec::new();
        for (name, value) in parameters {
            if !Self::is_condition(name) {
                continue;
            }
            let owned = || (name.to_owned(), value.to_owned());
            let known = Condition::ALL.into_iter().find(|condition| condition.name() == name);
            let Some(condition) = known else {
                let (name, value) = owned();
                return Err(ConditionError::Unknown { name, value });
            };
            if seen.contains(&condition) {
                let (name, value) = owned();
                return Err(ConditionError::Repeated { name, value });
            }
            seen.push(condition);
            read.set(condition, value).ok_or_else(|| {
                let (name, value) = owned();
                ConditionError::Malformed { name, value, expected: condition.expected() }
            })?;
        }
        Ok(read)
    }

    /// Sets one condition to what its parameter says. `None`: the value is malformed.
    fn set(&mut self, condition: Condition, value: &str) -> Option<()> {
        match condition {
            Condition::Id => self.id = Some(value.parse().ok()?),
            Condition::Uses => self.uses = Some(NonZeroU64::new(number(value)?)?),
            Condition::ContentLength => self.content_length = Some(value.parse().ok()?),
            Condition::SourceIp => self.source_ip = Some(value.parse().ok()?),
            Condition::NotBefore => self.not_before = Some(AmzDate::parse(value)?),
            Condition::AllowHead => self.allow_head = flag(value)?,
            Condition::WriteOnce => self.write_once = flag(value)?,
            Condition::Rate => {
                let rate = number(value)?;
                let allowed = (LINK_RATE_MIN..=LINK_RATE_MAX).contains(&rate);
                self.rate = Some(NonZeroU64::new(rate).filter(|_| allowed)?);
            }
            Condition::Label => self.label = Some(value.parse().ok()?),
        }
        Some(())
    }

    /// The query parameters that say these conditions, not encoded, always in the same order.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let value = |condition| self.value(condition).map(|value| (condition.name(), value));
        Condition::ALL.into_iter().filter_map(value).collect()
    }

    fn value(&self, condition: Condition) -> Option<String> {
        let Self {
            id,
            uses,
            content_length,
            source_ip,
            not_before,
            allow_head,
            write_once,
            rate,
            label,
        } = self;
        let flag = |is_set: bool| is_set.then(|| "true".to_owned());
        match condition {
            Condition::Id => id.as_ref().map(ToString::to_string),
            Condition::Uses => uses.map(|uses| uses.to_string()),
            Condition::ContentLength => content_length.map(|range| range.to_string()),
            Condition::SourceIp => source_ip.as_ref().map(ToString::to_string),
            Condition::NotBefore => not_before.map(|instant| instant.to_string()),
            Condition::AllowHead => flag(*allow_head),
            Condition::WriteOnce => flag(*write_once),
            Condition::Rate => rate.map(|rate| rate.to_string()),
            Condition::Label => label.as_ref().map(ToString::to_string),
        }
    }
}

/// A decimal number in the one way in which it is written: without sign and leading zeros.
fn number(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if canonical && digits { text.parse().ok() } else { None }
}

/// The value of a condition that is either said or left out.
fn flag(text: &str) -> Option<bool> {
    (text == "true").then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written again of the parameters of a link, or why they are refused.
    fn reread(parameters: &[(&str, &str)]) -> String {
        match LinkConditions::read(parameters.iter().copied()) {
            Ok(read) => {
                let written = read.parameters();
                let pairs: Vec<_> =
                    written.iter().map(|(name, value)| format!("{name}={value}")).collect();
                pairs.join("&")
            }
            Err(ConditionError::Unknown { name, .. }) => format!("unknown {name}"),
            Err(ConditionError::Repeated { name, .. }) => format!("repeated {name}"),
            Err(ConditionError::Malformed { name, .. }) => format!("malformed {name}"),
        }
    }

    #[test]
    fn conditions_are_read_and_written() {
        let check = |parameter: (&str, &str), expected: &str| {
            assert_eq!(reread(&[parameter]), expected, "{parameter:?}");
        };
        let same = |name: &str, value: &str| check((name, value), &format!("{name}={value}"));
        let malformed =
            |name: &str, value: &str| check((name, value), &format!("malformed {name}"));

        same("x-valet-id", "aZ09_-");
        for value in ["", "a b", "ä", "a.b", &"a".repeat(65)] {
            malformed("x-valet-id", value);
        }
        same("x-valet-uses", "1");
        same("x-valet-uses", "18446744073709551615");
        for value in ["", "0", "-1", "+1", "01", " 1", "1 ", "1e3", "١", "18446744073709551616"] {
            malformed("x-valet-uses", value);
        }
        same("x-valet-content-length-range", "0,0");
        same("x-valet-content-length-range", "1,1048576");
        for value in ["", ",", "1", "1,", ",1", "2,1", "01,2", "1,2,3", "1, 2", "-1,2"] {
            malformed("x-valet-content-length-range", value);
        }
        same("x-valet-source-ip", "192.0.2.0/24,2001:db8::/32");
        check(("x-valet-source-ip", "192.0.2.7"), "x-valet-source-ip=192.0.2.7/32");
        for value in ["", ",", "192.0.2.0/33", "192.0.2.0/24,", "host", "192.0.2.1-192.0.2.9"] {
            malformed("x-valet-source-ip", value);
        }
        same("x-valet-not-before", "20261130T120000Z");
        for value in ["", "2026-11-30T12:00:00Z", "20261131T120000Z", "20261130T120000"] {
            malformed("x-valet-not-before", value);
        }
        for name in ["x-valet-head", "x-valet-write-once"] {
            same(name, "true");
            for value in ["", "false", "1", "True"] {
                malformed(name, value);
            }
        }
        same("x-valet-rate", "1024");
        same("x-valet-rate", "1099511627776");
        for value in ["1023", "1099511627777", "0", "", "1 MB"] {
            malformed("x-valet-rate", value);
        }
        same("x-valet-label", "Invoice 7, für Zoë");
        for value in ["", "a\nb", "\u{202e}gpj.exe", &"x".repeat(257)] {
            malformed("x-valet-label", value);
        }
    }

    #[test]
    fn what_is_no_condition_as_agreed_is_refused() {
        let check = |parameters: &[(&str, &str)], expected: &str| {
            assert_eq!(reread(parameters), expected, "{parameters:?}");
        };
        check(&[("X-Amz-Date", "x"), ("versionId", "1"), ("x-vale", "1")], "");
        check(&[("x-valet-use", "1")], "unknown x-valet-use");
        check(&[("x-valet-", "1")], "unknown x-valet-");
        check(&[("X-Valet-Uses", "1")], "unknown X-Valet-Uses");
        check(&[("x-valet-Uses", "1")], "unknown x-valet-Uses");
        check(&[("x-valet-uses", "1"), ("x-valet-uses", "1")], "repeated x-valet-uses");
        check(&[("x-valet-head", "true"), ("x-valet-head", "true")], "repeated x-valet-head");
    }

    #[test]
    fn the_order_of_parameters_is_always_the_same() {
        let given = [
            ("x-valet-label", "l"),
            ("x-valet-rate", "2048"),
            ("x-valet-write-once", "true"),
            ("x-valet-head", "true"),
            ("x-valet-not-before", "20261130T120000Z"),
            ("x-valet-source-ip", "192.0.2.0/24"),
            ("x-valet-content-length-range", "1,2"),
            ("x-valet-uses", "3"),
            ("x-valet-id", "i"),
        ];
        let mut turned = given;
        turned.reverse();
        assert_eq!(reread(&given), reread(&turned));
        assert_eq!(reread(&given).split('&').count(), Condition::ALL.len());
    }
}
