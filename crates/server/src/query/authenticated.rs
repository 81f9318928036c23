//! An authenticated call before its operation: read, admitted and run here.

use std::sync::Arc;

use super::admission::QueryAdmission;
use super::answer::QueryReply;
use super::error::{QueryCode, QueryError};
use super::form::Form;
use super::operation::QueryOperation;
use crate::authentication::Service;
use crate::context::RequestContext;
use crate::gate::{Caller, Gate};

/// How often a call is admitted again because the identity that it is about was changed before the call took
/// effect.
const JUDGED_AGAIN_MAX: usize = 4;

/// An authenticated call, and the action that it names.
#[derive(Clone, Copy)]
pub(crate) struct AuthenticatedCall<'r> {
    pub(super) gate: &'r Gate,
    pub(super) service: Service,
    pub(super) context: &'r Arc<RequestContext>,
    pub(super) caller: &'r Arc<Caller>,
    pub(super) form: &'r Form,
}

impl AuthenticatedCall<'_> {
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
            // The identity has changed since the call was admitted. Nothing was done, so the call is admitted
            // again.
            let changed = |error: &QueryError| error.code() == QueryCode::ConcurrentModification;
            if !outcome.as_ref().is_err_and(changed) {
                break;
            }
        }
        outcome
    }
}
