//! A request that nobody has sent yet, as far as its signature will say.

use std::sync::Arc;

use hyper::http::request::Parts;
use iam::LinkLife;
use presign::Mechanism;

use crate::context::RequestContext;

/// What is known of a request before it is sent: that of a link, or of a form, and signed by whoever asks about it.
/// Where it will come from, and what else its sender will say, is not known.
#[derive(Clone, Debug)]
pub(crate) struct FutureRequest {
    /// Its method, its query, and those of its headers that the signature covers.
    pub(crate) head: Arc<Parts>,
    /// How it is signed.
    pub(crate) mechanism: Mechanism,
    /// When it is signed, and how long it shall last.
    pub(crate) life: LinkLife,
}

impl FutureRequest {
    /// Its circumstances, as far as they are those of the call that asks about it: the server's own, and what
    /// may be spent on deciding.
    pub(super) fn context(&self, of_call: &RequestContext) -> RequestContext {
        RequestContext { parts: Arc::clone(&self.head), ..of_call.clone() }
    }
}
