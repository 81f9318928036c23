//! A call on its way to its operation.

use std::sync::Arc;

use super::admission::QueryAdmission;
use super::answer::QueryReply;
use super::error::{QueryCode, QueryError};
use super::form::Form;
use super::operation::QueryOperation;
use crate::authentication::Service;
use crate::context::RequestContext;
use crate::gate::{Caller, Gate};

/// How often a call is judged whose subject changes between the judgment and the deed.
const JUDGED_AGAIN_MAX: usize = 4;

/// An authenticated call on its way to its operation.
#[derive(Clone, Copy)]
pub(crate) struct Dispatched<'r> {
    pub(super) gate: &'r Gate,
    pub(super) service: Service,
    pub(super) context: &'r Arc<RequestContext>,
    pub(super) caller: &'r Arc<Caller>,
    pub(super) form: &'r Form,
}

impl Dispatched<'_> {
    /// Reads, admits and runs one operation.
    pub(crate) async fn execute<O: QueryOperation>(
        self,
        action: &str,
    ) -> Result<QueryReply, QueryError> {
        let Self { gate, service, context, caller, form } = self;
        let admission = QueryAdmission { service, caller, context, action };
        let mut outcome = Err(QueryError::new(QueryCode::ConcurrentModification));
        for _ in 0..JUDGED_AGAIN_MAX {
            let operation = O::read(form)?;
            let call = admission.admit(gate, operation).await?;
            outcome = O::run(call).await;
            // What it was judged for has changed meanwhile: nothing was done, so it is judged again.
            let changed = |error: &QueryError| error.code() == QueryCode::ConcurrentModification;
            if !outcome.as_ref().is_err_and(changed) {
                break;
            }
        }
        outcome
    }
}
