//! The policy as a whole: read, and judged over a form.

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

use super::condition::{BUCKET, Condition};
use super::json::{Json, JsonError};
use crate::form::FormFields;
use crate::scope::AmzDate;

/// Fields that no condition needs to name: what proves the policy, the policy, and the file
/// (semantics 3.3.6).
const UNCOVERED: [&str; 5] = ["awsaccesskeyid", "file", "policy", "signature", "x-amz-signature"];
/// How other fields begin that no condition needs to name, and that mean nothing.
const IGNORED_PREFIX: &str = "x-ignore-";

/// A policy as its signer wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostPolicy {
    expires_at: Timestamp,
    conditions: Vec<Condition>,
}

/// Why a text is no policy: 400 `InvalidPolicyDocument`, "Invalid Policy: " and what stands on each
/// (semantics 3.3.10).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PostPolicyError {
    /// The policy is not base64: "invalid Base64 encoding."
    #[error("policy is not base64")]
    Base64,
    /// The policy is not JSON: "Invalid JSON."
    #[error("policy is not JSON")]
    Json,
    /// "Token - must be enclosed in quotes."
    #[error("policy has a minus sign for a value")]
    Minus,
    /// "Unexpected: '…'", in lower case. A member that was there already is not expected either:
    /// readers would differ on which one counts.
    #[error("unexpected member {name:?}")]
    Unexpected {
        /// The member as it is spelled.
        name: String,
    },
    /// The policy has no `expiration`: "Policy missing expiration."
    #[error("no expiration")]
    MissingExpiration,
    /// The `expiration` is no date in ISO 8601: "Invalid 'expiration' value: '…'"
    #[error("malformed expiration")]
    MalformedExpiration {
        /// The value as the policy has it.
        value: String,
    },
    /// The policy has no `conditions`: "Policy missing conditions."
    #[error("no conditions")]
    MissingConditions,
    /// "Invalid 'conditions' value: must be a List."
    #[error("conditions are no list")]
    ConditionsNotAList,
    /// "Invalid condition test: must be a List or Object."
    #[error("a condition is neither list nor object")]
    ConditionType,
    /// "Invalid Condition: missing operation identifier."
    #[error("a condition without operation")]
    MissingOperation,
    /// "Invalid Condition: unknown operation '…'."
    #[error("unknown operation")]
    UnknownOperation {
        /// The operation as the policy has it.
        operation: String,
    },
    /// "Invalid …: wrong number of arguments."
    #[error("wrong number of arguments of {operation}")]
    Arguments {
        /// As S3 spells it: `Eq`, `starts-with`, `content-length-range`.
        operation: &'static str,
    },
    /// "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified."
    #[error("a simple condition with another number of members than one")]
    SimpleConditionMembers,
    /// "Invalid Simple-Condition: value must be a string."
    #[error("a simple condition whose value is no string")]
    SimpleConditionValue,
}

impl From<JsonError> for PostPolicyError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Malformed => Self::Json,
            JsonError::Minus => Self::Minus,
        }
    }
}

/// Why a form is not what its policy allows: 403 `AccessDenied`, "Invalid according to Policy: " and
/// what stands on each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PostRefusal {
    /// The policy has ended: "Policy expired."
    #[error("policy expired at {expires_at}")]
    Expired {
        /// The instant in the `expiration` of the policy.
        expires_at: Timestamp,
    },
    /// The form does not fulfil a condition: "Policy Condition failed: …"
    #[error("a condition of the policy failed")]
    ConditionFailed {
        /// The condition as S3 writes it in its answer, not as the policy spelled it.
        condition: String,
    },
    /// The form has a field that no condition names: "Extra input fields: …"
    #[error("no condition of the policy names a field")]
    ExtraField {
        /// The field in lower case, or `bucket`, which must be named though it is no field.
        name: String,
    },
}

