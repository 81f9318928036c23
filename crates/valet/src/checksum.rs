//! Checksums that an answer promises for its body, checked against the body.

use std::hash::Hasher as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, Digest as Crc};
use md5::{Digest as _, Md5};
use reqwest::header::{ETAG, HeaderMap, HeaderName, HeaderValue};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use twox_hash::{XxHash3_64, XxHash3_128, XxHash64};

/// The header, or the parameter of a link, that asks for the stored checksum.
pub(crate) const CHECKSUM_MODE: &str = "x-amz-checksum-mode";

const CHECKSUM: &str = "x-amz-checksum-";
const CHECKSUM_TYPE: &str = "x-amz-checksum-type";
const COMPOSITE: &str = "COMPOSITE";
const MD5_HEX_DIGITS: usize = 32;

/// The name of a checksum that the body does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what arrived is not what is stored: its {0} differs")]
pub(crate) struct Mismatch(&'static str);

/// The name of a checksum, the header that carries it, and what computes it.
type Algorithm = (&'static str, &'static str, fn() -> Hasher);

const ALGORITHMS: [Algorithm; 10] = [
    ("SHA-512", "x-amz-checksum-sha512", || Hasher::Sha512(Sha512::new())),
    ("SHA-256", "x-amz-checksum-sha256", || Hasher::Sha256(Sha256::new())),
    ("SHA-1", "x-amz-checksum-sha1", || Hasher::Sha1(Sha1::new())),
    ("CRC-64/NVME", "x-amz-checksum-crc64nvme", crc64),
    ("CRC-32C", "x-amz-checksum-crc32c", || crc32(CrcAlgorithm::Crc32Iscsi)),
    ("CRC-32", "x-amz-checksum-crc32", || crc32(CrcAlgorithm::Crc32IsoHdlc)),
    ("XXH128", "x-amz-checksum-xxhash128", || Hasher::Xxhash128(Box::default())),
    ("XXH3", "x-amz-checksum-xxhash3", || Hasher::Xxhash3(Box::default())),
    ("XXH64", "x-amz-checksum-xxhash64", || Hasher::Xxhash64(XxHash64::with_seed(0))),
    (MD5, "x-amz-checksum-md5", md5),
];

/// The name of the checksum that an `ETag` may be.
const MD5: &str = "MD5";

/// The promised checksums, computed while the body comes. If one is promised twice, both must hold.
#[derive(Default)]
pub(crate) struct Promises(Vec<Promise>);

struct Promise {
    name: &'static str,
    expected: Vec<u8>,
    hasher: Hasher,
}

enum Hasher {
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Sha512),
    Crc32(Crc),
    Crc64(Crc),
    Xxhash64(XxHash64),
    Xxhash3(Box<XxHash3_64>),
    Xxhash128(Box<XxHash3_128>),
}

impl Promises {
    /// Reads what the headers promise for the whole object. A composite checksum (of parts) and an
    /// `ETag` that is not an MD5 promise nothing that can be checked.
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        // With a part of an object, the checksum in the header is that of the part.
        let composite = headers.get(CHECKSUM_TYPE).is_some_and(|kind| kind == COMPOSITE);
        let mut promises = if composite { Self::default() } else { Self::of_lines(headers) };
        if let Some(expected) = md5_of_etag(headers) {
            promises.add(Promise { name: MD5, expected, hasher: md5() });
        }
        promises
    }

    /// Reads promises that [`lines`](Self::lines) wrote down.
    pub(crate) fn of_lines(lines: &HeaderMap) -> Self {
        let mut promises = Self::default();
        for (name, header, hasher) in ALGORITHMS {
            for value in lines.get_all(header) {
                if let Ok(expected) = STANDARD.decode(value.as_bytes()) {
                    promises.add(Promise { name, expected, hasher: hasher() });
                }
            }
        }
        promises
    }

    /// The promises of both. `None` if they contradict each other, so that no body could keep them.
    pub(crate) fn with(mut self, other: Self) -> Option<Self> {
        if self.contradicts(&other) {
            return None;
        }
        other.0.into_iter().for_each(|promise| self.add(promise));
        Some(self)
    }

    /// Whether both promise the same kind of checksum with different values.
    pub(crate) fn contradicts(&self, other: &Self) -> bool {
        self.0.iter().any(|ours| {
            let differs =
                |theirs: &Promise| ours.name == theirs.name && ours.expected != theirs.expected;
            other.0.iter().any(differs)
        })
    }

    fn add(&mut self, promise: Promise) {
        let same = |old: &Promise| old.name == promise.name && old.expected == promise.expected;
        if !self.0.iter().any(same) {
            self.0.push(promise);
        }
    }

    /// The headers with which an answer promises something about the whole object, without the `ETag`.
    pub(crate) fn lines(headers: &HeaderMap) -> HeaderMap {
        if headers.get(CHECKSUM_TYPE).is_some_and(|kind| kind == COMPOSITE) {
            return HeaderMap::new();
        }
        let is_promise = |(name, value): &(&HeaderName, &HeaderValue)| {
            name.as_str().starts_with(CHECKSUM) && STANDARD.decode(value.as_bytes()).is_ok()
        };
        let promises = headers.iter().filter(is_promise);
        promises
            .filter(|(name, _)| *name != CHECKSUM_TYPE)
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect()
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for Promise { hasher, .. } in &mut self.0 {
            match hasher {
                Hasher::Md5(hasher) => hasher.update(bytes),
                Hasher::Sha1(hasher) => hasher.update(bytes),
                Hasher::Sha256(hasher) => hasher.update(bytes),
                Hasher::Sha512(hasher) => hasher.update(bytes),
                Hasher::Xxhash64(hasher) => hasher.write(bytes),
                Hasher::Xxhash3(hasher) => hasher.write(bytes),
                Hasher::Xxhash128(hasher) => hasher.write(bytes),
                Hasher::Crc32(hasher) | Hasher::Crc64(hasher) => hasher.update(bytes),
            }
        }
    }

    /// Compares the promises with the body; returns the names of the checksums that hold.
    pub(crate) fn keep(self) -> Result<Vec<&'static str>, Mismatch> {
        let kept = self.0.into_iter().map(|Promise { name, expected, hasher }| {
            if hasher.finish() == expected { Ok(name) } else { Err(Mismatch(name)) }
        });
        kept.collect()
    }
}

