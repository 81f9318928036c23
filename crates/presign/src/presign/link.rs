//! A link before and after it is made: what it is to be for, and how to use it.

use std::fmt;

use jiff::Timestamp;

use super::{Endpoint, ExpiresIn};
use crate::conditions::LinkConditions;
use crate::key::Fingerprint;

/// Where the bucket stands in a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// In the path: `https://host/bucket/key`.
    Path,
    /// In the host's name: `https://bucket.host/key`. The bucket's name must be a DNS label, or labels.
    VirtualHost,
    /// Nowhere: the endpoint is the bucket's own, `https://files.example.com/key`. Only servers that were told whose the
    /// host is read it so: Valet by `--bucket-domain`; AWS's SDK for JavaScript calls this `bucketEndpoint`.
    BucketHost,
}

/// One link to make: an input of [`Presigner::presign`](crate::Presigner::presign).
///
/// [`Presign::new`] makes a link in path style without further headers or parameters; the `with_` functions
/// say the rest. Nothing is checked before the link is made.
///
/// ```
/// use presign::{Addressing, Endpoint, ExpiresIn, Presign};
///
/// let endpoint = Endpoint::parse("https://s3.amazonaws.com")?;
/// let upload = Presign::new("PUT", &endpoint, "examplebucket", b"a.png", ExpiresIn::parse("15m")?)
///     .with_addressing(Addressing::VirtualHost)
///     .with_headers(&[("Content-Type", "image/png"), ("Content-Length", "2048")]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Presign<'p> {
    /// The method in upper case: `GET`, `PUT`, `HEAD`, `DELETE` or `POST`.
    pub method: &'p str,
    /// The origin of the service, and a path prefix if it has one.
    pub endpoint: &'p Endpoint,
    /// Where the bucket stands in the URL.
    pub addressing: Addressing,
    /// The bucket's name; empty for an operation on the service itself.
    pub bucket: &'p str,
    /// The object's key, its bytes literally; empty for an operation on the bucket.
    pub key: &'p [u8],
    /// Headers that the client must send as given. Names in any case.
    pub headers: &'p [(&'p str, &'p str)],
    /// Query parameters of the operation, not encoded, in the order they shall have in the URL.
    pub query: &'p [(&'p str, &'p str)],
    /// How long the link is to live.
    pub expires_in: ExpiresIn,
    /// What the link's holder may do less than its signer could; in the URL they stand after the query parameters.
    pub conditions: Option<&'p LinkConditions>,
}

impl<'p> Presign<'p> {
    /// A link in path style, with no headers that must be sent and no parameters of its own.
    pub const fn new(
        method: &'p str,
        endpoint: &'p Endpoint,
        bucket: &'p str,
        key: &'p [u8],
        expires_in: ExpiresIn,
    ) -> Self {
        let addressing = Addressing::Path;
        let (headers, query, conditions) = (&[], &[], None);
        Self { method, endpoint, addressing, bucket, key, headers, query, expires_in, conditions }
    }

    /// The same link with the bucket in another place of its URL.
    #[must_use]
    pub const fn with_addressing(self, addressing: Addressing) -> Self {
        Self { addressing, ..self }
    }

    /// The same link with these headers, which its user must send exactly so. A header that is not signed can
    /// be anything: sign `Content-Type` and `Content-Length` where they matter.
    #[must_use]
    pub const fn with_headers(self, headers: &'p [(&'p str, &'p str)]) -> Self {
        Self { headers, ..self }
    }

    /// The same link with these query parameters, for instance
    /// `("response-content-disposition", "attachment")`.
    #[must_use]
    pub const fn with_query(self, query: &'p [(&'p str, &'p str)]) -> Self {
        Self { query, ..self }
    }

    /// The same link under these conditions, which Valet keeps and Amazon S3 ignores. Only SigV4 covers them:
    /// [`Presigner::presign_v2`](crate::Presigner::presign_v2) refuses a link that has any.
    #[must_use]
    pub const fn with_conditions(self, conditions: &'p LinkConditions) -> Self {
        Self { conditions: Some(conditions), ..self }
    }
}

/// A link, and how to use it. The URL is a credential: debug output does not show it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Presigned {
    /// The method that is signed: with another one the link does not work.
    pub method: String,
    /// The URL, complete. It is a credential for as long as it lives.
    pub url: String,
    /// Headers that the client must send, exactly so; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The last second in which it works, unless the credentials end before.
    pub expires_at: Timestamp,
    /// A name of the link for logs and lists, from which the link cannot be found.
    pub fingerprint: Fingerprint,
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