impl PostPolicy {
    /// Reads a policy as forms carry it: base64 of JSON.
    ///
    /// The text is worth reading once its signature holds: take it from
    /// [`VerifiedSignature::post_policy`](crate::VerifiedSignature::post_policy).
    pub fn parse(base64: &str) -> Result<Self, PostPolicyError> {
        let json = STANDARD.decode(base64).map_err(|_| PostPolicyError::Base64)?;
        let text = String::from_utf8(json).map_err(|_| PostPolicyError::Json)?;
        let Json::Object(members) = Json::parse(&text)? else { return Err(PostPolicyError::Json) };
        let (mut expiration, mut conditions) = (None, None);
        for (name, value) in members {
            let member = match &*name {
                "expiration" => &mut expiration,
                "conditions" => &mut conditions,
                _ => return Err(PostPolicyError::Unexpected { name }),
            };
            if member.replace(value).is_some() {
                return Err(PostPolicyError::Unexpected { name });
            }
        }
        let expires_at = read_expiration(expiration.ok_or(PostPolicyError::MissingExpiration)?)?;
        let conditions = conditions.ok_or(PostPolicyError::MissingConditions)?;
        let Json::List(conditions) = conditions else {
            return Err(PostPolicyError::ConditionsNotAList);
        };
        if conditions.is_empty() {
            return Err(PostPolicyError::MissingConditions);
        }
        let conditions: Result<_, _> = conditions.into_iter().map(Condition::read).collect();
        Ok(Self { expires_at, conditions: conditions? })
    }

    /// The last moment in which it holds.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Whether a form that is posted to `bucket` is one that the policy allows; then, how long its
    /// file may be, in bytes. No file fits where the range is empty.
    ///
    /// `fields` are those of the form, with the name of its file put in
    /// ([`FormFields::with_file_name`]).
    pub fn judge(
        &self,
        fields: &FormFields,
        bucket: &str,
        now: Timestamp,
    ) -> Result<RangeInclusive<u64>, PostRefusal> {
        let Self { expires_at, conditions } = self;
        if now > *expires_at {
            return Err(PostRefusal::Expired { expires_at: *expires_at });
        }
        if let Some(failed) = conditions.iter().find(|condition| !condition.holds(fields, bucket)) {
            return Err(PostRefusal::ConditionFailed { condition: failed.shown() });
        }
        if let Some(name) = self.extra_field(fields) {
            return Err(PostRefusal::ExtraField { name });
        }
        let ranges = conditions.iter().filter_map(Condition::range);
        let (min, max) = ranges.fold((0, u64::MAX), |(min, max), (other_min, other_max)| {
            (min.max(other_min), max.min(other_max))
        });
        Ok(min..=max)
    }

    fn extra_field(&self, fields: &FormFields) -> Option<String> {
        let named = || self.conditions.iter().filter_map(Condition::field);
        let covered = |name: &str| {
            UNCOVERED.contains(&name)
                || name.starts_with(IGNORED_PREFIX)
                || named().any(|field| field.eq_ignore_ascii_case(name))
        };
        let mut names = fields.iter().map(|(name, _)| name.to_ascii_lowercase());
        let bucket = || (!named().any(|field| field == BUCKET)).then(|| BUCKET.to_owned());
        names.find(|name| !covered(name)).or_else(bucket)
    }
}

/// `yyyy-MM-dd'T'HH:mm:ss'Z'`, or with three digits of a second (semantics 3.3.2).
fn read_expiration(json: Json) -> Result<Timestamp, PostPolicyError> {
    let value = match json {
        Json::String(text) => text,
        Json::Number(digits) => digits,
        Json::List(_) | Json::Object(_) => return Err(PostPolicyError::Json),
    };
    parse_expiration(&value).ok_or(PostPolicyError::MalformedExpiration { value })
}

fn parse_expiration(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix('Z')?;
    let (whole, millis) = match text.split_once('.') {
        None => (text, 0),
        Some((whole, millis)) => {
            let are_digits = millis.len() == 3 && millis.bytes().all(|byte| byte.is_ascii_digit());
            (whole, are_digits.then(|| millis.parse().ok()).flatten()?)
        }
    };
    let pattern = b"0000-00-00T00:00:00";
    let fits =
        |(byte, at): (u8, &u8)| if *at == b'0' { byte.is_ascii_digit() } else { byte == *at };
    if whole.len() != pattern.len() || !whole.bytes().zip(pattern).all(fits) {
        return None;
    }
    let date = AmzDate::parse(&format!("{}Z", whole.replace(['-', ':'], "")))?;
    date.timestamp().checked_add(SignedDuration::from_millis(millis)).ok()
}

#[cfg(test)]
mod tests;
