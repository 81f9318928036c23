//! How a document becomes what is kept of it.

use super::body::{ConditionRecord, KINDS, StatementRecord};
use super::texts::{Gathering, Span};
use super::{Body, Effect, Element, PolicyError, Version};
use crate::condition::{Named, operator_named};
use crate::fold_case;
use crate::json::Json;
use crate::principal::NamedPrincipal;

/// What has been read of a document.
#[derive(Default)]
struct Reading {
    texts: Gathering,
    conditions: Vec<ConditionRecord>,
}

impl Body {
    pub(super) fn read(members: Vec<(String, Json)>) -> Result<Self, PolicyError> {
        let (mut version, mut statements) = (None, None);
        for (name, value) in members {
            match name.as_str() {
                "Version" => version = Some(Version::read(value)?),
                "Id" => {
                    text("Id", value)?;
                }
                "Statement" => statements = Some(value),
                _ => return Err(PolicyError::Unknown(name)),
            }
        }
        let statements = match statements.ok_or(PolicyError::Missing("Statement"))? {
            Json::Array(statements) => statements,
            statement @ Json::Object(_) => vec![statement],
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
                return Err(PolicyError::WrongType("Statement"));
            }
        };
        if statements.is_empty() {
            return Err(PolicyError::Empty("Statement"));
        }
        let mut reading = Reading::default();
        let statements: Vec<_> = statements
            .into_iter()
            .map(|statement| reading.statement(statement))
            .collect::<Result<_, _>>()?;
        let Reading { texts, conditions } = reading;
        let body = Self {
            version,
            texts: texts.finish(),
            statements: statements.into_boxed_slice(),
            conditions: conditions.into_boxed_slice(),
        };
        let mut sids = std::collections::HashSet::new();
        for sid in body.statements().filter_map(super::Statement::sid) {
            if !sid.is_empty() && !sids.insert(sid) {
                return Err(PolicyError::RepeatedSid(sid.to_owned()));
            }
        }
        Ok(body)
    }
}

impl Version {
    fn read(value: Json) -> Result<Self, PolicyError> {
        match text("Version", value)?.as_str() {
            "2008-10-17" => Ok(Self::V2008),
            "2012-10-17" => Ok(Self::V2012),
            other => Err(PolicyError::Version(other.to_owned())),
        }
    }
}

impl Reading {
    fn statement(&mut self, value: Json) -> Result<StatementRecord, PolicyError> {
        let Json::Object(members) = value else { return Err(PolicyError::WrongType("Statement")) };
        let (mut sid, mut effect) = (None, None);
        let (mut principals, mut actions, mut resources) = (None, None, None);
        let mut conditions = self.no_conditions()?;
        for (name, value) in members {
            match name.as_str() {
                "Sid" => sid = Some(self.texts.push(&text("Sid", value)?)?),
                "Effect" => effect = Some(Effect::read(value)?),
                "Principal" => {
                    once(&mut principals, "Principal", Element::Only(self.principals(value)?))?;
                }
                "NotPrincipal" => {
                    once(&mut principals, "Principal", Element::AllBut(self.principals(value)?))?;
                }
                "Action" => {
                    once(&mut actions, "Action", Element::Only(self.strings("Action", value)?))?;
                }
                "NotAction" => {
                    once(&mut actions, "Action", Element::AllBut(self.strings("Action", value)?))?;
                }
                "Resource" => {
                    let entries = self.strings("Resource", value)?;
                    once(&mut resources, "Resource", Element::Only(entries))?;
                }
                "NotResource" => {
                    let entries = self.strings("Resource", value)?;
                    once(&mut resources, "Resource", Element::AllBut(entries))?;
                }
                "Condition" => conditions = self.conditions(value)?,
                _ => return Err(PolicyError::Unknown(name)),
            }
        }
        let effect = effect.ok_or(PolicyError::Missing("Effect"))?;
        let actions = actions.ok_or(PolicyError::Missing("Action"))?;
        Ok(StatementRecord { effect, sid, principals, actions, resources, conditions })
    }