impl Hasher {
    fn finish(self) -> Vec<u8> {
        match self {
            Self::Md5(hasher) => hasher.finalize().to_vec(),
            Self::Sha1(hasher) => hasher.finalize().to_vec(),
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
            Self::Sha512(hasher) => hasher.finalize().to_vec(),
            Self::Xxhash64(hasher) => hasher.finish().to_be_bytes().to_vec(),
            Self::Xxhash3(hasher) => hasher.finish().to_be_bytes().to_vec(),
            Self::Xxhash128(hasher) => hasher.finish_128().to_be_bytes().to_vec(),
            // A CRC of 32 bits stands in the low half.
            Self::Crc32(hasher) => hasher.finalize().to_be_bytes().into_iter().skip(4).collect(),
            Self::Crc64(hasher) => hasher.finalize().to_be_bytes().to_vec(),
        }
    }
}

fn crc32(algorithm: CrcAlgorithm) -> Hasher {
    Hasher::Crc32(Crc::new(algorithm))
}

fn md5() -> Hasher {
    Hasher::Md5(Md5::new())
}

fn crc64() -> Hasher {
    Hasher::Crc64(Crc::new(CrcAlgorithm::Crc64Nvme))
}

/// The MD5 in an `ETag`. `None` for an object that was made of parts, or encrypted with a key of KMS or of the
/// customer: there the `ETag` is something else.
pub(crate) fn md5_of_etag(headers: &HeaderMap) -> Option<Vec<u8>> {
    let encryption = headers.get("x-amz-server-side-encryption");
    let foreign_key = encryption.is_some_and(|value| value.as_bytes() != b"AES256")
        || headers.contains_key("x-amz-server-side-encryption-customer-algorithm");
    if foreign_key { None } else { md5_of_text(headers.get(ETAG)?.to_str().ok()?) }
}

