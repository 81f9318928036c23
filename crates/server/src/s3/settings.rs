//! Settings of a bucket: Block Public Access, object ownership, and the ACLs that are disabled.

use hyper::StatusCode;
use serde::Deserialize;
use store::{BucketName, BucketSetting, ObjectKey, ObjectOwnership, PublicAccessBlock, VersionId};

use crate::body::RequestBody;
use crate::error::{Code, S3Error};
use crate::gate::{Authorized, StoreAccess};
use crate::operation::{Operation, Permission};
use crate::request::S3Request;
use crate::respond::Reply;
use crate::s3::of_bucket::{self, BucketRecord, absent, done, flag, named_operations, set};
use crate::s3::{canonical_id, document, found, headers};
use crate::xml::{self, XmlWriter};

/// Bytes of a `PublicAccessBlockConfiguration` (semantics 6.6.8).
const PUBLIC_ACCESS_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes of an `AccessControlPolicy`.
const ACL_BYTES_MAX: usize = 64 * 1024;
/// Bytes of `OwnershipControls`.
const OWNERSHIP_BYTES_MAX: usize = 2048;

named_operations! {
    /// `GET /bucket?publicAccessBlock`
    GetPublicAccessBlock "s3:GetBucketPublicAccessBlock" => get_public_access;
    /// `PUT /bucket?publicAccessBlock`
    PutPublicAccessBlock "s3:PutBucketPublicAccessBlock" => put_public_access;
    /// `DELETE /bucket?publicAccessBlock`
    DeletePublicAccessBlock "s3:PutBucketPublicAccessBlock" => delete_public_access;
    /// `GET /bucket?ownershipControls`
    GetBucketOwnershipControls "s3:GetBucketOwnershipControls" => get_ownership;
    /// `PUT /bucket?ownershipControls`
    PutBucketOwnershipControls "s3:PutBucketOwnershipControls" => put_ownership;
    /// `DELETE /bucket?ownershipControls`
    DeleteBucketOwnershipControls "s3:PutBucketOwnershipControls" => delete_ownership;
}

/// `PUT /bucket?acl`: ACLs are disabled, as on any new bucket, and what they would say anyway is
/// accepted.
#[derive(Debug)]
pub(crate) struct PutBucketAcl {
    bucket: BucketName,
}

impl Operation for PutBucketAcl {
    const HONOURS: &'static [&'static str] = &["x-amz-acl", "x-amz-grant-"];

    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        headers::accept_private_acl(request)?;
        Ok(Self { bucket: request.bucket()? })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        vec![Permission::bucket("s3:PutBucketAcl", &self.bucket)]
    }

    async fn run(call: Authorized<Self>, body: &mut RequestBody) -> Result<Reply, S3Error> {
        accept_owner_alone(call.access(), &call.operation().bucket, body).await
    }
}

/// `PUT /bucket/key?acl`: like [`PutBucketAcl`].
#[derive(Debug)]
pub(crate) struct PutObjectAcl {
    bucket: BucketName,
    key: ObjectKey,
    version_id: Option<VersionId>,
}

