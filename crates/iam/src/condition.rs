//! Conditions: an operator, a key and the values that a policy compares it with.
//!
//! An operand that cannot be compared, because it is malformed or its variable has no value, never
//! matches (semantics 5.3.4, 5.4.3). Under a negated operator that would make the condition true.
//! In a `Deny` it does, as AWS documents it ("Policy variables with no value"): who cannot be compared
//! is denied. In an `Allow` it does not, where AWS says that it does too: a grant must not come of a
//! comparison that could not be made. A variable whose name several tags share cannot be told either: it
//! lets every `Deny` hold, and no `Allow`.

use std::borrow::Cow;

use crate::arn::{Arn, ArnPattern};
use crate::evaluate::Values;
use crate::pattern::{Circumstance, Pattern, Shared, Syntax};
use crate::policy::{Effect, Entry, List, PolicyError};
use crate::work::VALUE_BYTES_MAX;

mod operand;

use operand::{Bytes, compare_numbers};
pub(crate) use operand::{Date, Network};

/// A condition of a statement: one key under one operator, and the values that it is compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Condition<'p> {
    pub(crate) operator: Operator,
    pub(crate) quantifier: Quantifier,
    /// `…IfExists`: an absent key fulfils it.
    pub(crate) if_exists: bool,
    /// The name of the condition key in lower case, for instance `aws:sourceip`.
    pub(crate) key: &'p str,
    /// `…Not…`: fulfilled when no operand matches.
    pub(crate) negated: bool,
    pub(crate) operands: List<'p, Operand<'p>>,
}

/// How a key of many values is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantifier {
    /// The key is meant to have one value.
    None,
    /// `ForAllValues:`: every value of the key must match an operand. A key without values fulfils that too.
    All,
    /// `ForAnyValue:`: at least one value of the key must match an operand.
    Any,
}

/// What is compared, and how. The negated ones are the same with `negated` set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    StringEquals,
    StringEqualsIgnoreCase,
    StringLike,
    Numeric(Order),
    Date(Order),
    Bool,
    BinaryEquals,
    IpAddress,
    /// `ArnEquals` as well: AWS makes no difference.
    ArnLike,
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A value that the policy compares with: what it is, its operator says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand<'p> {
    pub(crate) text: &'p str,
    variables: bool,
}

impl<'p> Entry<'p> for Operand<'p> {
    fn of(text: &'p str, variables: bool) -> Self {
        Self { text, variables }
    }
}

impl<'p> Operand<'p> {
    /// As a pattern, where `*` and `?` are wildcards or not.
    fn pattern(self, wildcards: bool) -> Pattern<'p> {
        Pattern::new(self.text, Syntax { variables: self.variables, wildcards })
    }

    fn arn(self) -> ArnPattern<'p> {
        ArnPattern::new(self.text, self.variables)
    }
}

