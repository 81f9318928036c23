//! What one S3 call is: how it is read, which permissions it needs, what it does.

use std::future::Future;

use iam::Values;

use crate::body::RequestBody;
use crate::error::S3Error;
use crate::gate::{AdmissionRequest, Authorized, Gate};
use crate::permission::Admissible;
use crate::request::S3Request;
use crate::respond::Reply;

pub(crate) use crate::permission::{Copied, OfBody, Permission, Resource};

/// One S3 call, whole: a struct that implements this and a row of the route table.
pub(crate) trait Operation: Sized + Send + Sync {
    /// The headers that change what a write means and that this operation honours. Any other of
    /// [`crate::route::MEANING_HEADERS`] on its requests is refused, never ignored.
    const HONOURS: &'static [&'static str] = &[];

    /// Condition keys that stand for a query parameter of this operation, where it was sent.
    const QUERY_KEYS: &'static [(&'static str, &'static str)] = &[];

    /// Reads the call from a routed request. Nothing is looked up yet.
    fn read(request: &S3Request<'_>) -> Result<Self, S3Error>;

    /// Every permission the call needs; there is no default.
    fn permissions(&self) -> Vec<Permission<'_>>;

    /// What the call needs besides, and is asked for by the operation itself once the body is read.
    fn permission_of_body(&self) -> OfBody<'_> {
        OfBody::Nothing
    }

    /// The value of a condition key that only this operation knows, its name in lower case
    /// (`s3:prefix`). What every request has is computed by the gate.
    fn condition(&self, _key: &str) -> Option<Values<'_>> {
        None
    }

    /// What it copies on the server, whose size is that of what it stores.
    fn copied(&self) -> Option<Copied<'_>> {
        None
    }

    /// Does it. Only [`Authorized`] lends the store.
    fn run(
        call: Authorized<Self>,
        body: &mut RequestBody,
    ) -> impl Future<Output = Result<Reply, S3Error>> + Send;
}

/// What the gate asks of it.
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
    let operation = O::read(asked.request)?;
    let call = gate.admit(operation, asked).await?;
    O::run(call, body).await
}