    fn no_conditions(&self) -> Result<Span, PolicyError> {
        let bytes = self.conditions.len();
        let place = u32::try_from(bytes).map_err(|_| PolicyError::TooLong { bytes })?;
        Ok(Span { first: place, after: place })
    }

    /// Reads the value of `Condition`.
    fn conditions(&mut self, value: Json) -> Result<Span, PolicyError> {
        let Span { first, .. } = self.no_conditions()?;
        for (operator, keys) in object(value)? {
            for (key, values) in object(keys)? {
                self.condition(&operator, &key, values)?;
            }
            // An operator without keys asks for nothing, but it must exist.
            operator_named(&operator)?;
        }
        Ok(Span { first, after: self.no_conditions()?.after })
    }

    fn condition(&mut self, name: &str, key: &str, values: Json) -> Result<(), PolicyError> {
        let Named { operator, negated, quantifier, if_exists } = operator_named(name)?;
        let values = match values {
            Json::Array(values) => values,
            value @ (Json::Null
            | Json::Bool(_)
            | Json::Number(_)
            | Json::String(_)
            | Json::Object(_)) => vec![value],
        };
        if values.is_empty() {
            return Err(PolicyError::Empty("Condition"));
        }
        let operands = values.into_iter().map(scalar).collect::<Result<Vec<_>, _>>()?;
        let key = fold_case(key);
        let words = std::iter::once(&*key).chain(operands.iter().map(String::as_str));
        let words = self.texts.extend(words)?;
        self.conditions.push(ConditionRecord { operator, quantifier, if_exists, negated, words });
        Ok(())
    }

    fn principals(&mut self, value: Json) -> Result<Span, PolicyError> {
        let mut words = Vec::new();
        let members = match value {
            Json::String(text) if text == "*" => return self.texts.extend(["A*"]),
            Json::String(text) => return Err(PolicyError::Principal(text)),
            Json::Object(members) => members,
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) => {
                return Err(PolicyError::WrongType("Principal"));
            }
        };
        for (kind, value) in members {
            for entry in strings("Principal", value)? {
                let Some((_, letter)) = KINDS.iter().find(|(known, _)| *known == kind) else {
                    return Err(PolicyError::Principal(kind));
                };
                if *letter == 'A' {
                    NamedPrincipal::parse_aws(&entry)?;
                }
                words.push(format!("{letter}{entry}"));
            }
        }
        if words.is_empty() {
            return Err(PolicyError::Empty("Principal"));
        }
        self.texts.extend(words.iter().map(String::as_str))
    }

    /// A string, or a list of strings of which there is at least one.
    fn strings(&mut self, name: &'static str, value: Json) -> Result<Span, PolicyError> {
        let words = strings(name, value)?;
        self.texts.extend(words.iter().map(String::as_str))
    }
}

impl Effect {
    fn read(value: Json) -> Result<Self, PolicyError> {
        match text("Effect", value)?.as_str() {
            "Allow" => Ok(Self::Allow),
            "Deny" => Ok(Self::Deny),
            other => Err(PolicyError::Effect(other.to_owned())),
        }
    }
}

fn once<T>(place: &mut Option<T>, name: &'static str, value: T) -> Result<(), PolicyError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(PolicyError::Both(name)),
    }
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

fn text(name: &'static str, value: Json) -> Result<String, PolicyError> {
    let Json::String(text) = value else { return Err(PolicyError::WrongType(name)) };
    Ok(text)
}

/// A string, or a list of strings of which there is at least one.
fn strings(name: &'static str, value: Json) -> Result<Vec<String>, PolicyError> {
    let values = match value {
        Json::String(text) => return Ok(vec![text]),
        Json::Array(values) => values,
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => {
            return Err(PolicyError::WrongType(name));
        }
    };
    if values.is_empty() {
        return Err(PolicyError::Empty(name));
    }
    values.into_iter().map(|value| text(name, value)).collect()
}
