//! JSON as POST policies are written in: with two escapes of its own, and without floats, literals
//! or negative numbers (semantics 3.3.9, 3.3.10).

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

/// The deepest place in a policy is an argument in a condition in the list in the document: 3
/// levels. The rest is room for errors that say what is wrong.
const DEPTH_MAX: usize = 8;

/// A value. Repeated members stay beside each other, for whoever knows what they would mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    /// An integer, as its digits.
    Number(String),
    String(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonError {
    Malformed,
    /// A minus sign where a value should be.
    Minus,
}

impl Json {
    pub(crate) fn parse(text: &str) -> Result<Self, JsonError> {
        let mut reader = Reader { rest: text.chars().peekable() };
        let value = reader.value(0)?;
        reader.skip_blanks();
        if reader.rest.next().is_some() { Err(JsonError::Malformed) } else { Ok(value) }
    }
}

struct Reader<'t> {
    rest: Peekable<Chars<'t>>,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.skip_blanks();
        match self.rest.peek().copied() {
            _ if depth > DEPTH_MAX => Err(JsonError::Malformed),
            Some('"') => self.string().map(Json::String),
            Some('[') => self.list(depth),
            Some('{') => self.object(depth),
            Some('0'..='9') => self.number(),
            Some('-') => Err(JsonError::Minus),
            Some(_) | None => Err(JsonError::Malformed),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Json, JsonError> {
        let mut items = Vec::new();
        self.items(']', |reader| {
            items.push(reader.value(depth + 1)?);
            Ok(())
        })?;
        Ok(Json::List(items))
    }

    fn object(&mut self, depth: usize) -> Result<Json, JsonError> {
        let mut members = Vec::new();
        self.items('}', |reader| {
            reader.skip_blanks();
            let name = reader.string()?;
            reader.skip_blanks();
            reader.expect(':')?;
            members.push((name, reader.value(depth + 1)?));
            Ok(())
        })?;
        Ok(Json::Object(members))
    }

    /// What stands between brackets, separated by commas.
    fn items(
        &mut self,
        close: char,
        mut item: impl FnMut(&mut Self) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.rest.next();
        self.skip_blanks();
        if self.rest.next_if_eq(&close).is_some() {
            return Ok(());
        }
        loop {
            item(self)?;
            self.skip_blanks();
            if self.rest.next_if_eq(&close).is_some() {
                return Ok(());
            }
            self.expect(',')?;
        }
    }

    fn number(&mut self) -> Result<Json, JsonError> {
        let mut digits = String::new();
        while let Some(digit) = self.rest.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        let is_octal = digits.len() > 1 && digits.starts_with('0');
        let goes_on = self.rest.peek().is_some_and(|next| matches!(next, '.' | 'e' | 'E'));
        if is_octal || goes_on { Err(JsonError::Malformed) } else { Ok(Json::Number(digits)) }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            match self.next()? {
                '"' => return Ok(text),
                '\\' => text.push(self.escaped()?),
                control if control < ' ' => return Err(JsonError::Malformed),
                other => text.push(other),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, JsonError> {
        Ok(match self.next()? {
            same @ ('"' | '\\' | '/' | '$') => same,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'u' => return self.unicode(),
            _ => return Err(JsonError::Malformed),
        })
    }

    /// Behind `\u`: four digits, or two times four that make one character.
    fn unicode(&mut self) -> Result<char, JsonError> {
        let first = self.four_digits()?;
        let units = if (0xd800..0xdc00).contains(&first) {
            self.expect('\\')?;
            self.expect('u')?;
            vec![first, self.four_digits()?]
        } else {
            vec![first]
        };
        let mut characters = char::decode_utf16(units);
        match (characters.next(), characters.next()) {
            (Some(Ok(character)), None) => Ok(character),
            _ => Err(JsonError::Malformed),
        }
    }

    fn four_digits(&mut self) -> Result<u16, JsonError> {
        let mut unit = 0_u16;
        for _ in 0..4 {
            let digit = self.next()?.to_digit(16).and_then(|digit| u16::try_from(digit).ok());
            unit = unit << 4 | digit.ok_or(JsonError::Malformed)?;
        }
        Ok(unit)
    }

    fn next(&mut self) -> Result<char, JsonError> {
        self.rest.next().ok_or(JsonError::Malformed)
    }

    fn expect(&mut self, expected: char) -> Result<(), JsonError> {
        if self.next()? == expected { Ok(()) } else { Err(JsonError::Malformed) }
    }

    fn skip_blanks(&mut self) {
        while self.rest.next_if(|next| matches!(next, ' ' | '\t' | '\r' | '\n')).is_some() {}
    }
}

/// Appends a string as refusals show it.
pub(super) fn push_string(out: &mut String, text: &str) {
    push_escaped(out, text, |_| false);
}

/// Appends a string in ASCII alone, as Python writes it.
pub(crate) fn push_ascii_string(out: &mut String, text: &str) {
    push_escaped(out, text, |character| !character.is_ascii() || character == '\u{7f}');
}

fn push_escaped(out: &mut String, text: &str, as_unit: impl Fn(char) -> bool) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other if other < ' ' || as_unit(other) => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    // Writing to a `String` cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let check = |text: &str, expected: Result<Json, JsonError>| {
            assert_eq!(Json::parse(text), expected, "{text}");
        };
        let string = |text: &str| Ok(Json::String(text.to_owned()));
        check(r#""a\"\\\/\$\b\f\n\r\t\v""#, string("a\"\\/$\u{8}\u{c}\n\r\t\u{b}"));
        check(r#""\u00e9\ud83d\uDE00é""#, string("é😀é"));
        check(" 0 ", Ok(Json::Number("0".to_owned())));
        check("10485760", Ok(Json::Number("10485760".to_owned())));
        check("[]", Ok(Json::List(Vec::new())));
        check("\r\n{\t}\n", Ok(Json::Object(Vec::new())));
        let member = ("a".to_owned(), Json::List(vec![Json::Number("1".to_owned())]));
        check(r#"{"a": [1], "a": [1]}"#, Ok(Json::Object(vec![member.clone(), member])));
        check("-1", Err(JsonError::Minus));
        check("[0, -1]", Err(JsonError::Minus));
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Json::parse(&deep(9)).is_ok());
        assert!(Json::parse(&deep(10)).is_err());
        for text in [
            "",
            "null",
            "true",
            "1.0",
            "1e3",
            "01",
            "1 2",
            "{",
            "[1",
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{\"a\":}",
            "{a: 1}",
            "{'a': 1}",
            "'a'",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"a\nb\"",
            "\u{feff}1",
        ] {
            check(text, Err(JsonError::Malformed));
        }
    }

    #[test]
    fn strings_are_written_back() {
        let check = |text: &str, shown: &str, ascii: &str| {
            let (mut out, mut out_ascii) = (String::new(), String::new());
            push_string(&mut out, text);
            push_ascii_string(&mut out_ascii, text);
            assert_eq!((out.as_str(), out_ascii.as_str()), (shown, ascii));
            assert_eq!(Json::parse(&out), Ok(Json::String(text.to_owned())));
            assert_eq!(Json::parse(&out_ascii), Ok(Json::String(text.to_owned())));
        };
        check("$key", r#""$key""#, r#""$key""#);
        check("a\"\\\n\u{1}", r#""a\"\\\n\u0001""#, r#""a\"\\\n\u0001""#);
        check("é😀", "\"é😀\"", r#""\u00e9\ud83d\ude00""#);
    }
}
