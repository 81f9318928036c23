//! Where bodies come from: the seam behind the cache. A bucket of this server stands there, and another node or an outside
//! server could.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Body;

/// One resource of an origin, in the form in which one viewer asked for it: bound to its path, and to whatever else is part
/// of the key under which it is cached.
pub trait Origin: Send + Sync {
    /// Asks for the resource. Refusals of the origin are answers; a failure is that there is none.
    fn fetch(&self, request: OriginRequest) -> OriginFuture;
}

/// The answer of an origin, once it is there.
pub type OriginFuture = Pin<Box<dyn Future<Output = Result<OriginAnswer, OriginFailure>> + Send>>;

/// The body of an answer, which need not be read to its end.
pub type OriginBody = Pin<Box<dyn Body<Data = Bytes, Error = OriginFailure> + Send>>;

/// What an origin is asked beside the resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginRequest {
    /// Only these bytes; the last may lie behind the end.
    pub range: Option<Range<u64>>,
    /// Nothing if the resource is still this one.
    pub if_none_match: Option<HeaderValue>,
    /// Nothing if the resource is not this one any more.
    pub if_match: Option<HeaderValue>,
}

/// The answer of an origin.
pub struct OriginAnswer {
    /// The status of the answer.
    pub status: StatusCode,
    /// The headers, `Content-Length` of a whole body among them.
    pub headers: HeaderMap,
    /// The body of the answer.
    pub body: OriginBody,
}

impl fmt::Debug for OriginAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OriginAnswer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Why there is no answer, or no more of a body.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OriginFailure {
    /// The origin could not be asked, or its body broke off.
    #[error("the origin failed: {0}")]
    Failed(String),
    /// The resource has changed while its body was read in pieces: the rest would be of another one.
    #[error("the resource has changed while it was sent")]
    Changed,
}
