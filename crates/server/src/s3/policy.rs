//! `?policy` and `?policyStatus`: the policy of a bucket, and whether it is public.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use iam::Policy;
use store::{BoundPolicy, BucketSetting};

use crate::body::RequestBody;
use crate::error::{Code, S3Error, refusal};
use crate::gate::{Authorized, StoreAccess};
use crate::operation::{Operation, Permission};
use crate::principals;
use crate::request::S3Request;
use crate::respond::{Reply, ReplyBody};
use crate::s3::document;
use crate::s3::of_bucket::{BucketRecord, absent, named_operations, refuse_public, set};
use crate::xml::XmlWriter;

/// Bytes of a policy (semantics 5.7.2).
const POLICY_BYTES_MAX: usize = 20 * 1024;

named_operations! {
    /// `GET /bucket?policy`
    GetBucketPolicy "s3:GetBucketPolicy" => get;
    /// `PUT /bucket?policy`
    PutBucketPolicy "s3:PutBucketPolicy" => put;
    /// `DELETE /bucket?policy`
    DeleteBucketPolicy "s3:DeleteBucketPolicy" => delete;
    /// `GET /bucket?policyStatus`
    GetBucketPolicyStatus "s3:GetBucketPolicyStatus" => status;
}

async fn get(
    access: &StoreAccess,
    bucket: BucketRecord,
    _: &mut RequestBody,
) -> Result<Reply, S3Error> {
    let Some(policy) = &bucket.policy else {
        return Err(absent(Code::NoSuchBucketPolicy, &bucket));
    };
    let text = principals::shown(access.store(), &access.context().config.account, policy)
        .await
        .map_err(refusal::of_store)?;
    let mut reply = Reply::new(StatusCode::OK);
    reply.set(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply.body = ReplyBody::Full(text.into());
    Ok(reply)
}

async fn put(
    access: &StoreAccess,
    bucket: BucketRecord,
    body: &mut RequestBody,
) -> Result<Reply, S3Error> {
    let malformed = |message: String| S3Error::with_message(Code::MalformedPolicy, message);
    let body = document::present(document::read(access, body, POLICY_BYTES_MAX).await?)?;
    let text = std::str::from_utf8(&body).map_err(|cause| {
        malformed("This policy contains invalid Json".to_owned()).because(cause)
    })?;
    let policy = Policy::parse(text).map_err(|error| {
        let refused = malformed(error.resource_message());
        match error.detail() {
            None => refused,
            Some(principal) => naming(refused, principal),
        }
    })?;
    policy
        .validate_bucket(bucket.name.as_str())
        .map_err(|fault| malformed(fault.message().to_string()))?;
    // While the document was being sent, the owner may have blocked public policies. They still may before the
    // write: so the store checks the policy again in its transaction.
    let bucket = access.bucket(&bucket.name).await?;
    let public = policy.is_public();
    if public && bucket.public_access_block.is_some_and(|block| block.block_public_policy) {
        return Err(refuse_public(access, &bucket));
    }
    let document = Arc::new(policy);
    let bound = principals::bind(access.store(), &access.context().config.account, &document)
        .await
        .map_err(|error| match error {
            principals::BindError::Unknown { principal } => {
                naming(malformed("Invalid principal in policy".to_owned()), &principal)
            }
            principals::BindError::Store(error) => refusal::of_store(error),
        })?;
    let policy = Arc::new(BoundPolicy { document, bound });
    set(access, &bucket.name, BucketSetting::Policy(Some(policy))).await?;
    Ok(Reply::new(StatusCode::NO_CONTENT))
}

/// Adds the invalid principal to the refusal (semantics 5.7.1).
fn naming(refused: S3Error, principal: &str) -> S3Error {
    refused.detail("Detail", format!("\"AWS\" : \"{principal}\""))
}

async fn delete(
    access: &StoreAccess,
    bucket: BucketRecord,
    _: &mut RequestBody,
) -> Result<Reply, S3Error> {
    set(access, &bucket.name, BucketSetting::Policy(None)).await?;
    Ok(Reply::new(StatusCode::NO_CONTENT))
}

async fn status(
    _: &StoreAccess,
    bucket: BucketRecord,
    _: &mut RequestBody,
) -> Result<Reply, S3Error> {
    let Some(policy) = &bucket.policy else {
        return Err(absent(Code::NoSuchBucketPolicy, &bucket));
    };
    let public = policy.document.is_public();
    Ok(Reply::xml(XmlWriter::result("PolicyStatus", |xml| xml.plain("IsPublic", public))))
}
