//! JSON that says everything once: a repeated member is a policy that two readers read differently.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON value with its members in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// As it was written.
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(crate) fn parse(text: &str) -> Result<Self, JsonError> {
        serde_json::from_str(text).map_err(|error| {
            // The words come from below, and there is no other way to tell.
            if error.to_string().starts_with(REPEATED) {
                JsonError::Repeated
            } else {
                JsonError::Syntax
            }
        })
    }
}

/// Why a text is not JSON as it is read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonError {
    Syntax,
    Repeated,
}

const REPEATED: &str = "a member is repeated";

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = access.next_element()? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut members: Vec<(String, Json)> = Vec::new();
        while let Some((name, value)) = access.next_entry::<String, Json>()? {
            if members.iter().any(|(known, _)| *known == name) {
                return Err(serde::de::Error::custom(REPEATED));
            }
            members.push((name, value));
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_stands_once() {
        let check = |text: &str, expected: Result<(), JsonError>| {
            assert_eq!(Json::parse(text).map(drop), expected, "{text}");
        };
        check(r#"{"a":1,"b":{"a":[1.5,true,null,"x"]}}"#, Ok(()));
        check(r#"{"a":1,"a":1}"#, Err(JsonError::Repeated));
        check(r#"{"x":[{"a":1,"\u0061":1}]}"#, Err(JsonError::Repeated));
        check(r#"{"a":1"#, Err(JsonError::Syntax));
        check(r#"{"a":1} x"#, Err(JsonError::Syntax));
        check(&format!("{}1{}", "[".repeat(500), "]".repeat(500)), Err(JsonError::Syntax));
    }
}
