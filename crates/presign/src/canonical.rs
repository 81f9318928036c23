//! `CanonicalRequest` and `StringToSign`, as S3 builds them (semantics 1.2).

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::encode::{hex_digits, push_recoded_path, recode_query};
use crate::request::QueryPairs;
use crate::scope::{AmzDate, CredentialScope};

/// The one algorithm that is supported.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The SHA-256 of nothing, in hex.
pub(crate) const EMPTY_SHA256: &str =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A query in canonical form: every pair decoded and encoded once, a plus being a space, sorted by
/// encoded name, then by encoded value.
pub(crate) struct CanonicalQuery<'a> {
    pairs: Vec<CanonicalPair<'a>>,
}

struct CanonicalPair<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
    /// Where it stood on the wire.
    position: usize,
}

impl<'a> CanonicalQuery<'a> {
    /// All pairs take part, but those named `left_out`: the signature cannot cover itself.
    pub(crate) fn new(pairs: QueryPairs<'a>, left_out: Option<&str>) -> Self {
        let recoded = pairs.enumerate().map(|(position, (name, value))| CanonicalPair {
            name: recode_query(name),
            value: recode_query(value),
            position,
        });
        // Room for what authenticates a link and little else.
        let mut pairs = Vec::with_capacity(8);
        pairs.extend(recoded.filter(|pair| left_out != Some(&*pair.name)));
        pairs.sort_unstable_by(|a, b| (&a.name, &a.value).cmp(&(&b.name, &b.value)));
        Self { pairs }
    }

    fn push_to(&self, buffer: &mut Vec<u8>) {
        for (index, CanonicalPair { name, value, position: _ }) in self.pairs.iter().enumerate() {
            if index > 0 {
                buffer.push(b'&');
            }
            buffer.extend_from_slice(name.as_bytes());
            buffer.push(b'=');
            buffer.extend_from_slice(value.as_bytes());
        }
    }

    /// The value, still encoded, of the pair of that name that came first on the wire.
    fn first_value(&self, name: &str) -> Option<&str> {
        let start = self.pairs.partition_point(|pair| *pair.name < *name);
        self.pairs
            .iter()
            .skip(start)
            .take_while(|pair| pair.name == name)
            .min_by_key(|pair| pair.position)
            .map(|pair| &*pair.value)
    }

    fn encoded_bytes(&self) -> usize {
        self.pairs.iter().map(|pair| pair.name.len() + pair.value.len() + 2).sum()
    }
}

/// The names in `SignedHeaders`: in lower case, sorted, each once (semantics 1.7.0a).
pub(crate) struct SignedHeaders<'a> {
    names: Vec<Cow<'a, str>>,
}

impl<'a> SignedHeaders<'a> {
    /// Reads names joined by `;`. `None`: more than `max` of them.
    pub(crate) fn parse(text: Cow<'a, str>, max: usize) -> Option<Self> {
        if text.split(';').nth(max).is_some() {
            return None;
        }
        let names = match text {
            Cow::Borrowed(text) => text.split(';').map(Cow::Borrowed).collect(),
            Cow::Owned(text) => text.split(';').map(|name| Cow::Owned(name.to_owned())).collect(),
        };
        Some(Self::from_names(names))
    }

    pub(crate) fn from_names(mut names: Vec<Cow<'a, str>>) -> Self {
        for name in &mut names {
            if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
                name.to_mut().make_ascii_lowercase();
            }
        }
        names.sort_unstable();
        names.dedup();
        Self { names }
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.names.binary_search_by(|signed| (**signed).cmp(name)).is_ok()
    }

    /// The names, each once.
    pub(crate) fn to_vec(&self) -> Vec<String> {
        self.names.iter().map(|name| name.clone().into_owned()).collect()
    }

    /// Joined by `;`, as in a canonical request.
    pub(crate) fn joined(&self) -> String {
        self.names.join(";")
    }
}

/// What goes into a canonical request.
pub(crate) struct CanonicalRequest<'r> {
    pub method: &'r str,
    /// The path in wire form, percent-encoded.
    pub path: &'r str,
    pub query: &'r CanonicalQuery<'r>,
    /// Stands for the `host` header.
    pub host: &'r str,
    /// All headers of the request, names in lower case.
    pub headers: &'r [(&'r str, &'r [u8])],
    pub signed_headers: &'r SignedHeaders<'r>,
    pub absent_headers: AbsentHeaders,
    /// The last line: the SHA-256 of the body in hex, or a word such as `UNSIGNED-PAYLOAD`.
    pub payload: &'r str,
}

/// Where the value of a signed header is looked for that the request does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AbsentHeaders {
    /// For `x-amz-*` in the query (semantics 1.2.11).
    InQuery,
    Nowhere,
}

/// A canonical request, written out.
pub(crate) struct WrittenRequest {
    pub bytes: Vec<u8>,
    /// A signed header was found nowhere. Such a request never verifies (semantics 1.2.11),
    /// even if the signer counted the header as an empty one.
    pub lacks_header: bool,
}

