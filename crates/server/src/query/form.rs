//! The parameters of a Query-protocol call: a URL-encoded form, lists as `Name.member.1`.

use std::borrow::Cow;

use super::error::{QueryCode, QueryError};

/// Parameters of one call: policies of a role with tags have a few dozen.
const PARAMETERS_MAX: usize = 1024;

/// Names and values, decoded.
#[derive(Debug, Default)]
pub(crate) struct Form {
    pairs: Vec<(String, String)>,
}

impl Form {
    /// Reads a form; a plus is a space.
    pub(crate) fn parse(raw: &[u8]) -> Result<Self, QueryError> {
        let malformed = || QueryError::new(QueryCode::MalformedQueryString);
        let text = std::str::from_utf8(raw).map_err(|_| malformed())?;
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == PARAMETERS_MAX {
                return Err(malformed());
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode(name).ok_or_else(malformed)?, decode(value).ok_or_else(malformed)?));
        }
        Ok(Self { pairs })
    }

    /// A parameter; of a repeated one the first (aws-semantics 4.1.2).
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that must be there and not be empty.
    pub(crate) fn required(&self, name: &'static str) -> Result<&str, QueryError> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            QueryError::validation(format!(
                "1 validation error detected: Value null at '{}' failed to satisfy constraint: Member must not be null",
                member(name)
            ))
        })
    }

    /// `Name.member.1`, `Name.member.2`, … as far as they go.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        (1..=PARAMETERS_MAX).map_while(|n| self.get(&format!("{name}.member.{n}"))).collect()
    }

    /// `Name.member.N.Field…`: the fields of each member, as far as they go.
    pub(crate) fn structures<const N: usize>(
        &self,
        name: &str,
        fields: [&str; N],
    ) -> Vec<[Option<&str>; N]> {
        let at = |n: usize| {
            let found = fields.map(|field| self.get(&format!("{name}.member.{n}.{field}")));
            found.iter().any(Option::is_some).then_some(found)
        };
        (1..=PARAMETERS_MAX).map_while(at).collect()
    }
}

/// A parameter as validation errors spell it: its first letter small.
pub(crate) fn member(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + letters.as_str())
}

fn decode(text: &str) -> Option<String> {
    let spaced: Cow<'_, str> =
        if text.contains('+') { text.replace('+', " ").into() } else { text.into() };
    String::from_utf8(presign::decode_component(&spaced).into_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_lists_and_structures() {
        let form = b"Action=A&Action=B&P.member.1=x+y&P.member.2=%C3%A9&P.member.4=no\
            &T.member.1.Key=k&T.member.1.Value=&T.member.2.Key=l";
        let form = Form::parse(form).unwrap();
        assert_eq!(form.get("Action"), Some("A"));
        assert_eq!(form.list("P"), ["x y", "é"]);
        let tags = form.structures("T", ["Key", "Value"]);
        assert_eq!(tags, [[Some("k"), Some("")], [Some("l"), None]]);
        assert!(Form::parse(b"a=%FF").is_err());
    }
}
