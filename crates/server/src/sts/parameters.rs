//! Checks parameters as STS does: one answer names every fault of a call (semantics 4.1.3, 4.1.7).

use crate::query::error::{QueryCode, QueryError};
use crate::query::form::{Form, member};

/// The faults found in the parameters of one call.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<String>);

/// The rule for a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) min: usize,
    pub(super) max: usize,
    /// The pattern as AWS writes it, and the characters that it allows beside letters, digits and `_`.
    pub(super) pattern: Option<(&'static str, &'static str)>,
}

/// The name of a session.
pub(super) const SESSION_NAME: Rule =
    Rule { min: 2, max: 64, pattern: Some(("[\\w+=,.@-]*", "+=,.@-")) };
/// The name of a federated user.
pub(super) const FEDERATED_NAME: Rule = Rule { max: 32, ..SESSION_NAME };
/// An external id.
pub(super) const EXTERNAL_ID: Rule =
    Rule { min: 2, max: 1224, pattern: Some(("[\\w+=,.@:\\/-]*", "+=,.@:/-")) };
/// The ARN of a role or policy.
pub(super) const ARN: Rule = Rule { min: 20, max: 2048, pattern: None };
/// An inline session policy.
pub(super) const POLICY: Rule = Rule { min: 1, max: 2048, pattern: None };

impl Faults {
    pub(super) fn add(&mut self, value: Option<&str>, at: &str, constraint: &str) {
        let value = value.map_or_else(|| "null".to_owned(), |value| format!("'{value}'"));
        self.0.push(format!("Value {value} at '{at}' failed to satisfy constraint: {constraint}"));
    }

    /// Reads a parameter and checks its rule. A required one that is missing is a fault.
    pub(super) fn text(
        &mut self,
        form: &Form,
        parameter: &'static str,
        rule: Rule,
        needed: Needed,
    ) -> Option<String> {
        let at = member(parameter);
        let Some(value) = form.get(parameter) else {
            if needed == Needed::Yes {
                self.add(None, &at, "Member must not be null");
            }
            return None;
        };
        self.check(value, &at, rule);
        Some(value.to_owned())
    }

    /// Notes the faults of a value: the pattern first, then the length.
    pub(super) fn check(&mut self, value: &str, at: &str, rule: Rule) {
        let Rule { min, max, pattern } = rule;
        if let Some((pattern, more)) = pattern
            && !consists_of(value, more)
        {
            let constraint = format!("Member must satisfy regular expression pattern: {pattern}");
            self.add(Some(value), at, &constraint);
        }
        let count = value.chars().count();
        if count < min {
            let constraint = format!("Member must have length greater than or equal to {min}");
            self.add(Some(value), at, &constraint);
        }
        if count > max {
            let constraint = format!("Member must have length less than or equal to {max}");
            self.add(Some(value), at, &constraint);
        }
    }

    /// Reads `DurationSeconds` and checks that it is in its range.
    pub(super) fn duration(
        &mut self,
        form: &Form,
        min: u32,
        max: u32,
    ) -> Result<Option<u32>, QueryError> {
        let Some(text) = form.get("DurationSeconds") else { return Ok(None) };
        if text.is_empty() {
            return Err(QueryError::with_message(
                QueryCode::MalformedInput,
                "missing value for decimal type",
            ));
        }
        // A text that is no 32-bit integer is refused at once, as on AWS. A plus and leading zeros are allowed.
        let seconds: i32 = text.parse().map_err(|_| QueryError::new(QueryCode::MalformedInput))?;
        let at = "durationSeconds";
        let Some(seconds) = u32::try_from(seconds).ok().filter(|seconds| *seconds >= min) else {
            let constraint = format!("Member must have value greater than or equal to {min}");
            self.add(Some(text), at, &constraint);
            return Ok(None);
        };
        if seconds > max {
            let constraint = format!("Member must have value less than or equal to {max}");
            self.add(Some(text), at, &constraint);
        }
        Ok(Some(seconds))
    }

    /// Refuses the call if there are faults, and names them all.
    pub(super) fn refuse(self) -> Result<(), QueryError> {
        let faults = match self.0.len() {
            0 => return Ok(()),
            1 => "1 validation error detected".to_owned(),
            count => format!("{count} validation errors detected"),
        };
        Err(QueryError::validation(format!("{faults}: {}", self.0.join("; "))))
    }
}

impl Rule {
    /// Whether a value follows the rule.
    pub(super) fn fits(&self, value: &str) -> bool {
        let Self { min, max, pattern } = self;
        let letters = pattern.is_none_or(|(_, more)| consists_of(value, more));
        letters && (*min..=*max).contains(&value.chars().count())
    }
}

/// Whether a value consists of letters, digits, `_` and the characters of `more`.
fn consists_of(value: &str, more: &str) -> bool {
    value
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || more.contains(letter))
}

/// Whether a parameter is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needed {
    Yes,
    No,
}
