//! What a request names: style, bucket and key, read once from host and path.
//!
//! Routes, Valet's own paths, CORS, the Query protocols and forms all ask this one value. A signature may also
//! have been made for another name of the server. It is tried there only if the request, read at that name,
//! gives the very same reading. So nothing is verified as one request and executed as another.

use std::borrow::Cow;

use crate::config::ServerConfig;
use crate::place::{HostReading, Place};

/// What a request names, as read from its host and path.
#[derive(Debug)]
pub(crate) struct Reading<'r> {
    /// Whose the host is.
    place: Place<'r>,
    /// The declared prefix that the path begins with, still encoded; usually empty.
    prefix: &'r str,
    /// The path after the prefix, still encoded.
    below: &'r str,
    /// The path after the prefix, decoded. It is decoded nowhere else.
    path: Cow<'r, [u8]>,
}

/// The service, a bucket, or an object, as raw bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NamedResource<'p> {
    /// `None` stands for the service itself.
    pub(crate) bucket: Option<&'p [u8]>,
    /// An empty key stands for the bucket itself.
    pub(crate) key: &'p [u8],
}

impl<'r> Reading<'r> {
    /// Reads a host and a path. Paths that decode to the same bytes give the same reading, as signatures cover
    /// them alike.
    pub(crate) fn at(host: &'r str, path: &'r str, config: &ServerConfig) -> Self {
        let HostReading { place, prefixes } = HostReading::of(host, config);
        let prefixes = config.prefixes(prefixes);
        let rests = prefixes.filter_map(|prefix| below_prefix(path, &prefix));
        // The longest prefix that fits leaves the shortest rest.
        let below = rests.min_by_key(|rest| rest.len()).unwrap_or(path);
        let prefix = path.strip_suffix(below).unwrap_or_default();
        let below = if below.is_empty() { "/" } else { below };
        Self { place, prefix, below, path: presign::decode_component(below) }
    }

    /// Whose the host is.
    pub(crate) fn place(&self) -> &Place<'r> {
        &self.place
    }

    /// Whether the host names the bucket.
    pub(crate) fn is_virtual_hosted(&self) -> bool {
        self.virtual_bucket().is_some()
    }

    /// The bucket that the host names, in lower case.
    pub(crate) fn virtual_bucket(&self) -> Option<&str> {
        match &self.place {
            Place::Bucket(bucket) => Some(bucket),
            Place::Service | Place::Website(_) | Place::Distribution(_) => None,
        }
    }

    /// The declared prefix that the path begins with, still encoded. It is no part of bucket or key.
    pub(crate) fn prefix(&self) -> &'r str {
        self.prefix
    }

    /// The path after the prefix, still encoded.
    pub(crate) fn below(&self) -> &'r str {
        self.below
    }

    /// The path, if it may be one of Valet's own. There are none at the host of a bucket, a website or a distribution.
    pub(crate) fn own_path(&self) -> Option<&str> {
        match self.place {
            Place::Service => std::str::from_utf8(&self.path).ok(),
            Place::Bucket(_) | Place::Website(_) | Place::Distribution(_) => None,
        }
    }

    /// Whether nothing in the path is encoded.
    pub(crate) fn is_plain(&self) -> bool {
        self.below.as_bytes() == &*self.path
    }

    /// The bucket and key that are named. At the host of a website or a distribution there are none: what the path means
    /// there is for their surfaces to say.
    pub(crate) fn resource(&self) -> NamedResource<'_> {
        let path = self.path.strip_prefix(b"/").unwrap_or(&self.path);
        match &self.place {
            Place::Service => {}
            Place::Bucket(bucket) => {
                return NamedResource { bucket: Some(bucket.as_bytes()), key: path };
            }
            Place::Website(_) | Place::Distribution(_) => {
                return NamedResource { bucket: None, key: b"" };
            }
        }
        let mut parts = path.splitn(2, |byte| *byte == b'/');
        let bucket = parts.next().filter(|_| !path.is_empty());
        NamedResource { bucket, key: parts.next().unwrap_or_default() }
    }

    /// Whether two readings name the same bucket and key in the same style.
    pub(crate) fn is_same_as(&self, other: &Reading<'_>) -> bool {
        self.place == other.place && self.path == other.path
    }
}

/// The rest of an encoded path after a prefix of whole segments; `None` if the path does not begin with it.
/// `/%66iles/b` begins with `/files`, and `/files2/b` does not.
fn below_prefix<'p>(path: &'p str, prefix: &[u8]) -> Option<&'p str> {
    let mut rest = path.as_bytes();
    for expected in prefix {
        let (byte, after) = first_decoded(rest)?;
        if byte != *expected {
            return None;
        }
        rest = after;
    }
    let ends = first_decoded(rest).is_none_or(|(byte, _)| byte == b'/');
    let start = path.len().checked_sub(rest.len())?;
    path.get(start..).filter(|_| ends)
}

/// The first byte that an encoded text stands for, and the rest of the text. Decodes as
/// [`presign::decode_component`] does.
fn first_decoded(text: &[u8]) -> Option<(u8, &[u8])> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if let [b'%', high, low, rest @ ..] = text
        && let (Some(high), Some(low)) = (digit(*high), digit(*low))
    {
        return Some((high << 4 | low, rest));
    }
    text.split_first().map(|(byte, rest)| (*byte, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_its_last_segment_does() {
        let check = |path: &str, prefix: &str, expected: Option<&str>| {
            assert_eq!(below_prefix(path, prefix.as_bytes()), expected, "{path} {prefix}");
        };
        check("/files/b/k", "/files", Some("/b/k"));
        check("/files", "/files", Some(""));
        check("/files/", "/files", Some("/"));
        check("/files2/b", "/files", None);
        check("/file/b", "/files", None);
        check("/%66il%65s/b%2Fk", "/files", Some("/b%2Fk"));
        check("/files%2Fb/k", "/files", Some("%2Fb/k"));
        check("/files%2fb/k", "/files", Some("%2fb/k"));
        check("%2Ffiles/b", "/files", Some("/b"));
        check("/a%2Fb/k", "/a/b", Some("/k"));
        check("/a%252Fb/k", "/a/b", None);
        check("/files%/b", "/files", None);
        check("/files%zz", "/files", None);
        check("/b%", "/b%", Some(""));
        check("/b%25/k", "/b%", Some("/k"));
    }

    #[test]
    fn what_is_read_byte_by_byte_is_what_is_decoded_at_once() {
        for text in ["", "/a%2Fb", "%", "%4", "%%41", "%zz%4g", "+%2B", "%FF%00é", "%2541"] {
            let mut rest = text.as_bytes();
            let mut decoded = Vec::new();
            while let Some((byte, after)) = first_decoded(rest) {
                decoded.push(byte);
                rest = after;
            }
            assert_eq!(decoded, *presign::decode_component(text), "{text}");
        }
    }
}
