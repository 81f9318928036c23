//! What an operation may read of a request: bucket, key, query parameters and headers, including headers that a
//! signed query stands for.

use std::borrow::Cow;

use hyper::HeaderMap;
use hyper::header::{AsHeaderName, HeaderName};
use presign::QueryPairs;
use store::{BucketName, ObjectKey};

use crate::config::ServerConfig;
use crate::error::{Code, S3Error};
use crate::fields::Form;
use crate::metadata;

/// How the names of S3's own headers begin.
const AMZ: &str = "x-amz-";

/// The most query parameters of one request.
const QUERY_PAIRS_MAX: usize = 256;

/// Headers and parameters that belong to the signature. No operation reads them.
const AUTHENTICATION: &[&str] = &[
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
    "AWSAccessKeyId",
    "Expires",
    "Signature",
];

/// The decoded query: names and values as text, in order of arrival.
#[derive(Debug, Default)]
pub(crate) struct Query<'r> {
    pairs: Vec<(Cow<'r, str>, Cow<'r, str>)>,
}

impl<'r> Query<'r> {
    /// Decodes each name and value once; a plus is a space.
    pub(crate) fn parse(raw: &'r str) -> Result<Self, S3Error> {
        let mut pairs = Vec::new();
        for (name, value) in QueryPairs::new(raw) {
            if pairs.len() == QUERY_PAIRS_MAX {
                return Err(S3Error::new(Code::InvalidUri));
            }
            if AUTHENTICATION.contains(&name) {
                continue;
            }
            pairs.push((decode(name)?, decode(value)?));
        }
        Ok(Self { pairs })
    }

    /// The first value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_ref())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The first value of a parameter that stands for a header; the case of its name does not matter.
    fn get_as_header(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_ref())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }
}

fn decode(text: &str) -> Result<Cow<'_, str>, S3Error> {
    match presign::decode_query_component(text) {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed),
        Cow::Owned(bytes) => {
            return String::from_utf8(bytes)
                .map(Cow::Owned)
                .map_err(|cause| S3Error::new(Code::InvalidUri).because(cause));
        }
    }
    .map_err(|cause| S3Error::new(Code::InvalidUri).because(cause))
}

/// The names of this server, for values that are URLs of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site<'r> {
    pub(crate) config: &'r ServerConfig,
    /// The host that the client used.
    pub(crate) host: &'r str,
}

/// One routed request, as its operation reads it.
#[derive(Debug)]
pub(crate) struct S3Request<'r> {
    pub(crate) bucket: Option<&'r BucketName>,
    pub(crate) key: Option<&'r ObjectKey>,
    pub(crate) query: &'r Query<'r>,
    pub(crate) headers: &'r HeaderMap,
    /// The names of this server, for values that are URLs of it.
    pub(crate) site: Option<Site<'r>>,
    /// The form that the request was made from. Its fields are the `headers` then.
    pub(crate) form: Option<&'r Form>,
    /// Whether any header, or parameter that stands for one, begins with `x-amz-`. Most downloads have none,
    /// and then no search for a single one is needed.
    has_amz: bool,
}

impl<'r> S3Request<'r> {
    pub(crate) fn new(query: &'r Query<'r>, headers: &'r HeaderMap) -> Self {
        let (bucket, key, site, form) = (None, None, None, None);
        let request = Self { bucket, key, query, headers, site, form, has_amz: false };
        Self { has_amz: request.amz_names().next().is_some(), ..request }
    }

    /// Sets the bucket and key that the path names.
    pub(crate) fn about(self, bucket: Option<&'r BucketName>, key: Option<&'r ObjectKey>) -> Self {
        Self { bucket, key, ..self }
    }

    /// Sets the names of this server.
    pub(crate) fn on(self, site: Site<'r>) -> Self {
        Self { site: Some(site), ..self }
    }

    /// Sets the form that the request was made from.
    pub(crate) fn of_form(self, form: &'r Form) -> Self {
        Self { form: Some(form), ..self }
    }

    /// The bucket, on the route of a bucket or object.
    pub(crate) fn bucket(&self) -> Result<BucketName, S3Error> {
        self.bucket.cloned().ok_or_else(|| S3Error::new(Code::InvalidBucketName))
    }

    /// The key, on the route of an object.
    pub(crate) fn key(&self) -> Result<ObjectKey, S3Error> {
        self.key.cloned().ok_or_else(|| S3Error::new(Code::InvalidUri))
    }

