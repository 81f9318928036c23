//! A future request, which nobody has sent yet: what its signature will cover is known, and nothing else.

use std::sync::Arc;

use hyper::http::request::Parts;
use iam::LinkLife;
use presign::Mechanism;

use crate::context::RequestContext;

/// What is known of a link or form before it is used. Whoever asks about it will sign it. It is not known where
/// the request will come from, and what else its sender will say.
#[derive(Clone, Debug)]
pub(crate) struct FutureRequest {
    /// The method, the query, and the headers that the signature covers.
    pub(crate) head: Arc<Parts>,
    /// How the request will be signed.
    pub(crate) mechanism: Mechanism,
    /// When it is signed, and how long it is to live.
    pub(crate) life: LinkLife,
}

impl FutureRequest {
    /// The circumstances of the future request that are the same as those of the call asking about it: the
    /// server's own, and the budget for deciding.
    pub(super) fn context(&self, of_call: &RequestContext) -> RequestContext {
        RequestContext { parts: Arc::clone(&self.head), ..of_call.clone() }
    }
}
