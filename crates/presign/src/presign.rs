//! Making presigned URLs: the same bytes as the AWS CLI v2 and botocore make.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use crate::credentials::Credentials;

/// The longest life of a SigV4 link: seven days.
pub const EXPIRES_SECONDS_MAX: u32 = 604_800;

/// How long a link is to live: 1 to 604800 seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpiresIn(u32);

/// Why a text or number is not an [`ExpiresIn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpiresInError {
    /// Neither a number of seconds nor a duration such as `15m`, `1h30m` or `7d`.
    #[error("expected seconds or a duration such as 15m, 1h30m or 7d")]
    Malformed,
    /// Zero.
    #[error("a link must live for at least 1 second")]
    TooShort,
    /// More than seven days.
    #[error("a link can live for at most 7 days (604800 seconds)")]
    TooLong,
}

impl ExpiresIn {
    /// From a number of seconds.
    pub fn from_seconds(_seconds: u64) -> Result<Self, ExpiresInError> {
        todo!()
    }

    /// Reads `3600`, `15m`, `1h30m`, `7d`: a number of seconds, or numbers with the units `d`,
    /// `h`, `m`, `s`, each at most once and in that order.
    pub fn parse(_text: &str) -> Result<Self, ExpiresInError> {
        todo!()
    }

    /// The number of seconds.
    pub fn seconds(self) -> u32 {
        self.0
    }
}

impl FromStr for ExpiresIn {
    type Err = ExpiresInError;

    fn from_str(text: &str) -> Result<Self, ExpiresInError> {
        Self::parse(text)
    }
}

/// Where the service is: `scheme://host[:port][/prefix]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    scheme: Scheme,
    authority: String,
    prefix: String,
}

/// The scheme of an [`Endpoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

/// Why a text is not an [`Endpoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Neither `http://` nor `https://`.
    #[error("an endpoint begins with http:// or https://")]
    Scheme,
    /// No host, user information, or a character that a host or port cannot have.
    #[error("malformed host or port")]
    Authority,
    /// The prefix holds a query, a fragment or a byte that a path on the wire cannot have.
    #[error("malformed path prefix")]
    Prefix,
}

impl Endpoint {
    /// Reads `https://s3.example.com`, `http://localhost:9000/prefix`; a final `/` is dropped.
    pub fn parse(_text: &str) -> Result<Self, EndpointError> {
        todo!()
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        Self::parse(text)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, authority, prefix } = self;
        let scheme = match scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(formatter, "{scheme}://{authority}{prefix}")
    }
}

/// Where the bucket stands in a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// `https://host/bucket/key`
    Path,
    /// `https://bucket.host/key`
    VirtualHost,
}

/// One link to make.
#[derive(Clone, Copy, Debug)]
pub struct Presign<'p> {
    /// `GET`, `PUT`, `HEAD`, `DELETE`, `POST`: upper case.
    pub method: &'p str,
    /// Where the service is.
    pub endpoint: &'p Endpoint,
    /// Where the bucket stands in the URL.
    pub addressing: Addressing,
    /// Empty for an operation on the service itself.
    pub bucket: &'p str,
    /// The object's key, its bytes literally; empty for an operation on the bucket.
    pub key: &'p [u8],
    /// Headers that the client must send as given. Names in any case.
    pub headers: &'p [(&'p str, &'p str)],
    /// Query parameters of the operation, not encoded, in the order they shall have in the URL.
    pub query: &'p [(&'p str, &'p str)],
    /// How long the link is to live.
    pub expires_in: ExpiresIn,
}

/// A link, and how to use it. The URL is a credential: it prints as `(..)` in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Presigned {
    /// The method to use it with.
    pub method: String,
    /// The link itself.
    pub url: String,
    /// Headers that the client must send, exactly so; names in lower case, sorted.
    pub headers: Vec<(String, String)>,
    /// The last second in which it works.
    pub expires_at: Timestamp,
    /// Names the link without being one.
    pub fingerprint: crate::key::Fingerprint,
}

impl fmt::Debug for Presigned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Presigned")
            .field("method", &self.method)
            .field("expires_at", &self.expires_at)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// Why a link cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PresignError {
    /// A header name that is not a token, or a value with a control character.
    #[error("malformed header {name:?}")]
    MalformedHeader {
        /// Its name as given.
        name: String,
    },
    /// A header that signers leave out: `host` and `authorization`, which are the signer's own,
    /// and those that proxies and clients set or change.
    #[error("header {name:?} cannot be signed")]
    UnsignableHeader {
        /// Its name as given.
        name: String,
    },
    /// One header twice.
    #[error("header {name:?} is given twice")]
    RepeatedHeader {
        /// Its name as given.
        name: String,
    },
    /// A query parameter that belongs to the signature.
    #[error("query parameter {name:?} is the signature's own")]
    ReservedParameter {
        /// Its name.
        name: String,
    },
    /// The method is empty or not upper-case letters.
    #[error("malformed method")]
    MalformedMethod,
    /// A bucket that cannot stand in a path or in a host name.
    #[error("malformed bucket")]
    MalformedBucket,
    /// A key without a bucket.
    #[error("a key needs a bucket")]
    KeyWithoutBucket,
    /// The link would end after the last instant that can be written.
    #[error("the end is beyond the calendar")]
    BeyondCalendar,
}

/// Makes links in bulk: keeps the signing key of the day.
#[derive(Clone, Debug)]
pub struct Presigner {
    credentials: Credentials,
    region: String,
}

impl Presigner {
    /// For links to `s3` in `region`, signed with `credentials`.
    pub fn new(credentials: Credentials, region: impl Into<String>) -> Self {
        Self { credentials, region: region.into() }
    }

    /// Makes a SigV4 link.
    pub fn presign(
        &mut self,
        _request: &Presign<'_>,
        _now: Timestamp,
    ) -> Result<Presigned, PresignError> {
        todo!()
    }

    /// Makes a SigV2 link, as boto3 does by default. It names no region.
    pub fn presign_v2(
        &self,
        _request: &Presign<'_>,
        _now: Timestamp,
    ) -> Result<Presigned, PresignError> {
        todo!()
    }
}
