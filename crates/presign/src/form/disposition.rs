//! `Content-Disposition` of one part: which field it is, and the name of its file.

/// What a part says of itself; only parts that are form data with a name are fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disposition {
    pub(super) name: String,
    pub(super) file_name: Option<String>,
}

impl Disposition {
    /// Reads the head of a part, whose lines end in CRLF. `None`: it is no field.
    pub(super) fn of_head(head: &str) -> Option<Self> {
        let line = head.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
        })?;
        let (kind, mut rest) = line.split_once(';').unwrap_or((line, ""));
        if !kind.trim().eq_ignore_ascii_case("form-data") {
            return None;
        }
        let (mut name, mut file_name) = (None, None);
        while let Some((parameter, value, tail)) = next_parameter(rest) {
            let slot = match parameter {
                _ if parameter.eq_ignore_ascii_case("name") => &mut name,
                _ if parameter.eq_ignore_ascii_case("filename") => &mut file_name,
                _ => &mut None,
            };
            slot.get_or_insert(value);
            rest = tail;
        }
        Some(Self { name: name?, file_name })
    }
}

/// The next `name=value` or `name="value"`, and what follows it. What has no `=` ends the list.
pub(super) fn next_parameter(text: &str) -> Option<(&str, String, &str)> {
    let (name, rest) = text.trim_start_matches([';', ' ', '\t']).split_once('=')?;
    let rest = rest.trim_start();
    let (value, tail) = if let Some(quoted) = rest.strip_prefix('"') {
        read_quoted(quoted)?
    } else {
        let (value, tail) = rest.split_once(';').unwrap_or((rest, ""));
        (value.trim_end().to_owned(), tail)
    };
    Some((name.trim(), value, tail))
}

/// What stands before the closing quote, and what follows it. A backslash escapes a quote alone:
/// browsers write it for itself, above all in the paths that some of them send.
fn read_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"')?;
        let (before, tail) = rest.split_at_checked(end)?;
        let tail = tail.strip_prefix('"')?;
        let Some(before) = before.strip_suffix('\\') else {
            value.push_str(before);
            return Some((value, tail));
        };
        value.push_str(before);
        value.push('"');
        rest = tail;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_browsers_and_others_write() {
        let check = |head: &str, expected: Option<(&str, Option<&str>)>| {
            let read = Disposition::of_head(head);
            let read = read.as_ref().map(|d| (d.name.as_str(), d.file_name.as_deref()));
            assert_eq!(read, expected, "{head}");
        };
        let field = |rest: &str| format!("Content-Disposition: form-data{rest}");
        check(&field("; name=\"key\""), Some(("key", None)));
        check(&field("; name=key"), Some(("key", None)));
        check(&field(";name=key;filename=a b"), Some(("key", Some("a b"))));
        check(&field("; Name=\"k\"; FileName=\"\""), Some(("k", Some(""))));
        check(&field("; filename=\"a;b\"; name=\"file\""), Some(("file", Some("a;b"))));
        check(&field("; name=\"file\"; filename=\"C:\\d\\x\""), Some(("file", Some("C:\\d\\x"))));
        check(&field("; name=\"file\"; filename=\"a\\\"b\""), Some(("file", Some("a\"b"))));
        check(&field("; name=\"a\"; name=\"b\""), Some(("a", None)));
        check(&field("; name=\"é\"; filename*=utf-8''x"), Some(("é", None)));
        check("Content-Type: a/b\r\ncontent-disposition:form-data; name=k", Some(("k", None)));
        check(&field(""), None);
        check(&field("; filename=\"x\""), None);
        check(&field("; name=\"open"), None);
        check("Content-Disposition: file; name=\"file\"", None);
        check("Content-Type: text/plain", None);
        check("", None);
    }
}
