//! The parameters of a Query-protocol call: a URL-encoded form, lists as `Name.member.1`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::error::{QueryCode, QueryError};

/// The most parameters of one call. The policies of a role with tags have a few dozen.
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

    /// The value of a parameter; of a repeated one, the first (semantics 4.1.2).
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that must not be missing or empty.
    pub(crate) fn required(&self, name: &'static str) -> Result<&str, QueryError> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            QueryError::validation(format!(
                "1 validation error detected: Value null at '{}' failed to satisfy constraint: Member must not be null",
                member(name)
            ))
        })
    }

    /// The values of `Name.member.1`, `Name.member.2`, … The list must begin at 1 and have no gap, or the call
    /// is refused.
    pub(crate) fn list(&self, name: &str) -> Result<Vec<&str>, QueryError> {
        texts(name, numbered(self.pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())), name)?)
    }

    /// The members of `Name.member.N.Field…`. A field that is not among `fields` is refused. A field that ends
    /// with `.member` is a list.
    pub(crate) fn structures(
        &self,
        name: &str,
        fields: &[&str],
    ) -> Result<Vec<Structure<'_>>, QueryError> {
        let pairs = self.pairs.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        let members = numbered(pairs, name)?;
        let known = |field: &str| {
            let (plain, list) = field.split_once('.').map_or((field, false), |(f, _)| (f, true));
            fields.iter().any(|known| match known.strip_suffix(".member") {
                Some(known) => known == plain,
                None => *known == plain && !list,
            })
        };
        let whole = members.iter().all(|Member(pairs)| {
            pairs.iter().all(|(rest, _)| rest.strip_prefix('.').is_some_and(known))
        });
        if !whole {
            return Err(no_list(name));
        }
        Ok(members.into_iter().map(Structure).collect())
    }
}

/// One member of a list: names (what follows the number) and values.
struct Member<'f>(Vec<(&'f str, &'f str)>);

/// One member of a list that has fields.
pub(crate) struct Structure<'f>(Member<'f>);

impl<'f> Structure<'f> {
    /// The value of a field; of a repeated one, the first.
    pub(crate) fn get(&self, field: &str) -> Option<&'f str> {
        let is = |rest: &str| rest.strip_prefix('.') == Some(field);
        self.0.0.iter().find(|(rest, _)| is(rest)).map(|(_, value)| *value)
    }

    /// The values of a field that is a list.
    pub(crate) fn list(&self, field: &str) -> Result<Vec<&'f str>, QueryError> {
        let pairs =
            self.0.0.iter().filter_map(|(rest, value)| Some((rest.strip_prefix('.')?, *value)));
        texts(field, numbered(pairs, field)?)
    }
}

/// The members of a list, in the order of their numbers. A gap, a number with leading zeros, or any other name
/// that begins with the list's name is refused. Nothing is skipped, because a member that is left out of a list
/// of restrictions would restrict nobody.
fn numbered<'f>(
    pairs: impl Iterator<Item = (&'f str, &'f str)>,
    name: &str,
) -> Result<Vec<Member<'f>>, QueryError> {
    let mut members: BTreeMap<usize, Member<'f>> = BTreeMap::new();
    for (key, value) in pairs {
        let Some(rest) = key.strip_prefix(name) else { continue };
        if rest.is_empty() {
            // Clients send an empty value for an empty list.
            if value.is_empty() {
                continue;
            }
            return Err(no_list(name));
        }
        let Some(rest) = rest.strip_prefix('.') else { continue };
        let rest = rest.strip_prefix("member.").ok_or_else(|| no_list(name))?;
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let (number, rest) = rest.split_at(digits);
        let number = number.parse().ok().filter(|n: &usize| n.to_string() == number);
        let number = number.ok_or_else(|| no_list(name))?;
        members.entry(number).or_insert_with(|| Member(Vec::new())).0.push((rest, value));
    }
    let whole = members.keys().enumerate().all(|(at, number)| at + 1 == *number);
    if whole { Ok(members.into_values().collect()) } else { Err(no_list(name)) }
}

/// The members of a list of texts; of a repeated number, the first.
fn texts<'f>(name: &str, members: Vec<Member<'f>>) -> Result<Vec<&'f str>, QueryError> {
    let text = |Member(pairs): Member<'f>| match pairs.as_slice() {
        [("", value), more @ ..] if more.iter().all(|(rest, _)| rest.is_empty()) => Ok(*value),
        _ => Err(no_list(name)),
    };
    members.into_iter().map(text).collect()
}

fn no_list(name: &str) -> QueryError {
    QueryError::with_message(
        QueryCode::MalformedInput,
        format!("{name} is not a list whose members are numbered from 1 without a gap"),
    )
}

/// The name of a parameter in validation errors: with a lower-case first letter.
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
        let form = b"Action=A&Action=B&P.member.1=x+y&P.member.2=%C3%A9&Empty=&PS=other\
            &T.member.1.Key=k&T.member.1.Value=&T.member.2.Key=l&L.member.1.V.member.1=a";
        let form = Form::parse(form).unwrap();
        assert_eq!(form.get("Action"), Some("A"));
        assert_eq!(form.list("P").unwrap(), ["x y", "é"]);
        assert!(form.list("Empty").unwrap().is_empty() && form.list("None").unwrap().is_empty());
        let tags = form.structures("T", &["Key", "Value"]).unwrap();
        let fields =
            |tag: &Structure<'_>| (tag.get("Key").unwrap().to_owned(), tag.get("Value").is_some());
        let fields: Vec<_> = tags.iter().map(fields).collect();
        assert_eq!(fields, [("k".to_owned(), true), ("l".to_owned(), false)]);
        let lists = form.structures("L", &["V.member"]).unwrap();
        assert_eq!(lists[0].list("V").unwrap(), ["a"]);
        assert!(form.structures("L", &["V"]).is_err() && form.structures("T", &["Key"]).is_err());
        assert!(Form::parse(b"a=%FF").is_err());
    }

    /// What is left out of a list might have been what restricts.
    #[test]
    fn a_list_is_whole_or_refused() {
        for bad in [
            "P.member.2=x",
            "P.member.0=x",
            "P.member.01=x",
            "P.member.+1=x",
            "P.member.1=x&P.member.3=y",
            "P.member.1.more=x",
            "P.member.1x=x",
            "P.member=x",
            "P.1=x",
            "P=x",
            "P.member.99999999999999999999999=x",
        ] {
            let form = Form::parse(bad.as_bytes()).unwrap();
            assert!(form.list("P").is_err(), "{bad}");
            assert!(form.structures("P", &["arn"]).is_err(), "{bad}");
        }
    }
}
