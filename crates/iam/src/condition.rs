//! Conditions: an operator, a key and the values that a policy compares it with.
//!
//! An operand that cannot be compared, because it is malformed or its variable has no value, never
//! matches (aws-semantics 5.3.4, 5.4.3). Under a negated operator that would make the condition true.
//! In a `Deny` it does, as AWS documents it ("Policy variables with no value"): who cannot be compared
//! is denied. In an `Allow` it does not, where AWS says that it does too: a grant must not come of a
//! comparison that could not be made.

use crate::arn::{Arn, ArnPattern};
use crate::evaluate::{Context, Values};
use crate::fold_case;
use crate::json::Json;
use crate::pattern::{Syntax, Template};
use crate::policy::{Effect, PolicyError};

mod operand;

pub(crate) use operand::Date;
use operand::{Bytes, Network, compare_numbers};

/// One key under one operator.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) operator: Operator,
    pub(crate) quantifier: Quantifier,
    /// `…IfExists`: an absent key fulfils it.
    pub(crate) if_exists: bool,
    /// In lower case.
    pub(crate) key: Box<str>,
    /// `…Not…`: fulfilled when no operand matches.
    pub(crate) negated: bool,
    pub(crate) operands: Vec<Operand>,
}

/// How a key of many values is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantifier {
    /// The key is meant to have one value.
    None,
    /// `ForAllValues:`
    All,
    /// `ForAnyValue:`
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

/// A value that the policy compares with, compiled for its operator.
#[derive(Debug)]
pub(crate) struct Operand {
    pub(crate) text: Box<str>,
    pub(crate) compiled: Compiled,
}

#[derive(Debug)]
pub(crate) enum Compiled {
    /// Read anew at each comparison.
    Text,
    Template(Template),
    Arn(ArnPattern),
    Date(Date),
    Network(Network),
    Bytes(Bytes),
    Bool(bool),
    /// It is not of the operator's type.
    Malformed,
}

impl Condition {
    /// Reads the value of `Condition`.
    pub(crate) fn read_all(value: Json, variables: bool) -> Result<Vec<Self>, PolicyError> {
        let mut conditions = Vec::new();
        for (operator, keys) in object(value)? {
            for (key, values) in object(keys)? {
                conditions.push(Self::read(&operator, &key, values, variables)?);
            }
            // An operator without keys asks for nothing, but it must exist.
            operator_named(&operator)?;
        }
        Ok(conditions)
    }

    fn read(name: &str, key: &str, values: Json, variables: bool) -> Result<Self, PolicyError> {
        let Named { operator, negated, quantifier, if_exists } = operator_named(name)?;
        let values = match values {
            Json::Array(values) => values,
            value @ (Json::Null
            | Json::Bool(_)
            | Json::Number(_)
            | Json::String(_)
            | Json::Object(_)) => vec![value],
        };
        let operands = values.into_iter().map(|value| {
            let text = scalar(value)?;
            let compiled = operator.compile(&text, variables);
            Ok(Operand { text: text.into(), compiled })
        });
        let operands = operands.collect::<Result<Vec<_>, PolicyError>>()?;
        if operands.is_empty() {
            return Err(PolicyError::Empty("Condition"));
        }
        let key = fold_case(key).into_boxed_str();
        Ok(Self { operator, quantifier, if_exists, key, negated, operands })
    }

    /// Whether it is fulfilled, in a statement of that effect.
    pub(crate) fn holds(&self, context: &dyn Context, effect: Effect) -> bool {
        let values = context.values(&self.key);
        if self.operator == Operator::Null {
            let absent = values.is_none();
            return self.operands.iter().any(|operand| {
                matches!(operand.compiled, Compiled::Bool(expected) if expected == absent)
            });
        }
        let Some(values) = values else {
            return self.if_exists || self.absent_holds();
        };
        let one = |value: &str| self.holds_for(value, context, effect);
        match (self.quantifier, values) {
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

    fn holds_for(&self, value: &str, context: &dyn Context, effect: Effect) -> bool {
        let mut unknown = false;
        for operand in &self.operands {
            match self.operator.compare(value, operand, context) {
                Some(true) => return !self.negated,
                Some(false) => {}
                None => unknown = true,
            }
        }
        self.negated && (!unknown || effect == Effect::Deny)
    }
}

impl Operator {
    fn compile(self, text: &str, variables: bool) -> Compiled {
        let or_malformed = |compiled: Option<Compiled>| compiled.unwrap_or(Compiled::Malformed);
        match self {
            Self::StringEquals | Self::StringEqualsIgnoreCase => {
                let syntax = Syntax { variables, wildcards: false };
                Compiled::Template(Template::parse(text, syntax))
            }
            Self::StringLike => {
                let syntax = Syntax { variables, wildcards: true };
                Compiled::Template(Template::parse(text, syntax))
            }
            Self::ArnLike => Compiled::Arn(ArnPattern::parse(text, variables)),
            Self::Numeric(_) => Compiled::Text,
            Self::Date(_) => or_malformed(Date::parse(text).map(Compiled::Date)),
            Self::IpAddress => or_malformed(Network::parse(text).map(Compiled::Network)),
            Self::BinaryEquals => or_malformed(Bytes::parse(text).map(Compiled::Bytes)),
            Self::Bool | Self::Null => or_malformed(boolean(text).map(Compiled::Bool)),
        }
    }

    /// Whether the operand matches the value; `None`: they cannot be compared.
    fn compare(self, value: &str, operand: &Operand, context: &dyn Context) -> Option<bool> {
        match (self, &operand.compiled) {
            (Self::StringEqualsIgnoreCase, Compiled::Template(template)) => {
                template.equals_ignoring_case(value, context)
            }
            (_, Compiled::Template(template)) => template.matches(value, context),
            (_, Compiled::Arn(pattern)) => match Arn::parse(value) {
                Some(arn) => pattern.matches(&arn, context),
                None => None,
            },
            (Self::Numeric(order), Compiled::Text) => {
                compare_numbers(value, &operand.text).map(|found| order.admits(found))
            }
            (Self::Date(order), Compiled::Date(date)) => {
                Date::parse(value).map(|value| order.admits(value.cmp(date)))
            }
            (_, Compiled::Network(network)) => network.contains(value),
            (_, Compiled::Bytes(bytes)) => Bytes::parse(value).map(|value| value == *bytes),
            (_, Compiled::Bool(expected)) => boolean(value).map(|value| value == *expected),
            (_, Compiled::Text | Compiled::Date(_) | Compiled::Malformed) => None,
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
struct Named {
    operator: Operator,
    negated: bool,
    quantifier: Quantifier,
    if_exists: bool,
}

fn operator_named(name: &str) -> Result<Named, PolicyError> {
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

fn object(value: Json) -> Result<Vec<(String, Json)>, PolicyError> {
    let Json::Object(members) = value else { return Err(PolicyError::WrongType("Condition")) };
    Ok(members)
}

/// Values may be spelled as strings, numbers or booleans.
fn scalar(value: Json) -> Result<String, PolicyError> {
    match value {
        Json::String(text) | Json::Number(text) => Ok(text),
        Json::Bool(value) => Ok(value.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => Err(PolicyError::WrongType("Condition")),
    }
}

fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else {
        text.eq_ignore_ascii_case("false").then_some(false)
    }
}
