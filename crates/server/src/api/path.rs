//! The templates of API paths, such as `/accounts/{id}`.

/// The values of the parameters in a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PathValues(Vec<(&'static str, String)>);

impl PathValues {
    /// The parameters of a path that fits a template. The other segments must be the same, and no parameter may
    /// be empty. `/accounts/123/root-key` fits `/accounts/{id}/root-key`.
    pub(super) fn of(template: &'static str, path: &str) -> Option<Self> {
        let mut values = Vec::new();
        let mut segments = path.split('/');
        for expected in template.split('/') {
            let found = segments.next()?;
            match parameter(expected) {
                Some(name) if !found.is_empty() => values.push((name, found.to_owned())),
                None if found == expected => {}
                Some(_) | None => return None,
            }
        }
        segments.next().is_none().then_some(Self(values))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

/// The name of the parameter that a segment of a template stands for.
pub(super) fn parameter(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_fits_segment_by_segment() {
        let check = |path: &str, expected: Option<&str>| {
            let found = PathValues::of("/accounts/{id}/root-key", path);
            assert_eq!(found.as_ref().and_then(|values| values.get("id")), expected, "{path}");
        };
        check("/accounts/1/root-key", Some("1"));
        check("/accounts/a%2Fb/root-key", Some("a%2Fb"));
        for path in [
            "",
            "/",
            "/accounts/1",
            "/accounts//root-key",
            "/accounts/1/root-key/",
            "//accounts/1/root-key",
            "accounts/1/root-key",
            "/accounts/1/2/root-key",
            "/accounts/1/root-keys",
            "/Accounts/1/root-key",
        ] {
            check(path, None);
        }
    }
}