    /// The value of a header, or of the query parameter that stands for it. S3 reads `x-amz-*` and the
    /// preconditions of a write from the signed query as if they had been sent as headers (semantics 1.3.6),
    /// except checksums (semantics 1.3.7).
    pub(crate) fn header(&self, name: &str) -> Option<Cow<'r, str>> {
        if self.cannot_have(name) {
            return None;
        }
        if let Some(value) = self.headers.get(name) {
            return Some(text_of(value.as_bytes()));
        }
        if !hoistable(name) {
            return None;
        }
        self.query.get_as_header(name).map(Cow::Borrowed)
    }

    /// The value of a header as it was sent; the query is not considered.
    pub(crate) fn sent_header(&self, name: impl AsHeaderName) -> Option<Cow<'r, str>> {
        self.headers.get(name).map(|value| text_of(value.as_bytes()))
    }

    /// Like [`Self::header`], as an owned text.
    pub(crate) fn owned_header(&self, name: &str) -> Option<String> {
        self.header(name).map(Cow::into_owned)
    }

    /// The value of a header that is stored as it was sent: each byte is one character.
    pub(crate) fn kept_header(&self, name: impl AsHeaderName) -> Option<String> {
        self.headers.get(name).map(|value| metadata::latin1(value.as_bytes()))
    }

    /// All user metadata (`x-amz-meta-*`): names in lower case without the prefix, values of repeated headers
    /// joined by commas. Header values may be encoded; fields of a form are plain text.
    pub(crate) fn metadata(&self) -> Vec<(String, String)> {
        const PREFIX: &str = "x-amz-meta-";
        if let Some(form) = self.form {
            return form.metadata();
        }
        let mut metadata: Vec<(String, String)> = Vec::new();
        let sent = self.headers.iter().filter_map(|(name, value)| {
            let value = metadata::latin1(value.as_bytes());
            let value = metadata::decode(&value).into_owned();
            Some((name.as_str().strip_prefix(PREFIX)?.to_owned(), value))
        });
        for (name, value) in sent {
            match metadata.iter_mut().find(|(known, _)| *known == name) {
                Some((_, joined)) => {
                    joined.push(',');
                    joined.push_str(&value);
                }
                None => metadata.push((name, value)),
            }
        }
        for (name, value) in self.query.iter() {
            let name = name.to_ascii_lowercase();
            let Some(name) = name.strip_prefix(PREFIX) else { continue };
            if !metadata.iter().any(|(known, _)| known == name) {
                metadata.push((name.to_owned(), metadata::decode(value).into_owned()));
            }
        }
        metadata.sort();
        metadata
    }

    /// Whether a header, or the parameter that stands for it, was sent.
    pub(crate) fn has_header(&self, name: &str) -> bool {
        if self.cannot_have(name) {
            return false;
        }
        self.headers.contains_key(name)
            || (hoistable(name) && self.query.get_as_header(name).is_some())
    }

    fn cannot_have(&self, name: &str) -> bool {
        !self.has_amz && name.starts_with(AMZ)
    }

    /// Whether any header, or parameter that stands for one, begins with `prefix`.
    pub(crate) fn has_header_beginning(&self, prefix: &str) -> bool {
        let begins = |name: &str| {
            name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        self.headers.keys().any(|name| begins(name.as_str()))
            || self.query.iter().any(|(name, _)| begins(name))
    }

    /// The names, in lower case, of all headers and parameters that begin with `x-amz-`.
    pub(crate) fn amz_names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let sent = self.headers.keys().map(HeaderName::as_str);
        let sent = sent.filter(|name| name.starts_with(AMZ)).map(Cow::Borrowed);
        let named =
            |name: &str| name.get(..AMZ.len()).is_some_and(|start| start.eq_ignore_ascii_case(AMZ));
        let hoisted = self.query.iter().map(|(name, _)| name).filter(move |name| named(name));
        sent.chain(hoisted.map(|name| Cow::Owned(name.to_ascii_lowercase())))
    }

    /// The value of a query parameter as a number. An empty value counts as absent; anything else that is no
    /// number is `InvalidArgument`.
    pub(crate) fn number(&self, name: &'static str, max: u32) -> Result<Option<u32>, S3Error> {
        let Some(text) = self.query.get(name).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let message = format!("Provided {name} not an integer or within integer range");
        let refused = || S3Error::invalid_argument(message.clone(), name, text);
        let number: u32 = text.parse().map_err(|_| refused())?;
        // AWS reads signed 32-bit numbers, and reduces a page size to its own limit.
        if i32::try_from(number).is_err() { Err(refused()) } else { Ok(Some(number.min(max))) }
    }
}

/// Whether a query parameter of this name may stand for a header.
fn hoistable(name: &str) -> bool {
    let amz = name.starts_with(AMZ)
        && !name.starts_with("x-amz-checksum-")
        && name != "x-amz-sdk-checksum-algorithm"
        && name != "x-amz-content-sha256"
        && name != "x-amz-trailer"
        && name != "x-amz-decoded-content-length";
    amz || name == "x-amz-checksum-mode" || matches!(name, "if-match" | "if-none-match")
}

/// Header text as S3 reads it: UTF-8 where it is, ISO 8859-1 otherwise.
fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header_of(query: &str, headers: &[(&'static str, &str)], name: &str) -> Option<String> {
        let query = Query::parse(query).unwrap();
        let map = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let request = S3Request::new(&query, &map);
        request.owned_header(name)
    }

    #[test]
    fn the_signed_query_stands_for_headers() {
        let check = |query, headers: &[_], name, expected: Option<&str>| {
            assert_eq!(header_of(query, headers, name).as_deref(), expected, "{query} {name}");
        };
        check("x-amz-meta-a=1", &[], "x-amz-meta-a", Some("1"));
        check("X-Amz-Storage-Class=S", &[], "x-amz-storage-class", Some("S"));
        check("If-None-Match=*", &[], "if-none-match", Some("*"));
        check("x-amz-acl=q", &[("x-amz-acl", "h")], "x-amz-acl", Some("h"));
        check("x-amz-checksum-mode=ENABLED", &[], "x-amz-checksum-mode", Some("ENABLED"));
        check("x-amz-checksum-crc32=AAAAAA==", &[], "x-amz-checksum-crc32", None);
        check("x-amz-sdk-checksum-algorithm=CRC32", &[], "x-amz-sdk-checksum-algorithm", None);
        check("content-type=a", &[], "content-type", None);
        check("range=bytes%3D0-1", &[], "range", None);
    }

    #[test]
    fn a_plus_in_the_query_is_a_space() {
        assert_eq!(Query::parse("prefix=a+b%2Bc").unwrap().get("prefix"), Some("a b+c"));
    }
}
