//! A policy document, read once and compiled for evaluation.

use std::sync::Arc;

use crate::condition::Condition;
use crate::json::{Json, JsonError};
use crate::pattern::{Pattern, Variables, Wildcards};
use crate::principal_element::PrincipalElement;

/// Bytes of the longest document that is read: no kind of policy is allowed as many.
pub const POLICY_BYTES_MAX: usize = 64 * 1024;

/// A policy document that was read whole: nothing in it is skipped.
#[derive(Clone, Debug)]
pub struct Policy {
    text: Arc<str>,
    pub(crate) version: PolicyVersionName,
    pub(crate) statements: Vec<Statement>,
}

/// The version of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PolicyVersionName {
    /// `2008-10-17`, also where none is named: variables are text.
    Of2008,
    /// `2012-10-17`
    Of2012,
}

/// Whether a statement gives or takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

/// One statement.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) sid: Option<String>,
    pub(crate) effect: Effect,
    pub(crate) principal: Option<Element<PrincipalElement>>,
    pub(crate) actions: Option<Element<Vec<Named>>>,
    pub(crate) resources: Option<Element<Vec<Named>>>,
    pub(crate) conditions: Vec<Condition>,
}

/// An element, or its `Not…` twin.
#[derive(Clone, Debug)]
pub(crate) enum Element<T> {
    These(T),
    AllBut(T),
}

impl<T> Element<T> {
    pub(crate) fn inner(&self) -> &T {
        match self {
            Self::These(inner) | Self::AllBut(inner) => inner,
        }
    }
}

/// A pattern, and as it was written.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) text: String,
    pub(crate) pattern: Pattern,
}

/// Why a document is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It does not begin with `{`.
    #[error("not a JSON object")]
    NotAnObject,
    /// It is not JSON.
    #[error("not JSON")]
    Json,
    /// A member stands twice.
    #[error("a member is repeated")]
    Repeated,
    /// It is longer than any policy may be.
    #[error("longer than {POLICY_BYTES_MAX} bytes")]
    TooLong,
    /// A member that no policy has.
    #[error("unknown member {name:?}")]
    Unknown {
        /// Its name.
        name: String,
    },
    /// A version that there is not.
    #[error("unknown version")]
    Version,
    /// A member that must be there.
    #[error("{name} is missing")]
    Missing {
        /// Its name.
        name: &'static str,
    },
    /// There is no statement.
    #[error("no statement")]
    Empty,
    /// A member of the wrong kind.
    #[error("{name} is not what it should be")]
    Malformed {
        /// Its name.
        name: &'static str,
    },
    /// An operator that there is not.
    #[error("unknown condition operator {name:?}")]
    Operator {
        /// As it was written.
        name: String,
    },
    /// Two statements of one `Sid`.
    #[error("two statements of one Sid")]
    RepeatedSid,
}

impl Policy {
    /// Reads a document, JSON as AWS spells it. What kind of policy it may serve as is asked
    /// afterwards: [`validate_bucket`](Self::validate_bucket) and its like.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLong);
        }
        if !text.trim_start().starts_with('{') {
            return Err(PolicyError::NotAnObject);
        }
        let json = Json::parse(text).map_err(|error| match error {
            JsonError::Syntax => PolicyError::Json,
            JsonError::Repeated => PolicyError::Repeated,
        })?;
        let Json::Object(members) = json else { return Err(PolicyError::NotAnObject) };
        let (mut version, mut found) = (PolicyVersionName::Of2008, None);
        for (name, value) in members {
            match name.as_str() {
                "Version" => version = read_version(&value)?,
                "Id" => drop(text_of(value, "Id")?),
                "Statement" => found = Some(value),
                _ => return Err(PolicyError::Unknown { name }),
            }
        }
        let found = match found {
            None => return Err(PolicyError::Missing { name: "Statement" }),
            Some(Json::List(statements)) => statements,
            Some(one @ Json::Object(_)) => vec![one],
            Some(_) => return Err(PolicyError::Malformed { name: "Statement" }),
        };
        let variables = match version {
            PolicyVersionName::Of2008 => Variables::Literal,
            PolicyVersionName::Of2012 => Variables::Resolved,
        };
        let read = |statement| read_statement(statement, variables);
        let statements: Vec<Statement> = found.into_iter().map(read).collect::<Result<_, _>>()?;
        if statements.is_empty() {
            return Err(PolicyError::Empty);
        }
        for (at, statement) in statements.iter().enumerate() {
            let earlier = statements.iter().take(at);
            let same = |other: &Statement| other.sid.is_some() && other.sid == statement.sid;
            if earlier.into_iter().any(same) && statement.sid.as_deref() != Some("") {
                return Err(PolicyError::RepeatedSid);
            }
        }
        Ok(Self { text: text.into(), version, statements })
    }

    /// The document as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The values that conditions compare a key with, as they were written, its name in lower case.
    pub fn condition_values(&self, key: &str) -> Vec<&str> {
        let conditions = self.statements.iter().flat_map(|statement| &statement.conditions);
        let of_key = conditions.filter(|condition| condition.key() == key);
        of_key.flat_map(Condition::texts).map(String::as_str).collect()
    }
}