/// The MD5 in the text of an `ETag`.
pub(crate) fn md5_of_text(etag: &str) -> Option<Vec<u8>> {
    let etag = etag.trim_matches('"');
    if etag.len() != MD5_HEX_DIGITS {
        return None;
    }
    let pairs = etag.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = lines.iter();
        pairs.map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    /// The checksums of `123456789` are the check values in the catalogues of these algorithms, and what
    /// the reference implementation of xxHash makes of it.
    #[test]
    fn promises() {
        let check =
            |name: &'static str, value: &'static str, expected: Result<&[&str], &'static str>| {
                let mut promises = Promises::read(&headers(&[(name, value)]));
                promises.update(b"12345");
                promises.update(b"6789");
                let expected = expected.map(<[&str]>::to_vec).map_err(Mismatch);
                assert_eq!(promises.keep(), expected, "{name}: {value}");
            };
        check("etag", "\"25f9e794323b453885f5181f1b624d0b\"", Ok(&["MD5"]));
        check("etag", "\"25f9e794323b453885f5181f1b624d0c\"", Err("MD5"));
        check("etag", "\"25f9e794323b453885f5181f1b624d0b-2\"", Ok(&[]));
        check("etag", "\"xyf9e794323b453885f5181f1b624d0b\"", Ok(&[]));
        check("etag", "W/\"abc\"", Ok(&[]));
        check("x-amz-checksum-crc32", "y/Q5Jg==", Ok(&["CRC-32"]));
        check("x-amz-checksum-crc32", "y/Q5Jw==", Err("CRC-32"));
        check("x-amz-checksum-crc32", "y/Q5Jg==-2", Ok(&[]));
        check("x-amz-checksum-crc32c", "4waSgw==", Ok(&["CRC-32C"]));
        check("x-amz-checksum-crc64nvme", "rosUhgp5mIg=", Ok(&["CRC-64/NVME"]));
        check("x-amz-checksum-crc64nvme", "rosUhgp5mIk=", Err("CRC-64/NVME"));
        check("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE=", Ok(&["SHA-1"]));
        check("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEI=", Err("SHA-1"));
        let sha256 = "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=";
        check("x-amz-checksum-sha256", sha256, Ok(&["SHA-256"]));
        let sha512 = "2eZ2LdHI6vbWGzxhkvxAjU1tXxF20MKRabwk5xw/J0rSf81YEbMT1oH35V7ALXPUmclUVba1u1A6z1dPuo/+hQ==";
        check("x-amz-checksum-sha512", sha512, Ok(&["SHA-512"]));
        check("x-amz-checksum-md5", "JfnnlDI7RTiF9RgfG2JNCw==", Ok(&["MD5"]));
        check("x-amz-checksum-xxhash64", "jLhB20DmroM=", Ok(&["XXH64"]));
        check("x-amz-checksum-xxhash64", "jLhB20DmroI=", Err("XXH64"));
        check("x-amz-checksum-xxhash3", "ctyxi2ehff8=", Ok(&["XXH3"]));
        check("x-amz-checksum-xxhash3", "ctyxi2ehff4=", Err("XXH3"));
        check("x-amz-checksum-xxhash128", "MxGUd+3l3NXpcWQnaB1YYA==", Ok(&["XXH128"]));
        check("x-amz-checksum-xxhash128", "MxGUd+3l3NXpcWQnaB1YYQ==", Err("XXH128"));
    }

    #[test]
    fn the_checksum_of_a_part_promises_nothing() {
        let check = |kind: &'static str, expected: usize| {
            let lines = [("x-amz-checksum-crc32", "y/Q5Jg=="), ("x-amz-checksum-type", kind)];
            assert_eq!(Promises::read(&headers(&lines)).0.len(), expected, "{kind}");
        };
        check("FULL_OBJECT", 1);
        check("COMPOSITE", 0);
    }

    #[test]
    fn what_two_promise_must_all_hold() {
        let check = |first: &[(&'static str, &'static str)],
                     second: &[(&'static str, &'static str)],
                     expected: Option<Result<&[&str], &'static str>>| {
            let both = Promises::read(&headers(first)).with(Promises::read(&headers(second)));
            let found = both.map(|mut promises| {
                promises.update(b"123456789");
                promises.keep()
            });
            let expected = expected.map(|held| held.map(<[&str]>::to_vec).map_err(Mismatch));
            assert_eq!(found, expected, "{first:?} {second:?}");
        };
        let etag = ("etag", "\"25f9e794323b453885f5181f1b624d0b\"");
        let md5 = ("x-amz-checksum-md5", "JfnnlDI7RTiF9RgfG2JNCw==");
        let other_md5 = ("x-amz-checksum-md5", "JfnnlDI7RTiF9RgfG2JNDA==");
        let crc = ("x-amz-checksum-crc32", "y/Q5Jg==");
        let other_crc = ("x-amz-checksum-crc32", "y/Q5Jw==");
        check(&[etag], &[md5], Some(Ok(&["MD5"])));
        check(&[etag], &[crc], Some(Ok(&["MD5", "CRC-32"])));
        check(&[etag], &[other_crc], Some(Err("CRC-32")));
        check(&[crc], &[], Some(Ok(&["CRC-32"])));
        check(&[etag], &[other_md5], None);
        check(&[other_md5], &[etag], None);
        check(&[crc], &[other_crc], None);
        // One answer that contradicts itself cannot be kept.
        check(&[etag, other_md5], &[], Some(Err("MD5")));
        let mut twice = headers(&[crc]);
        twice.append("x-amz-checksum-crc32", HeaderValue::from_static("y/Q5Jw=="));
        let mut promises = Promises::read(&twice);
        promises.update(b"123456789");
        assert_eq!(promises.keep(), Err(Mismatch("CRC-32")));
    }

    #[test]
    fn an_etag_under_a_foreign_key_is_no_md5() {
        let etag = ("etag", "\"25f9e794323b453885f5181f1b624d0b\"");
        let check = |line, expected| {
            assert_eq!(md5_of_etag(&headers(&[etag, line])).is_some(), expected, "{line:?}");
        };
        check(("x-amz-server-side-encryption", "AES256"), true);
        check(("x-amz-server-side-encryption", "aws:kms"), false);
        check(("x-amz-server-side-encryption-customer-algorithm", "AES256"), false);
    }
}
