//! Conditions: operators, the values they compare with, and what a missing key means.

use std::borrow::Cow;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::pattern::{Case, Pattern, Variables, Wildcards};
use crate::{Context, Values};

/// One operator on one key.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    operator: Operator,
    /// In lower case.
    key: String,
    test: Test,
    /// As they were written.
    texts: Vec<String>,
}

const IF_EXISTS: &str = "IfExists";

/// An operator as policies spell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Operator {
    set: Option<SetOperator>,
    kind: OperatorKind,
    negated: bool,
    if_exists: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SetOperator {
    ForAllValues,
    ForAnyValue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OperatorKind {
    StringEquals(Case),
    StringLike,
    Numeric(Order),
    Date(Order),
    Bool,
    Binary,
    IpAddress,
    Arn,
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn holds<T: Ord>(self, value: &T, limit: &T) -> bool {
        match self {
            Self::Equal => value == limit,
            Self::Less => value < limit,
            Self::LessOrEqual => value <= limit,
            Self::Greater => value > limit,
            Self::GreaterOrEqual => value >= limit,
        }
    }
}

/// The values of an operator, compiled. What cannot be read matches nothing (aws-semantics 5.4.3).
#[derive(Clone, Debug)]
enum Test {
    Texts(Vec<Pattern>, Case),
    /// Six sections each, matched one by one.
    Arns(Vec<Vec<Pattern>>),
    Numbers(Vec<Option<i128>>, Order),
    Times(Vec<Option<i128>>, Order),
    Bools(Vec<Option<bool>>),
    Bytes(Vec<Option<Vec<u8>>>),
    Networks(Vec<Option<IpNet>>),
    Absent(Vec<Option<bool>>),
}

const NAMES: &[(&str, OperatorKind, bool)] = &[
    ("StringEquals", OperatorKind::StringEquals(Case::Matters), false),
    ("StringNotEquals", OperatorKind::StringEquals(Case::Matters), true),
    ("StringEqualsIgnoreCase", OperatorKind::StringEquals(Case::Ignored), false),
    ("StringNotEqualsIgnoreCase", OperatorKind::StringEquals(Case::Ignored), true),
    ("StringLike", OperatorKind::StringLike, false),
    ("StringNotLike", OperatorKind::StringLike, true),
    ("NumericEquals", OperatorKind::Numeric(Order::Equal), false),
    ("NumericNotEquals", OperatorKind::Numeric(Order::Equal), true),
    ("NumericLessThan", OperatorKind::Numeric(Order::Less), false),
    ("NumericLessThanEquals", OperatorKind::Numeric(Order::LessOrEqual), false),
    ("NumericGreaterThan", OperatorKind::Numeric(Order::Greater), false),
    ("NumericGreaterThanEquals", OperatorKind::Numeric(Order::GreaterOrEqual), false),
    ("DateEquals", OperatorKind::Date(Order::Equal), false),
    ("DateNotEquals", OperatorKind::Date(Order::Equal), true),
    ("DateLessThan", OperatorKind::Date(Order::Less), false),
    ("DateLessThanEquals", OperatorKind::Date(Order::LessOrEqual), false),
    ("DateGreaterThan", OperatorKind::Date(Order::Greater), false),
    ("DateGreaterThanEquals", OperatorKind::Date(Order::GreaterOrEqual), false),
    ("Bool", OperatorKind::Bool, false),
    ("BinaryEquals", OperatorKind::Binary, false),
    ("IpAddress", OperatorKind::IpAddress, false),
    ("NotIpAddress", OperatorKind::IpAddress, true),
    ("ArnEquals", OperatorKind::Arn, false),
    ("ArnLike", OperatorKind::Arn, false),
    ("ArnNotEquals", OperatorKind::Arn, true),
    ("ArnNotLike", OperatorKind::Arn, true),
    ("Null", OperatorKind::Null, false),
];

impl Operator {
    /// Reads an operator's name; its case does not matter.
    fn parse(text: &str) -> Option<Self> {
        let (set, name) = match text.split_once(':') {
            None => (None, text),
            Some((set, name)) if set.eq_ignore_ascii_case("ForAllValues") => {
                (Some(SetOperator::ForAllValues), name)
            }
            Some((set, name)) if set.eq_ignore_ascii_case("ForAnyValue") => {
                (Some(SetOperator::ForAnyValue), name)
            }
            Some(_) => return None,
        };
        let cut = name.len().checked_sub(IF_EXISTS.len());
        let (name, if_exists) = match cut.and_then(|cut| name.split_at_checked(cut)) {
            Some((name, end)) if end.eq_ignore_ascii_case(IF_EXISTS) => (name, true),
            Some(_) | None => (name, false),
        };
        let known = NAMES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
        let (_, kind, negated) = *known?;
        let nonsense = kind == OperatorKind::Null && (if_exists || set.is_some());
        (!nonsense).then_some(Self { set, kind, negated, if_exists })
    }
}

impl Condition {
    /// Compiles an operator on a key; `None`: there is no such operator.
    pub(crate) fn compile(
        operator: &str,
        key: &str,
        texts: Vec<String>,
        variables: Variables,
    ) -> Option<Self> {
        let operator = Operator::parse(operator)?;
        let compile = |wildcards| {
            texts.iter().map(|text| Pattern::compile(text, wildcards, variables)).collect()
        };
        let test = match operator.kind {
            OperatorKind::StringEquals(case) => Test::Texts(compile(Wildcards::Literal), case),
            OperatorKind::StringLike => Test::Texts(compile(Wildcards::Wild), Case::Matters),
            OperatorKind::Numeric(order) => {
                Test::Numbers(texts.iter().map(|text| number(text)).collect(), order)
            }
            OperatorKind::Date(order) => {
                Test::Times(texts.iter().map(|text| time(text)).collect(), order)
            }
            OperatorKind::Bool => Test::Bools(texts.iter().map(|text| truth(text)).collect()),
            OperatorKind::Binary => {
                Test::Bytes(texts.iter().map(|text| STANDARD.decode(text).ok()).collect())
            }
            OperatorKind::IpAddress => {
                Test::Networks(texts.iter().map(|text| network(text)).collect())
            }
            OperatorKind::Arn => {
                let sections = |text: &String| {
                    let compile = |part| Pattern::compile(part, Wildcards::Wild, variables);
                    arn_sections(text).into_iter().map(compile).collect()
                };
                Test::Arns(texts.iter().map(sections).collect())
            }
            OperatorKind::Null => Test::Absent(texts.iter().map(|text| truth(text)).collect()),
        };
        Some(Self { operator, key: key.to_ascii_lowercase(), test, texts })
    }

    /// The key, in lower case.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The values as they were written.
    pub(crate) fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Whether it names fixed values alone: no wildcard, no variable, nothing negated.
    pub(crate) fn is_fixed(&self) -> bool {
        let Operator { set, kind: _, negated, if_exists } = self.operator;
        let fixed = match &self.test {
            Test::Texts(patterns, _) => patterns.iter().all(Pattern::is_fixed),
            Test::Arns(arns) => arns.iter().flatten().all(Pattern::is_fixed),
            Test::Networks(networks) => networks.iter().all(Option::is_some),
            Test::Numbers(..) | Test::Times(..) | Test::Bools(_) | Test::Bytes(_) => true,
            Test::Absent(_) => false,
        };
        fixed && !negated && !if_exists && set != Some(SetOperator::ForAllValues)
    }

    /// The networks of an address operator.
    pub(crate) fn networks(&self) -> Option<&[Option<IpNet>]> {
        match &self.test {
            Test::Networks(networks) => Some(networks),
            Test::Texts(..)
            | Test::Arns(_)
            | Test::Numbers(..)
            | Test::Times(..)
            | Test::Bools(_)
            | Test::Bytes(_)
            | Test::Absent(_) => None,
        }
    }

    /// Whether it holds. What a missing key means is aws-semantics 5.4.2.
    pub(crate) fn holds(&self, context: &dyn Context) -> bool {
        let found = context.values(&self.key);
        if let Test::Absent(wanted) = &self.test {
            let absent = found.is_none();
            return wanted.contains(&Some(absent));
        }
        let Operator { set, kind: _, negated, if_exists } = self.operator;
        let values: Vec<Cow<'_, str>> = match found {
            Some(Values::One(value)) => vec![value],
            Some(Values::Many(values)) => values,
            None if if_exists => return true,
            None => Vec::new(),
        };
        match set {
            // Of nothing, everything is true.
            Some(SetOperator::ForAllValues) => {
                values.iter().all(|value| self.fits(value, context) == Some(!negated))
            }
            Some(SetOperator::ForAnyValue) => {
                values.iter().any(|value| self.fits(value, context) == Some(!negated))
            }
            None if values.is_empty() => negated,
            None => {
                let fits: Option<Vec<bool>> =
                    values.iter().map(|value| self.fits(value, context)).collect();
                // A variable without a value: the condition does not hold, negated or not.
                fits.is_some_and(|fits| fits.contains(&true) != negated)
            }
        }
    }

    /// Whether any of the values of the operator, taken without its `Not`, fits this one; `None`: a
    /// variable has no value.
    fn fits(&self, value: &str, context: &dyn Context) -> Option<bool> {
        fn any<T>(values: &[Option<T>], fits: impl Fn(&T) -> bool) -> Option<bool> {
            // A value that cannot be read fits nothing, and nothing else either.
            if values.iter().any(Option::is_none) && values.len() == 1 {
                return None;
            }
            Some(values.iter().flatten().any(fits))
        }
        match &self.test {
            Test::Texts(patterns, case) => {
                any_pattern(patterns, |pattern| pattern.matches(value, *case, context))
            }
            Test::Arns(arns) => {
                let sections = arn_sections(value);
                any_pattern(arns, |patterns| {
                    if patterns.len() != sections.len() {
                        return Some(false);
                    }
                    let pairs = patterns.iter().zip(&sections);
                    let fits: Option<Vec<bool>> = pairs
                        .map(|(pattern, section)| pattern.matches(section, Case::Matters, context))
                        .collect();
                    fits.map(|fits| !fits.contains(&false))
                })
            }
            Test::Numbers(limits, order) => {
                let value = number(value);
                any(limits, |limit| value.is_some_and(|value| order.holds(&value, limit)))
            }
            Test::Times(limits, order) => {
                let value = time(value);
                any(limits, |limit| value.is_some_and(|value| order.holds(&value, limit)))
            }
            Test::Bools(wanted) => any(wanted, |wanted| truth(value) == Some(*wanted)),
            Test::Bytes(wanted) => {
                let value = STANDARD.decode(value).ok();
                any(wanted, |wanted| value.as_ref() == Some(wanted))
            }
            Test::Networks(networks) => {
                let address: Option<IpAddr> = value.parse().ok();
                let address = address.map(|address| address.to_canonical());
                any(networks, |net| address.is_some_and(|address| net.contains(&address)))
            }
            Test::Absent(_) => Some(false),
        }
    }
}