fn read_version(value: &Json) -> Result<PolicyVersionName, PolicyError> {
    match value {
        Json::Text(text) if text == "2012-10-17" => Ok(PolicyVersionName::Of2012),
        Json::Text(text) if text == "2008-10-17" => Ok(PolicyVersionName::Of2008),
        Json::Null
        | Json::Bool(_)
        | Json::Number(_)
        | Json::Text(_)
        | Json::List(_)
        | Json::Object(_) => Err(PolicyError::Version),
    }
}

fn read_statement(value: Json, variables: Variables) -> Result<Statement, PolicyError> {
    let Json::Object(members) = value else {
        return Err(PolicyError::Malformed { name: "Statement" });
    };
    let (mut sid, mut effect) = (None, None);
    let (mut principal, mut actions, mut resources) = (None, None, None);
    let mut conditions = Vec::new();
    for (name, value) in members {
        match name.as_str() {
            "Sid" => sid = Some(text_of(value, "Sid")?),
            "Effect" => {
                effect = Some(match text_of(value, "Effect")?.as_str() {
                    "Allow" => Effect::Allow,
                    "Deny" => Effect::Deny,
                    _ => return Err(PolicyError::Malformed { name: "Effect" }),
                });
            }
            "Principal" => {
                once(&mut principal, Element::These(read_principal(value)?), "Principal")?;
            }
            "NotPrincipal" => {
                once(&mut principal, Element::AllBut(read_principal(value)?), "Principal")?;
            }
            "Action" => once(&mut actions, Element::These(read_actions(value)?), "Action")?,
            "NotAction" => once(&mut actions, Element::AllBut(read_actions(value)?), "Action")?,
            "Resource" => {
                let these = Element::These(read_resources(value, variables)?);
                once(&mut resources, these, "Resource")?;
            }
            "NotResource" => {
                let these = Element::AllBut(read_resources(value, variables)?);
                once(&mut resources, these, "Resource")?;
            }
            "Condition" => conditions = read_conditions(value, variables)?,
            _ => return Err(PolicyError::Unknown { name }),
        }
    }
    let effect = effect.ok_or(PolicyError::Missing { name: "Effect" })?;
    Ok(Statement { sid, effect, principal, actions, resources, conditions })
}

/// An element and its `Not…` twin exclude each other.
fn once<T>(slot: &mut Option<T>, value: T, name: &'static str) -> Result<(), PolicyError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(PolicyError::Malformed { name }),
    }
}

fn text_of(value: Json, name: &'static str) -> Result<String, PolicyError> {
    match value {
        Json::Text(text) => Ok(text),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::List(_) | Json::Object(_) => {
            Err(PolicyError::Malformed { name })
        }
    }
}

/// One text, or a list of them.
fn texts_of(value: Json, name: &'static str) -> Result<Vec<String>, PolicyError> {
    match value {
        Json::Text(text) => Ok(vec![text]),
        Json::List(values) => values.into_iter().map(|value| text_of(value, name)).collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => {
            Err(PolicyError::Malformed { name })
        }
    }
}

