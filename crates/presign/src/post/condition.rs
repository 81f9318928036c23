//! One condition of a POST policy: how it is read, when it holds, and how a refusal shows it.

use super::document::PostPolicyError;
use super::json::{Json, push_string};
use crate::form::FormFields;

/// The one condition name whose case of letters counts (semantics 3.3.4).
pub(super) const BUCKET: &str = "bucket";
const CONTENT_TYPE: &str = "content-type";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Equals(FieldTest),
    StartsWith(FieldTest),
    Length { min: Bound, max: Bound },
}

/// A field, and what its value is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldTest {
    /// As the policy spells it: with the dollar sign, unless that was forgotten.
    name: String,
    value: String,
}

/// One end of a range, as the policy has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    Number(String),
    String(String),
}

impl Condition {
    pub(super) fn read(json: Json) -> Result<Self, PostPolicyError> {
        match json {
            Json::Object(members) => simple(members),
            Json::List(items) => operation(items),
            Json::Number(_) | Json::String(_) => Err(PostPolicyError::ConditionType),
        }
    }

    /// The field it is about; none for a range, or where the dollar sign was forgotten.
    pub(super) fn field(&self) -> Option<&str> {
        match self {
            Self::Equals(test) | Self::StartsWith(test) => test.name.strip_prefix('$'),
            Self::Length { .. } => None,
        }
    }

    /// Whether the form fits. One on a field that is not there fails, whatever it asks. Of a range
    /// it is judged alone whether it is one: the file is yet to come.
    pub(super) fn holds(&self, fields: &FormFields, bucket: &str) -> bool {
        let is_content_type =
            self.field().is_some_and(|field| field.eq_ignore_ascii_case(CONTENT_TYPE));
        match self {
            Self::Equals(test) => self.all_values(fields, bucket, |value| value == test.value),
            // A list of types must fit entry by entry (semantics 3.3.5).
            Self::StartsWith(test) if is_content_type => self.all_values(fields, bucket, |value| {
                value.split(',').all(|entry| entry.trim_start().starts_with(&test.value))
            }),
            Self::StartsWith(test) => {
                self.all_values(fields, bucket, |value| value.starts_with(&test.value))
            }
            Self::Length { .. } => self.range().is_some(),
        }
    }

    /// A `bucket` that the form names itself must fit as well as the one that it was posted to.
    fn all_values(&self, fields: &FormFields, bucket: &str, fits: impl Fn(&str) -> bool) -> bool {
        let Some(field) = self.field() else { return false };
        let value = fields.get(field);
        if field == BUCKET {
            return fits(bucket) && value.is_none_or(|value| fits(&value));
        }
        value.is_some_and(|value| fits(&value))
    }

    /// The sizes it allows, both ends included; none where it is no range of numbers.
    pub(super) fn range(&self) -> Option<(u64, u64)> {
        match self {
            Self::Length { min, max } => Some((min.bytes()?, max.bytes()?)),
            Self::Equals(_) | Self::StartsWith(_) => None,
        }
    }

    /// Always in the form of a list, however the policy has it (semantics 3.3.10).
    pub(super) fn shown(&self) -> String {
        let mut out = String::from("[");
        let mut test = |operation: &str, FieldTest { name, value }: &FieldTest| {
            push_string(&mut out, operation);
            for argument in [name, value] {
                out.push_str(", ");
                push_string(&mut out, argument);
            }
        };
        match self {
            Self::Equals(equals) => test("eq", equals),
            Self::StartsWith(starts_with) => test("starts-with", starts_with),
            Self::Length { min, max } => {
                push_string(&mut out, "content-length-range");
                for bound in [min, max] {
                    out.push_str(", ");
                    match bound {
                        Bound::Number(digits) => out.push_str(digits),
                        Bound::String(text) => push_string(&mut out, text),
                    }
                }
            }
        }
        out.push(']');
        out
    }
}

impl Bound {
    /// A number, or a text that is one. What is beyond counting is as good as no limit.
    fn bytes(&self) -> Option<u64> {
        let (Self::Number(digits) | Self::String(digits)) = self;
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().unwrap_or(u64::MAX))
    }
}

/// Reads a condition of the form `{"field": "value"}`.
fn simple(members: Vec<(String, Json)>) -> Result<Condition, PostPolicyError> {
    let [(name, value)] =
        <[_; 1]>::try_from(members).map_err(|_| PostPolicyError::SimpleConditionMembers)?;
    let Json::String(value) = value else { return Err(PostPolicyError::SimpleConditionValue) };
    Ok(Condition::Equals(FieldTest { name: format!("${name}"), value }))
}

/// Reads a condition of the form `["operation", …]`.
fn operation(items: Vec<Json>) -> Result<Condition, PostPolicyError> {
    let mut items = items.into_iter();
    let Some(Json::String(operation)) = items.next() else {
        return Err(PostPolicyError::MissingOperation);
    };
    let arguments: Vec<Json> = items.collect();
    let is = |name: &str| operation.eq_ignore_ascii_case(name);
    if is("eq") {
        Ok(Condition::Equals(field_test("Eq", arguments)?))
    } else if is("starts-with") {
        Ok(Condition::StartsWith(field_test("starts-with", arguments)?))
    } else if is("content-length-range") {
        let [min, max] = two("content-length-range", arguments)?;
        Ok(Condition::Length { min: bound(min)?, max: bound(max)? })
    } else {
        Err(PostPolicyError::UnknownOperation { operation })
    }
}

fn field_test(operation: &'static str, arguments: Vec<Json>) -> Result<FieldTest, PostPolicyError> {
    match two(operation, arguments)? {
        [Json::String(name), Json::String(value)] => Ok(FieldTest { name, value }),
        _ => Err(PostPolicyError::Json),
    }
}

fn bound(json: Json) -> Result<Bound, PostPolicyError> {
    match json {
        Json::Number(digits) => Ok(Bound::Number(digits)),
        Json::String(text) => Ok(Bound::String(text)),
        Json::List(_) | Json::Object(_) => Err(PostPolicyError::Json),
    }
}

fn two(operation: &'static str, arguments: Vec<Json>) -> Result<[Json; 2], PostPolicyError> {
    <[_; 2]>::try_from(arguments).map_err(|_| PostPolicyError::Arguments { operation })
}