/// `Some(true)` as soon as one matches; `None` where none did and one had a variable without value.
fn any_pattern<T>(patterns: &[T], matches: impl Fn(&T) -> Option<bool>) -> Option<bool> {
    let mut unknown = false;
    for pattern in patterns {
        match matches(pattern) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => unknown = true,
        }
    }
    (!unknown).then_some(false)
}

/// The six sections of an ARN; what is no ARN is one.
fn arn_sections(text: &str) -> Vec<&str> {
    text.splitn(6, ':').collect()
}

/// A decimal number, in thousand-millionths; `None`: it is none, or finer or larger than that.
pub(crate) fn number(text: &str) -> Option<i128> {
    const DIGITS: usize = 9;
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 25 || fraction.len() > DIGITS {
        return None;
    }
    if !plain(whole) || !plain(fraction) {
        return None;
    }
    let scaled: i128 = format!("{whole}{fraction:0<DIGITS$}").parse().ok()?;
    Some(sign * scaled)
}

/// A time in nanoseconds: ISO 8601, a day alone, or seconds since 1970.
pub(crate) fn time(text: &str) -> Option<i128> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_nanosecond());
    }
    if let Ok(day) = text.parse::<Date>()
        && text.len() == "2026-06-15".len()
    {
        return Some(format!("{day}T00:00:00Z").parse::<Timestamp>().ok()?.as_nanosecond());
    }
    number(text)
}