fn read_principal(value: Json) -> Result<PrincipalElement, PolicyError> {
    const NAME: &str = "Principal";
    let mut element = PrincipalElement::default();
    match value {
        Json::Text(text) if text == "*" => element.push("AWS", text),
        Json::Object(members) => {
            for (kind, names) in members {
                if !PrincipalElement::KINDS.contains(&kind.as_str()) {
                    return Err(PolicyError::Malformed { name: NAME });
                }
                for name in texts_of(names, NAME)? {
                    element.push(&kind, name);
                }
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::List(_) => {
            return Err(PolicyError::Malformed { name: NAME });
        }
    }
    Ok(element)
}

fn read_actions(value: Json) -> Result<Vec<Named>, PolicyError> {
    let compile = |text: String| Named { pattern: Pattern::action(&text), text };
    Ok(texts_of(value, "Action")?.into_iter().map(compile).collect())
}

fn read_resources(value: Json, variables: Variables) -> Result<Vec<Named>, PolicyError> {
    let compile =
        |text: String| Named { pattern: Pattern::compile(&text, Wildcards::Wild, variables), text };
    Ok(texts_of(value, "Resource")?.into_iter().map(compile).collect())
}

fn read_conditions(value: Json, variables: Variables) -> Result<Vec<Condition>, PolicyError> {
    const NAME: &str = "Condition";
    let Json::Object(operators) = value else {
        return Err(PolicyError::Malformed { name: NAME });
    };
    let mut conditions = Vec::new();
    for (operator, keys) in operators {
        let Json::Object(keys) = keys else {
            return Err(PolicyError::Malformed { name: NAME });
        };
        for (key, values) in keys {
            let texts = operands_of(values)?;
            let unknown = || PolicyError::Operator { name: operator.clone() };
            let condition = Condition::compile(&operator, &key, texts, variables);
            conditions.push(condition.ok_or_else(unknown)?);
        }
    }
    Ok(conditions)
}

/// The operands of a condition: texts, numbers and booleans alike.
fn operands_of(value: Json) -> Result<Vec<String>, PolicyError> {
    let operand = |value: Json| match value {
        Json::Text(text) | Json::Number(text) => Ok(text),
        Json::Bool(value) => Ok(value.to_string()),
        Json::Null | Json::List(_) | Json::Object(_) => {
            Err(PolicyError::Malformed { name: "Condition" })
        }
    };
    match value {
        Json::List(values) => values.into_iter().map(operand).collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::Object(_) => {
            Ok(vec![operand(value)?])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents() {
        use PolicyError::{
            Empty, Json, Malformed, Missing, NotAnObject, Operator, Repeated, RepeatedSid, Unknown,
            Version,
        };
        let check = |text: &str, expected: Result<(), PolicyError>| {
            assert_eq!(Policy::parse(text).map(drop), expected, "{text}");
        };
        let of = |statement: &str| format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#);
        let plain = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;
        check(&of(plain), Ok(()));
        check(&of(&format!("[{plain},{plain}]")), Ok(()));
        check(&format!(r#"{{"Id":"x","Statement":{plain}}}"#), Ok(()));
        check("", Err(NotAnObject));
        check("[]", Err(NotAnObject));
        check("{", Err(Json));
        check(r#"{"Statement":[],"Statement":[]}"#, Err(Repeated));
        check(&of(r#"{"Effect":"Allow","Effect":"Deny","Action":"*"}"#), Err(Repeated));
        check("{}", Err(Missing { name: "Statement" }));
        check(r#"{"Statement":[]}"#, Err(Empty));
        check(r#"{"Statement":7}"#, Err(Malformed { name: "Statement" }));
        check(r#"{"Statement":[7]}"#, Err(Malformed { name: "Statement" }));
        check(&format!(r#"{{"Version":"2013-10-17","Statement":{plain}}}"#), Err(Version));
        check(r#"{"statement":[]}"#, Err(Unknown { name: "statement".into() }));
        check(&of(r#"{"Action":"*"}"#), Err(Missing { name: "Effect" }));
        check(&of(r#"{"Effect":"allow"}"#), Err(Malformed { name: "Effect" }));
        check(&of(r#"{"Effect":"Allow","Actions":"*"}"#), Err(Unknown { name: "Actions".into() }));
        check(
            &of(r#"{"Effect":"Allow","Action":"*","NotAction":"*"}"#),
            Err(Malformed { name: "Action" }),
        );
        check(&of(r#"{"Effect":"Allow","Action":[["*"]]}"#), Err(Malformed { name: "Action" }));
        check(&of(r#"{"Effect":"Allow","Principal":"ann"}"#), Err(Malformed { name: "Principal" }));
        check(
            &of(r#"{"Effect":"Allow","Principal":{"Aws":"*"}}"#),
            Err(Malformed { name: "Principal" }),
        );
        check(
            &of(r#"{"Effect":"Allow","Condition":{"StringIs":{"a":"b"}}}"#),
            Err(Operator { name: "StringIs".into() }),
        );
        check(&of(r#"{"Effect":"Allow","Condition":{"Bool":{"a":true,"b":1}}}"#), Ok(()));
        check(
            &of(r#"{"Effect":"Allow","Condition":{"Bool":{"a":null}}}"#),
            Err(Malformed { name: "Condition" }),
        );
        check(&of(r#"{"Effect":"Allow","Condition":{"Bool":{"a":1,"a":1}}}"#), Err(Repeated));
        let twice = r#"[{"Sid":"a","Effect":"Allow"},{"Sid":"a","Effect":"Deny"}]"#;
        check(&of(twice), Err(RepeatedSid));
    }
}