impl Condition<'_> {
    /// Whether it is fulfilled, in a statement of that effect.
    pub(crate) fn holds(&self, at: Circumstance<'_>, effect: Effect) -> bool {
        at.steps.spend_entry(self.key.len());
        let values = at.values(self.key);
        if self.operator == Operator::Null {
            let absent = values.is_none();
            return self.operands.iter().any(|operand| boolean(operand.text) == Some(absent));
        }
        let Some(values) = values else {
            return self.if_exists || self.absent_holds();
        };
        let is_long = |value: &Cow<'_, str>| value.len() > VALUE_BYTES_MAX;
        let too_long = match &values {
            Values::One(value) => is_long(value),
            Values::Unknown => false,
            Values::Many(values) | Values::Alike(values) => values.iter().any(is_long),
        };
        if too_long {
            return effect == Effect::Deny;
        }
        let one = |value: &str| self.holds_for(value, at, effect);
        match (self.quantifier, values) {
            // Which way it is taken, the decision says that has noted it.
            (_, Values::Unknown) => false,
            (_, Values::One(value)) => one(&value),
            (_, Values::Alike(values)) => match effect {
                Effect::Allow => values.iter().all(|value| one(value)),
                Effect::Deny => values.iter().any(|value| one(value)),
            },
            (Quantifier::All, Values::Many(values)) => values.iter().all(|value| one(value)),
            (Quantifier::Any, Values::Many(values)) => values.iter().any(|value| one(value)),
            // Without a quantifier AWS leaves it open: some value must match, or none may.
            (Quantifier::None, Values::Many(values)) if self.negated => {
                values.iter().all(|value| one(value))
            }
            (Quantifier::None, Values::Many(values)) => values.iter().any(|value| one(value)),
        }
    }

    /// What an absent key means.
    fn absent_holds(&self) -> bool {
        match self.quantifier {
            Quantifier::None => self.negated,
            Quantifier::All => true,
            Quantifier::Any => false,
        }
    }

    fn holds_for(&self, value: &str, at: Circumstance<'_>, effect: Effect) -> bool {
        let mut unknown = false;
        let denies = effect == Effect::Deny && !self.negated;
        let at = if denies { Circumstance { shared: Shared::Anything, ..at } } else { at };
        for operand in self.operands.iter() {
            if at.steps.is_spent() {
                return effect == Effect::Deny;
            }
            match self.operator.compare(value, operand, at) {
                Some(true) => return !self.negated,
                Some(false) => {}
                None => unknown = true,
            }
        }
        self.negated && (!unknown || effect == Effect::Deny)
    }
}

impl Operator {
    /// Whether an operand is not of the operator's type, so that it matches nothing.
    pub(crate) fn is_malformed(self, operand: Operand<'_>) -> bool {
        let text = operand.text;
        match self {
            Self::StringEquals
            | Self::StringEqualsIgnoreCase
            | Self::StringLike
            | Self::ArnLike
            | Self::Numeric(_) => false,
            Self::Date(_) => Date::parse(text).is_none(),
            Self::IpAddress => Network::parse(text).is_none(),
            Self::BinaryEquals => Bytes::parse(text).is_none(),
            Self::Bool | Self::Null => boolean(text).is_none(),
        }
    }

    /// Whether an operand can match but one value; `None`: it can match none at all.
    pub(crate) fn is_fixed(self, operand: Operand<'_>) -> Option<bool> {
        match self {
            Self::StringEquals | Self::StringEqualsIgnoreCase => {
                Some(operand.pattern(false).is_fixed())
            }
            Self::StringLike => Some(operand.pattern(true).is_fixed()),
            Self::ArnLike => operand.arn().is_fixed(),
            Self::Numeric(_)
            | Self::Date(_)
            | Self::Bool
            | Self::BinaryEquals
            | Self::IpAddress
            | Self::Null => (!self.is_malformed(operand)).then_some(false),
        }
    }

    /// Whether the operand matches the value; `None`: they cannot be compared.
    fn compare(self, value: &str, operand: Operand<'_>, at: Circumstance<'_>) -> Option<bool> {
        match self {
            Self::StringEquals => return operand.pattern(false).matches(value, at),
            Self::StringEqualsIgnoreCase => {
                return operand.pattern(false).equals_ignoring_case(value, at);
            }
            Self::StringLike => return operand.pattern(true).matches(value, at),
            Self::ArnLike => return operand.arn().matches(&Arn::parse(value)?, at),
            Self::Numeric(_)
            | Self::Date(_)
            | Self::Bool
            | Self::BinaryEquals
            | Self::IpAddress
            | Self::Null => {}
        }
        at.steps.spend_entry(value.len().saturating_add(operand.text.len()));
        match self {
            Self::Numeric(order) => {
                compare_numbers(value, operand.text).map(|found| order.admits(found))
            }
            Self::Date(order) => {
                let (value, date) = (Date::parse(value)?, Date::parse(operand.text)?);
                Some(order.admits(value.cmp(&date)))
            }
            Self::IpAddress => Network::parse(operand.text)?.contains(value),
            Self::BinaryEquals => Some(Bytes::parse(value)? == Bytes::parse(operand.text)?),
            Self::Bool => Some(boolean(value)? == boolean(operand.text)?),
            Self::StringEquals
            | Self::StringEqualsIgnoreCase
            | Self::StringLike
            | Self::ArnLike
            | Self::Null => None,
        }
    }
}