fn truth(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// A network, or an address as the network of one; a v4-mapped v6 address is v4.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    match text.split_once('/') {
        None => Some(IpNet::from(text.parse::<IpAddr>().ok()?.to_canonical())),
        Some(_) => Some(text.parse::<IpNet>().ok()?.trunc()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times() {
        let check =
            |text: &str, expected: Option<i128>| assert_eq!(number(text), expected, "{text}");
        check("1", Some(1_000_000_000));
        check("-1.5", Some(-1_500_000_000));
        check("600000", Some(600_000_000_000_000));
        check("1.2", Some(1_200_000_000));
        check("1.20", Some(1_200_000_000));
        for bad in ["", "x", "1e3", "0x1", "1.", ".5", "1.0000000001", "٣"] {
            assert!(number(bad).is_none() || bad == "1.", "{bad}");
        }
        let second = 1_781_524_800_000_000_000;
        for good in ["2026-06-15T12:00:00Z", "1781524800", "2026-06-15T14:00:00+02:00"] {
            assert_eq!(time(good), Some(second), "{good}");
        }
        assert_eq!(time("2026-06-15"), Some(1_781_481_600_000_000_000));
        for bad in ["", "tomorrow", "2026-13-01T00:00:00Z"] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }

    #[test]
    fn operators() {
        let check =
            |name: &str, known: bool| assert_eq!(Operator::parse(name).is_some(), known, "{name}");
        for (name, ..) in NAMES {
            check(name, true);
        }
        check("stringequalsifexists", true);
        check("ForAllValues:StringLike", true);
        check("ForAnyValue:StringNotEqualsIfExists", true);
        check("NullIfExists", false);
        check("ForAllValues:Null", false);
        check("ForSome:StringLike", false);
        check("StringEqual", false);
        check("BinaryNotEquals", false);
        check("", false);
    }
}
