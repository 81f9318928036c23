//! The signed part of a request, as it was on the wire.

use std::borrow::Cow;
use std::fmt;

use crate::encode::{cut, decode_query_component};

/// The signed part of a request, as it was on the wire.
///
/// Nothing in it is decoded, normalised or trusted. It borrows everything, so it is cheap to
/// build from whatever HTTP library one has.
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    /// The method, upper-case as on the wire.
    pub method: &'a str,
    /// The path as on the wire: percent-encoded, begins with `/`, no query.
    pub path: &'a str,
    /// The query as on the wire, without the `?`; empty when there is none.
    pub query: &'a str,
    /// All header lines in order of arrival, names in lower case, values as on the wire.
    ///
    /// For HTTP/2 the caller puts `:authority` in as `host`.
    pub headers: &'a [(&'a str, &'a [u8])],
}

impl<'a> RequestHead<'a> {
    /// The first value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.header_values(name).next()
    }

    /// All values of a header, by its lower-case name, in order of arrival.
    pub fn header_values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(given, _)| *given == name).map(|(_, value)| *value)
    }

    /// The pairs of the query in order, still encoded. A name without `=` has an empty value;
    /// empty pairs (as in `a=1&&b=2`) are skipped.
    pub fn query_pairs(&self) -> QueryPairs<'a> {
        QueryPairs::new(self.query)
    }

    /// The first occurrence of a query parameter, decoded once; `+` is a space.
    ///
    /// Borrowed when nothing is encoded. `None`: the parameter is absent. Names are compared
    /// decoded and case-sensitively.
    pub fn query_value(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        self.query_pairs()
            .find(|(raw_name, _)| *decode_query_component(raw_name) == *name.as_bytes())
            .map(|(_, raw_value)| decode_query_component(raw_value))
    }
}

/// Shows the shape of the request and never a value: a presigned query is a credential.
impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path: _, query, headers } = self;
        formatter
            .debug_struct("RequestHead")
            .field("method", method)
            .field("query_bytes", &query.len())
            .field("header_count", &headers.len())
            .finish_non_exhaustive()
    }
}

/// The pairs of a query in order of arrival, still encoded. A name without `=` has an empty value;
/// empty pairs (as in `a=1&&b=2`) are skipped.
#[derive(Clone)]
pub struct QueryPairs<'a> {
    rest: &'a str,
}

impl<'a> QueryPairs<'a> {
    /// The pairs of a query as on the wire, without the `?`.
    pub fn new(query: &'a str) -> Self {
        Self { rest: query }
    }
}

impl<'a> Iterator for QueryPairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (pair, rest) = cut(self.rest, b'&').unwrap_or((self.rest, ""));
            self.rest = rest;
            if !pair.is_empty() {
                return Some(cut(pair, b'=').unwrap_or((pair, "")));
            }
        }
        None
    }
}

/// Prints no pair: a presigned query is a credential.
impl fmt::Debug for QueryPairs<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("QueryPairs(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn head<'a>(query: &'a str, headers: &'a [(&'a str, &'a [u8])]) -> RequestHead<'a> {
        RequestHead { method: "GET", path: "/", query, headers }
    }

    #[test]
    fn pairs_are_read_in_order_and_empty_ones_skipped() {
        fn check(query: &str, expected: &[(&str, &str)]) {
            assert_eq!(head(query, &[]).query_pairs().collect::<Vec<_>>(), expected, "{query}");
        }
        check("", &[]);
        check("&&", &[]);
        check("acl", &[("acl", "")]);
        check("acl=", &[("acl", "")]);
        check("=x", &[("", "x")]);
        check("a=1&&a=2&b=c=d", &[("a", "1"), ("a", "2"), ("b", "c=d")]);
    }

    #[test]
    fn a_query_value_is_the_first_one_decoded_once() {
        fn check(query: &str, expected: Option<&[u8]>) {
            assert_eq!(head(query, &[]).query_value("k").as_deref(), expected, "{query}");
        }
        check("k=1&k=2", Some(b"1"));
        check("%6b=a%2520+b%2B", Some(b"a%20 b+"));
        check("K=1", None);
    }

    #[test]
    fn debug_prints_no_value() {
        let head = head("X-Amz-Signature=secret", &[("authorization", b"secret")]);
        let shown = format!("{head:?} {:?}", head.query_pairs());
        assert!(!shown.contains("secret"), "{shown}");
    }
}