impl Order {
    fn admits(self, found: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => found.is_eq(),
            Self::Less => found.is_lt(),
            Self::LessOrEqual => found.is_le(),
            Self::Greater => found.is_gt(),
            Self::GreaterOrEqual => found.is_ge(),
        }
    }
}

/// What the name of an operator says.
pub(crate) struct Named {
    pub(crate) operator: Operator,
    pub(crate) negated: bool,
    pub(crate) quantifier: Quantifier,
    pub(crate) if_exists: bool,
}

pub(crate) fn operator_named(name: &str) -> Result<Named, PolicyError> {
    let unknown = || PolicyError::Operator(name.to_owned());
    let (quantifier, plain) = match name.split_once(':') {
        None => (Quantifier::None, name),
        Some(("ForAllValues", plain)) => (Quantifier::All, plain),
        Some(("ForAnyValue", plain)) => (Quantifier::Any, plain),
        Some(_) => return Err(unknown()),
    };
    let (plain, if_exists) =
        plain.strip_suffix("IfExists").map_or((plain, false), |plain| (plain, true));
    let (operator, negated) = plain_operator(plain).ok_or_else(unknown)?;
    // `Null` asks whether the key exists, of which neither says anything.
    if operator == Operator::Null && (if_exists || quantifier != Quantifier::None) {
        return Err(unknown());
    }
    Ok(Named { operator, negated, quantifier, if_exists })
}

/// The operator of that name and whether it is negated.
fn plain_operator(name: &str) -> Option<(Operator, bool)> {
    Some(match name {
        "StringEquals" => (Operator::StringEquals, false),
        "StringNotEquals" => (Operator::StringEquals, true),
        "StringEqualsIgnoreCase" => (Operator::StringEqualsIgnoreCase, false),
        "StringNotEqualsIgnoreCase" => (Operator::StringEqualsIgnoreCase, true),
        "StringLike" => (Operator::StringLike, false),
        "StringNotLike" => (Operator::StringLike, true),
        "NumericEquals" => (Operator::Numeric(Order::Equal), false),
        "NumericNotEquals" => (Operator::Numeric(Order::Equal), true),
        "NumericLessThan" => (Operator::Numeric(Order::Less), false),
        "NumericLessThanEquals" => (Operator::Numeric(Order::LessOrEqual), false),
        "NumericGreaterThan" => (Operator::Numeric(Order::Greater), false),
        "NumericGreaterThanEquals" => (Operator::Numeric(Order::GreaterOrEqual), false),
        "DateEquals" => (Operator::Date(Order::Equal), false),
        "DateNotEquals" => (Operator::Date(Order::Equal), true),
        "DateLessThan" => (Operator::Date(Order::Less), false),
        "DateLessThanEquals" => (Operator::Date(Order::LessOrEqual), false),
        "DateGreaterThan" => (Operator::Date(Order::Greater), false),
        "DateGreaterThanEquals" => (Operator::Date(Order::GreaterOrEqual), false),
        "Bool" => (Operator::Bool, false),
        "BinaryEquals" => (Operator::BinaryEquals, false),
        "IpAddress" => (Operator::IpAddress, false),
        "NotIpAddress" => (Operator::IpAddress, true),
        "ArnEquals" | "ArnLike" => (Operator::ArnLike, false),
        "ArnNotEquals" | "ArnNotLike" => (Operator::ArnLike, true),
        "Null" => (Operator::Null, false),
        _ => return None,
    })
}

fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else {
        text.eq_ignore_ascii_case("false").then_some(false)
    }
}
