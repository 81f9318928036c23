//! Browser forms: `multipart/form-data` as S3 reads it, fields before the one file
//! (semantics 3.1).

mod decode;
mod disposition;

pub use decode::{FORM_BYTES_BEFORE_FILE_MAX, FormDecoder, FormError, FormEvent};

use std::borrow::Cow;
use std::fmt;

/// The variable that stands for the name of the file, in any field.
pub(crate) const FILE_NAME: &str = "${filename}";

/// The fields of a form, in order of arrival. Names are compared in any case of letters.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FormFields(Vec<(String, String)>);

impl FormFields {
    /// Adds a field behind those that are there.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// Every field as it came, repeated ones as often as they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// All values of a field.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.iter()
            .filter(move |(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The value of a field; those of a repeated one are joined by commas (semantics 3.3.7).
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut values = self.values(name);
        let first = values.next()?;
        Some(values.fold(Cow::Borrowed(first), |joined, value| {
            Cow::Owned([&*joined, ",", value].concat())
        }))
    }

    /// Whether the field is there at all.
    pub fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// The same with `${filename}` replaced in every value by the last part of the file's name,
    /// which may be empty. Without a name the variable stays as it is (semantics 3.1.9). What comes
    /// of it is limited as what was sent: a long name in many places would grow to megabytes.
    pub fn with_file_name(&self, file_name: Option<&str>) -> Result<Self, FormError> {
        let Some(path) = file_name else { return Ok(self.clone()) };
        let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
        let grown = |(field, value): (&str, &str)| {
            let added = value.matches(FILE_NAME).count().saturating_mul(name.len());
            field.len().saturating_add(value.len()).saturating_add(added)
        };
        if self.iter().map(grown).fold(0, usize::saturating_add) > FORM_BYTES_BEFORE_FILE_MAX {
            return Err(FormError::TooMuchBeforeFile);
        }
        Ok(self.iter().map(|(field, value)| (field, value.replace(FILE_NAME, name))).collect())
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for FormFields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// Shows the names alone: among the values are a signature, a token, and what it is all about.
impl fmt::Debug for FormFields {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FormFields")?;
        formatter.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> FormFields {
        pairs.iter().copied().collect()
    }

    #[test]
    fn repeated_fields_are_joined() {
        let fields = fields(&[("Key", "a"), ("acl", ""), ("kEY", "b")]);
        assert_eq!(fields.get("key").as_deref(), Some("a,b"));
        assert_eq!(fields.get("ACL").as_deref(), Some(""));
        assert_eq!(fields.get("policy"), None);
        assert!(fields.has("acl") && !fields.has("policy"));
    }

    #[test]
    fn a_file_name_is_its_last_part() {
        let check = |name: Option<&str>, expected: &str| {
            let fields = fields(&[("key", "a/${filename}/${filename}")]).with_file_name(name);
            let fields = fields.unwrap();
            assert_eq!(fields.get("key").as_deref(), Some(expected), "{name:?}");
        };
        check(Some("x.txt"), "a/x.txt/x.txt");
        check(Some(r"C:\dir\x.txt"), "a/x.txt/x.txt");
        check(Some("../../x"), "a/x/x");
        check(Some("dir/"), "a//");
        check(Some(""), "a//");
        check(Some("${filename}"), "a/${filename}/${filename}");
        check(None, "a/${filename}/${filename}");
    }

    #[test]
    fn a_file_name_makes_no_long_form() {
        let check = |places: usize, name: usize, fits: bool| {
            let fields = fields(&[("key", "k"), ("x", &FILE_NAME.repeat(places))]);
            let named = fields.with_file_name(Some(&"n".repeat(name)));
            let expected = if fits { Ok(()) } else { Err(FormError::TooMuchBeforeFile) };
            assert_eq!(named.map(drop), expected, "{places} {name}");
        };
        check(1, 4000, true);
        check(4, 4000, true);
        check(6, 4000, false);
        check(1800, 4000, false);
    }

    #[test]
    fn debug_prints_no_value() {
        let shown = format!("{:?}", fields(&[("x-amz-signature", "secret")]));
        assert_eq!(shown, r#"FormFields["x-amz-signature"]"#);
    }
}
