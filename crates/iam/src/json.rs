//! JSON as policies need it: members in order, none of them twice, and not deeper than policies are.
//!
//! A repeated member is refused because readers disagree on which one counts: what was reviewed
//! would not be what is enforced.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

use crate::policy::PolicyError;

/// The deepest place in a policy is a value in a list under a key under an operator under
/// `Condition` in a statement in the list of statements: 7 levels. One more is room for errors that
/// say what is wrong.
const DEPTH_MAX: usize = 8;

/// A JSON value that keeps the order of members; an object has each of its members once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// A number, in decimals without an exponent.
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(crate) fn parse(text: &str) -> Result<Self, PolicyError> {
        let repeated = RefCell::new(None);
        let seed = Seed { depth: 0, repeated: &repeated };
        let mut reader = serde_json::Deserializer::from_str(text);
        let value = seed.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
        value.map_err(|_| match repeated.take() {
            Some(member) => PolicyError::Repeated(member),
            None => PolicyError::Json,
        })
    }
}

#[derive(Clone, Copy)]
struct Seed<'s> {
    depth: usize,
    /// The member that stood twice.
    repeated: &'s RefCell<Option<String>>,
}

impl Seed<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth.checked_add(1).filter(|depth| *depth <= DEPTH_MAX) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => Err(E::custom("too deep")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Json, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let seed = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(seed)? {
            array.push(item);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let seed = self.deeper()?;
        let mut object = Vec::new();
        let mut names = std::collections::HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if !names.insert(name.clone()) {
                self.repeated.replace(Some(name));
                return Err(A::Error::custom("repeated member"));
            }
            object.push((name, members.next_value_seed(seed)?));
        }
        Ok(Json::Object(object))
    }
}