impl CanonicalRequest<'_> {
    pub(crate) fn write(&self) -> WrittenRequest {
        let Self { method, path, query, payload, signed_headers, .. } = self;
        let mut bytes = Vec::with_capacity(256 + path.len() + query.encoded_bytes());
        bytes.extend_from_slice(method.as_bytes());
        bytes.push(b'\n');
        push_recoded_path(&mut bytes, path);
        bytes.push(b'\n');
        query.push_to(&mut bytes);
        bytes.push(b'\n');
        let mut lacks_header = false;
        for name in &signed_headers.names {
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(b':');
            lacks_header |= self.push_header(&mut bytes, name).is_none();
            bytes.push(b'\n');
        }
        bytes.push(b'\n');
        for (index, name) in signed_headers.names.iter().enumerate() {
            if index > 0 {
                bytes.push(b';');
            }
            bytes.extend_from_slice(name.as_bytes());
        }
        bytes.push(b'\n');
        bytes.extend_from_slice(payload.as_bytes());
        WrittenRequest { bytes, lacks_header }
    }

    /// `None`: there is no such header.
    fn push_header(&self, bytes: &mut Vec<u8>, name: &str) -> Option<()> {
        if name == "host" {
            push_header_value(bytes, self.host.as_bytes());
            return Some(());
        }
        if push_header_values(bytes, self.headers, name) {
            return Some(());
        }
        if self.absent_headers == AbsentHeaders::InQuery && name.starts_with("x-amz-") {
            let value = crate::encode::decode_component(self.query.first_value(name)?);
            push_header_value(bytes, &value);
            return Some(());
        }
        None
    }
}

/// Appends the values of a header, each in canonical form, joined by `,` in order of arrival.
/// `false`: there is none.
pub(crate) fn push_header_values(
    buffer: &mut Vec<u8>,
    headers: &[(&str, &[u8])],
    name: &str,
) -> bool {
    let mut found = false;
    for (_, value) in headers.iter().filter(|(given, _)| *given == name) {
        if found {
            buffer.push(b',');
        }
        push_header_value(buffer, value);
        found = true;
    }
    found
}

/// Appends a header's value without the blanks and control characters at its ends, inner runs of
/// blanks as one (semantics 1.2.9). The line ends of a folded header count as blanks.
fn push_header_value(buffer: &mut Vec<u8>, value: &[u8]) {
    let is_blank = |byte: u8| matches!(byte, b' ' | b'\r' | b'\n');
    let mut after_blank = false;
    for byte in trim_controls(value) {
        if is_blank(*byte) {
            if !after_blank {
                buffer.push(b' ');
            }
            after_blank = true;
        } else {
            buffer.push(*byte);
            after_blank = false;
        }
    }
}

/// Without the bytes 0x00 to 0x20 at both ends.
pub(crate) fn trim_controls(value: &[u8]) -> &[u8] {
    let mut trimmed = value;
    while let [0..=b' ', rest @ ..] | [rest @ .., 0..=b' '] = trimmed {
        trimmed = rest;
    }
    trimmed
}

/// The string to sign of a request.
pub(crate) fn string_to_sign(
    date: AmzDate,
    scope: &CredentialScope<'_>,
    canonical_request: &[u8],
) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(160);
    buffer.extend_from_slice(ALGORITHM.as_bytes());
    buffer.push(b'\n');
    buffer.extend_from_slice(&date.text());
    buffer.push(b'\n');
    scope.push_to(&mut buffer);
    buffer.push(b'\n');
    buffer.extend_from_slice(&hex_digits(&Sha256::digest(canonical_request).into()));
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(query: &str) -> QueryPairs<'_> {
        QueryPairs::new(query)
    }

    #[test]
    fn a_query_is_sorted_by_encoded_name_then_value() {
        fn check(query: &str, expected: &str) {
            let mut buffer = Vec::new();
            CanonicalQuery::new(pairs(query), Some("X-Amz-Signature")).push_to(&mut buffer);
            assert_eq!(String::from_utf8(buffer).unwrap(), expected, "{query}");
        }
        check("", "");
        check("acl", "acl=");
        check("b=2&a=2&a=1", "a=1&a=2&b=2");
        check("response-x=1&x-id=2&X-Amz-Date=3", "X-Amz-Date=3&response-x=1&x-id=2");
        // `a%2F` sorts before `a-` by its encoded bytes, after it by its decoded ones.
        check("a-=1&a/=2", "a%2F=2&a-=1");
        check("k=%2f+%7e%zz%2b", "k=%2F%20~%25zz%2B");
        check("a+b=1&a%20b=0", "a%20b=0&a%20b=1");
        check("X-Amz-Signature=1&a=1&%58-Amz-Signature=2", "a=1");
        check("x-amz-signature=1", "x-amz-signature=1");
        check("a&&=", "=&a=");
    }

    #[test]
    fn a_header_value_is_trimmed_and_its_blanks_collapsed() {
        fn check(value: &[u8], expected: &[u8]) {
            let mut buffer = Vec::new();
            push_header_value(&mut buffer, value);
            assert_eq!(buffer, expected);
        }
        check(b"", b"");
        check(b" \t\x00 ", b"");
        check(b"\x01\x1f a  b   c \t", b"a b c");
        check(b"a\tb\t\tc", b"a\tb\t\tc");
        check(b"a\n  b\r\n c", b"a b c");
        check(b"\"a  b\"", b"\"a b\"");
        check(b"\xe9", b"\xe9");
    }

    #[test]
    fn signed_headers_are_lowered_sorted_and_deduplicated() {
        fn check(text: &str, expected: Option<&str>) {
            for text in [Cow::Borrowed(text), Cow::Owned(text.to_owned())] {
                let joined = SignedHeaders::parse(text, 3).map(|headers| headers.joined());
                assert_eq!(joined.as_deref(), expected);
            }
        }
        check("host", Some("host"));
        check("x-b;Host;HOST", Some("host;x-b"));
        check("a;b;c", Some("a;b;c"));
        check("a;b;c;d", None);
    }

    #[test]
    fn of_repeated_hoisted_headers_the_first_counts() {
        let query = CanonicalQuery::new(pairs("x-amz-acl=z&x-amz-acl=a&x-amz-acm=b"), None);
        assert_eq!(query.first_value("x-amz-acl"), Some("z"));
        assert_eq!(query.first_value("x-amz-ac"), None);
    }
}
