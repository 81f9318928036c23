//! What the calls about a bucket's settings share: look up its record, and change one setting.

use std::sync::Arc;

use hyper::StatusCode;
use iam::AccountId;
use store::{Bucket, BucketName, BucketSetting, SetBucket};

use crate::error::{Code, S3Error, refusal};
use crate::gate::{Authorized, StoreAccess};
use crate::operation::Operation;
use crate::respond::Reply;

/// The record of the bucket that a call is about.
pub(super) type BucketRecord = Arc<Bucket>;

/// The bucket's record. The bucket may have been deleted since the call was admitted.
pub(crate) async fn found<O: Operation>(
    call: &Authorized<O>,
    bucket: &BucketName,
) -> Result<BucketRecord, S3Error> {
    call.access().bucket(bucket).await
}

/// Refuses an unsigned call early if no policy can allow it. For calls whose targets stand in the body, so that
/// the body is not read in vain: only the policy of the bucket can allow anything to an unsigned caller.
pub(crate) fn refuse_hopeless(access: &StoreAccess, bucket: &Bucket) -> Result<(), S3Error> {
    if bucket.policy.is_none() && access.account().is_err() {
        return Err(S3Error::new(Code::AccessDenied));
    }
    Ok(())
}

/// The account that owns the bucket.
pub(crate) async fn owner(access: &StoreAccess, bucket: &BucketName) -> Result<AccountId, S3Error> {
    Ok(access.bucket(bucket).await?.owner.clone())
}

/// Changes one setting of a bucket.
pub(super) async fn set(
    access: &StoreAccess,
    bucket: &BucketName,
    setting: BucketSetting,
) -> Result<(), S3Error> {
    let judged = access.bucket(bucket).await?;
    let outcome = access.store().set_bucket(&judged.reference(), setting, access.now()).await;
    match outcome.map_err(refusal::of_store)? {
        SetBucket::Set => Ok(()),
        SetBucket::NotFound => Err(refusal::no_such_bucket(bucket)),
        SetBucket::PublicPolicyBlocked => Err(refuse_public(access, &judged)),
    }
}

/// Declares operations on a bucket that read only its name from the request.
macro_rules! named_operations {
    ($($(#[$doc:meta])* $name:ident $action:literal => $run:expr;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub(crate) struct $name {
                bucket: store::BucketName,
            }

            impl Operation for $name {
                fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
                    Ok(Self { bucket: request.bucket()? })
                }

                fn permissions(&self) -> Vec<Permission<'_>> {
                    vec![Permission::bucket($action, &self.bucket)]
                }

                async fn run(call: Authorized<Self>, body: &mut RequestBody) -> Result<Reply, S3Error> {
                    let bucket = $crate::s3::of_bucket::found(&call, &call.operation().bucket).await?;
                    let run = $run;
                    run(call.access(), bucket, body).await
                }
            }
        )*
    };
}
pub(super) use named_operations;

/// The refusal of a public policy, worded as in semantics 5.5.3.
pub(crate) fn refuse_public(access: &StoreAccess, bucket: &Bucket) -> S3Error {
    let principal = access.principal();
    let own = access.account().is_ok_and(|account| *account == bucket.owner);
    if !own {
        return S3Error::new(Code::AccessDenied);
    }
    S3Error::with_message(
        Code::AccessDenied,
        format!(
            "User: {principal} is not authorized to perform: s3:PutBucketPolicy on resource: \"arn:aws:s3:::{}\" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.",
            bucket.name
        ),
    )
}

/// The refusal for a setting that the bucket does not have.
pub(super) fn absent(code: Code, bucket: &Bucket) -> S3Error {
    S3Error::new(code).detail("BucketName", bucket.name.as_str())
}

pub(super) fn done(status: StatusCode) -> Reply {
    Reply::new(status)
}

/// Reads an XML boolean. An absent one is false.
pub(super) fn flag(text: Option<&str>) -> Result<bool, S3Error> {
    match text.map(str::trim) {
        None => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => Err(S3Error::new(Code::MalformedXml)),
    }
}
