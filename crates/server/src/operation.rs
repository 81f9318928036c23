//! The trait of S3 operations: how a call is read, which permissions it needs, and what it does.

use std::future::Future;

use iam::Values;

use crate::body::RequestBody;
use crate::error::S3Error;
use crate::gate::{AdmissionRequest, Authorized, Gate};
use crate::permission::Admissible;
use crate::request::S3Request;
use crate::respond::Reply;

pub(crate) use crate::permission::{Copied, LinkFit, LinkUse, OfBody, Permission, Resource};

/// One S3 operation. Beside a struct that implements this trait it needs a row in the route table.
pub(crate) trait Operation: Sized + Send + Sync {
    /// The headers that change what a write means and that this operation honours. A request with any other
    /// header of [`crate::route::MEANING_HEADERS`] is refused.
    const HONOURS: &'static [&'static str] = &[];

    /// Condition keys for query parameters of this operation: (key, parameter).
    const QUERY_KEYS: &'static [(&'static str, &'static str)] = &[];

    /// The conditions of a link that fit this operation, beside those that fit every one.
    const LINK_FIT: LinkFit = LinkFit::NONE;

    /// What a call does to the uses of its link.
    const LINK_USE: LinkUse = LinkUse::Call;

    /// Reads the call from a routed request. Nothing is looked up yet.
    fn read(request: &S3Request<'_>) -> Result<Self, S3Error>;

    /// Every permission that the call needs. There is no default.
    fn permissions(&self) -> Vec<Permission<'_>>;

    /// Further permissions, which depend on the body. The operation checks them itself, once the body has been
    /// read.
    fn permission_of_body(&self) -> OfBody<'_> {
        OfBody::Nothing
    }

    /// The value of a condition key that only this operation knows. The name is in lower case (`s3:prefix`).
    /// The gate computes the keys that all requests have.
    fn condition(&self, _key: &str) -> Option<Values<'_>> {
        None
    }

    /// The bytes that the operation copies on the server. Their length is that of the new object.
    fn copied(&self) -> Option<Copied<'_>> {
        None
    }

    /// Does what the call asks. Only [`Authorized`] lends the store.
    fn run(
        call: Authorized<Self>,
        body: &mut RequestBody,
    ) -> impl Future<Output = Result<Reply, S3Error>> + Send;
}

/// The part of an operation that the gate asks about.
impl<O: Operation> Admissible for O {
    const HONOURS: &'static [&'static str] = <O as Operation>::HONOURS;
    const QUERY_KEYS: &'static [(&'static str, &'static str)] = <O as Operation>::QUERY_KEYS;

    fn permissions(&self) -> Vec<Permission<'_>> {
        Operation::permissions(self)
    }

    fn permission_of_body(&self) -> OfBody<'_> {
        Operation::permission_of_body(self)
    }

    fn condition(&self, key: &str) -> Option<Values<'_>> {
        Operation::condition(self, key)
    }

    fn copied(&self) -> Option<Copied<'_>> {
        Operation::copied(self)
    }
}

/// Reads, admits and runs one operation.
pub(crate) async fn execute<O: Operation>(
    gate: &Gate,
    asked: AdmissionRequest<'_>,
    body: &mut RequestBody,
) -> Result<Reply, S3Error> {
    asked.check_fit(O::LINK_FIT)?;
    let operation = O::read(asked.request)?;
    let call = gate.admit(operation, asked).await?;
    let throttle = call.access().throttle()?;
    let mut reply = match O::LINK_USE {
        LinkUse::Call => as_one_use(call, body).await?,
        LinkUse::Bytes => O::run(call, body).await?,
        LinkUse::Nothing => {
            call.access().refuse_used_up().await?;
            O::run(call, body).await?
        }
    };
    if throttle.is_some() {
        reply.flow().throttle = throttle;
    }
    Ok(reply)
}

/// Runs an operation that is a use of its link, which is given back if the operation fails.
async fn as_one_use<O: Operation>(
    call: Authorized<O>,
    body: &mut RequestBody,
) -> Result<Reply, S3Error> {
    let using = call.access().begin_call().await?;
    let answer = O::run(call, body).await;
    if let Some(using) = using {
        using.settle(answer.as_ref().is_ok_and(|reply| reply.status.is_success())).await;
    }
    answer
}