impl Operation for PutObjectAcl {
    const HONOURS: &'static [&'static str] = &["x-amz-acl", "x-amz-grant-"];

    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        headers::accept_private_acl(request)?;
        let version_id = headers::version_id(request)?;
        Ok(Self { bucket: request.bucket()?, key: request.key()?, version_id })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        let action =
            if self.version_id.is_some() { "s3:PutObjectVersionAcl" } else { "s3:PutObjectAcl" };
        let version_id = self.version_id.as_ref();
        vec![Permission::object(action, &self.bucket, &self.key).of_version(version_id)]
    }

    async fn run(call: Authorized<Self>, body: &mut RequestBody) -> Result<Reply, S3Error> {
        let Self { bucket, key, version_id } = call.operation();
        found::find(call.access(), bucket, key, version_id.as_ref()).await?;
        accept_owner_alone(call.access(), bucket, body).await
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AccessControlPolicy {
    access_control_list: AccessControlList,
}

#[derive(Debug, Deserialize)]
struct AccessControlList {
    #[serde(rename = "Grant", default)]
    grants: Vec<Grant>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Grant {
    grantee: Grantee,
    permission: String,
}

#[derive(Debug, Deserialize)]
struct Grantee {
    #[serde(rename = "ID")]
    id: Option<String>,
}

/// Accepts an ACL that gives full control to the bucket's owner and nothing to anybody else, since that is the
/// case already.
async fn accept_owner_alone(
    access: &StoreAccess,
    bucket: &BucketName,
    body: &mut RequestBody,
) -> Result<Reply, S3Error> {
    let owner = canonical_id(&of_bucket::owner(access, bucket).await?);
    let body = document::read(access, body, ACL_BYTES_MAX).await?;
    if !body.is_empty() {
        let read: AccessControlPolicy = xml::parse("AccessControlPolicy", &body)?;
        let own = |grant: &Grant| {
            grant.grantee.id.as_ref() == Some(&owner) && grant.permission == "FULL_CONTROL"
        };
        if !read.access_control_list.grants.iter().all(own) {
            return Err(S3Error::new(Code::AccessControlListNotSupported));
        }
    }
    Ok(done(StatusCode::OK))
}

async fn body_of(
    access: &StoreAccess,
    body: &mut RequestBody,
    max: usize,
) -> Result<bytes::Bytes, S3Error> {
    document::present(document::read(access, body, max).await?)
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PublicAccessBlockConfiguration {
    block_public_acls: Option<String>,
    ignore_public_acls: Option<String>,
    block_public_policy: Option<String>,
    restrict_public_buckets: Option<String>,
}

async fn get_public_access(
    _: &StoreAccess,
    bucket: BucketRecord,
    _: &mut RequestBody,
) -> Result<Reply, S3Error> {
    let Some(block) = bucket.public_access_block else {
        return Err(absent(Code::NoSuchPublicAccessBlock, &bucket));
    };
    let PublicAccessBlock {
        block_public_acls,
        ignore_public_acls,
        block_public_policy,
        restrict_public_buckets,
    } = block;
    Ok(Reply::xml(XmlWriter::result("PublicAccessBlockConfiguration", |xml| {
        xml.plain("BlockPublicAcls", block_public_acls);
        xml.plain("IgnorePublicAcls", ignore_public_acls);
        xml.plain("BlockPublicPolicy", block_public_policy);
        xml.plain("RestrictPublicBuckets", restrict_public_buckets);
    })))
}

async fn put_public_access(
    access: &StoreAccess,
    bucket: BucketRecord,
    body: &mut RequestBody,
) -> Result<Reply, S3Error> {
    let body = body_of(access, body, PUBLIC_ACCESS_BYTES_MAX).await?;
    let read: PublicAccessBlockConfiguration = xml::parse("PublicAccessBlockConfiguration", &body)?;
    let block = PublicAccessBlock {
        block_public_acls: flag(read.block_public_acls.as_deref())?,
        ignore_public_acls: flag(read.ignore_public_acls.as_deref())?,
        block_public_policy: flag(read.block_public_policy.as_deref())?,
        restrict_public_buckets: flag(read.restrict_public_buckets.as_deref())?,
    };
    set(access, &bucket.name, BucketSetting::PublicAccessBlock(Some(block))).await?;
    Ok(done(StatusCode::OK))
}

async fn delete_public_access(
    access: &StoreAccess,
    bucket: BucketRecord,
    _: &mut RequestBody,
) -> Result<Reply, S3Error> {
    set(access, &bucket.name, BucketSetting::PublicAccessBlock(None)).await?;
    Ok(done(StatusCode::NO_CONTENT))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OwnershipControls {
    rule: OwnershipRule,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OwnershipRule {
    object_ownership: String,
}

async fn get_ownership(
    _: &StoreAccess,
    bucket: BucketRecord,
    _: &mut RequestBody,
) -> Result<Reply, S3Error> {
    let Some(ownership) = bucket.ownership else {
        return Err(absent(Code::NoSuchOwnershipControls, &bucket));
    };
    let name = match ownership {
        ObjectOwnership::BucketOwnerEnforced => "BucketOwnerEnforced",
        ObjectOwnership::BucketOwnerPreferred => "BucketOwnerPreferred",
        ObjectOwnership::ObjectWriter => "ObjectWriter",
    };
    Ok(Reply::xml(XmlWriter::result("OwnershipControls", |xml| {
        xml.element("Rule", |rule| rule.text("ObjectOwnership", name));
    })))
}

async fn put_ownership(
    access: &StoreAccess,
    bucket: BucketRecord,
    body: &mut RequestBody,
) -> Result<Reply, S3Error> {
    let body = body_of(access, body, OWNERSHIP_BYTES_MAX).await?;
    let read: OwnershipControls = xml::parse("OwnershipControls", &body)?;
    let ownership = match read.rule.object_ownership.as_str() {
        "BucketOwnerEnforced" => ObjectOwnership::BucketOwnerEnforced,
        // These two values would enable ACLs, which are not supported.
        "BucketOwnerPreferred" | "ObjectWriter" => {
            return Err(S3Error::not_implemented("x-amz-object-ownership"));
        }
        _ => return Err(S3Error::new(Code::MalformedXml)),
    };
    set(access, &bucket.name, BucketSetting::Ownership(Some(ownership))).await?;
    Ok(done(StatusCode::OK))
}

async fn delete_ownership(
    access: &StoreAccess,
    bucket: BucketRecord,
    _: &mut RequestBody,
) -> Result<Reply, S3Error> {
    set(access, &bucket.name, BucketSetting::Ownership(None)).await?;
    Ok(done(StatusCode::NO_CONTENT))
}
