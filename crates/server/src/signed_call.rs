//! Calls whose signature covers the hash of their body: those of IAM, STS and CloudFront. So their body is read before the
//! caller is authenticated. This is one of the two exceptions to "no body is read before the request is admitted", and it
//! has limits of its own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use presign::{AdmissibleClaim, Payload};
use sha2::{Digest, Sha256};
use tokio::sync::SemaphorePermit;

use crate::authentication::{AuthenticationError, Service};
use crate::body::RequestBody;
use crate::context::RequestContext;
use crate::error::S3Error;
use crate::gate::{Credential, SignedCaller};
use crate::head::Head;
use crate::services::Services;

/// The longest body of a call, in bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The time for a whole body. A client that trickles must not keep a slot from others.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// Why a call is not proven. Each protocol has its own words.
#[derive(Debug)]
pub(crate) enum CallRefusal {
    Authentication(AuthenticationError),
    /// The body is longer than a call may be, or does not have the announced length.
    BodyTooLarge,
    /// The body did not come in time.
    BodyTooSlow,
    /// The body is not the one that was signed.
    PayloadMismatch,
    /// The slot was given to another address while this call waited for its body.
    CrowdedOut,
}

impl From<AuthenticationError> for CallRefusal {
    fn from(error: AuthenticationError) -> Self {
        Self::Authentication(error)
    }
}

/// A call that is signed, as its claim says.
#[derive(Clone, Copy)]
pub(crate) struct SignedCall<'r> {
    pub(crate) services: &'r Services,
    pub(crate) head: &'r Head<'r>,
    pub(crate) context: &'r Arc<RequestContext>,
    pub(crate) service: Service,
}

/// A call whose signature holds, and its body.
pub(crate) struct ProvenCall<'r> {
    pub(crate) caller: Box<SignedCaller>,
    pub(crate) bytes: Bytes,
    /// A turn to execute the call, which ends with this value.
    pub(crate) _working: SemaphorePermit<'r>,
}

impl<'r> SignedCall<'r> {
    /// Reads the body, if the call has one, and verifies the signature.
    pub(crate) async fn prove(
        self,
        claim: AdmissibleClaim<'_>,
        body: Option<&mut RequestBody>,
    ) -> Result<ProvenCall<'r>, CallRefusal> {
        let Self { services, head, context, service } = self;
        let gate = &services.gate;
        let credential = gate.credential(&claim, context.now).await?;
        let (caller, bytes, mut slot) = if claim.needs_body_sha256() {
            let mut slot = services.rooms.claimed.enter(head.client());
            let proving = self.prove_with_body(claim, credential, body);
            let proven = slot.keep(proving).await.unwrap_or(Err(CallRefusal::CrowdedOut));
            let (caller, bytes) = proven?;
            (caller, bytes, slot)
        } else {
            let caller = gate.verify(claim, credential, head, (service, context.now)).await?;
            let mut slot = services.rooms.proven.enter(head.client());
            let reading = read(body, BODY_BYTES_MAX);
            let bytes = slot.keep(reading).await.unwrap_or(Err(CallRefusal::CrowdedOut))?;
            check_payload(&caller, &bytes)?;
            (caller, bytes, slot)
        };
        let working = slot.keep(services.rooms.working.acquire()).await;
        let working = working.and_then(Result::ok).ok_or(CallRefusal::CrowdedOut)?;
        Ok(ProvenCall { caller, bytes, _working: working })
    }

    /// Reads the body, then verifies the signature, which covers the body's hash.
    async fn prove_with_body(
        self,
        claim: AdmissibleClaim<'_>,
        credential: Credential,
        body: Option<&mut RequestBody>,
    ) -> Result<(Box<SignedCaller>, Bytes), CallRefusal> {
        let bytes = read(body, BODY_BYTES_MAX).await?;
        let hash: [u8; 32] = Sha256::digest(&bytes).into();
        let claim = claim.with_body_sha256(&hash);
        let at = (self.service, self.context.now);
        let caller = self.services.gate.verify(claim, credential, self.head, at).await?;
        Ok((caller, bytes))
    }
}

/// Reads a body of at most so many bytes, in time; none is empty.
pub(crate) async fn read(
    body: Option<&mut RequestBody>,
    bytes_max: usize,
) -> Result<Bytes, CallRefusal> {
    let Some(body) = body else { return Ok(Bytes::new()) };
    let too_large = |_: S3Error| CallRefusal::BodyTooLarge;
    let open = body.open(None).map_err(too_large)?;
    match tokio::time::timeout(BODY_TIME_MAX, open.collect(bytes_max)).await {
        Ok(collected) => Ok(collected.map_err(too_large)?.0),
        Err(_elapsed) => Err(CallRefusal::BodyTooSlow),
    }
}

/// The body must have the signed hash. These services accept no unsigned body (semantics 4.1.7a).
fn check_payload(caller: &SignedCaller, bytes: &[u8]) -> Result<(), CallRefusal> {
    let same = match caller.signature.payload() {
        Payload::Sha256(text) => *text == presign::payload_hash(bytes),
        Payload::Unsigned | Payload::Streaming(_) => false,
    };
    same.then_some(()).ok_or(CallRefusal::PayloadMismatch)
}
