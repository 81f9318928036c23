//! A call whose sender is known.

use std::sync::Arc;

use hyper::Method;

use crate::context::RequestContext;
use crate::gate::Caller;
use crate::respond::Ids;
use crate::services::Services;

/// An authenticated call.
pub(crate) struct ApiCall<'r> {
    pub(crate) services: &'r Services,
    pub(crate) method: &'r Method,
    pub(crate) caller: &'r Arc<Caller>,
    pub(crate) context: &'r Arc<RequestContext>,
    pub(crate) ids: &'r Ids,
}
