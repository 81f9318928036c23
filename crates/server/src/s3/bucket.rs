//! Calls about buckets: list, create, look at, delete, and tell the region.

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use serde::Deserialize;
use serde::de::IgnoredAny;
use store::{
    BucketName, CreateBucket as Created, DeleteBucket as Deleted, ListBuckets as BucketQuery,
    NewBucket,
};

use crate::body::RequestBody;
use crate::error::{Code, S3Error, refusal};
use crate::gate::Authorized;
use crate::operation::{LinkUse, OfBody, Operation, Permission, Resource};
use crate::origin::bucket_of_prefix;
use crate::request::S3Request;
use crate::respond::Reply;
use crate::s3::of_bucket::found;
use crate::s3::tags::{self, BucketKeys, TagSet, Tagged};
use crate::s3::{BUCKET_REGION, canonical_id, document, xml_time};
use crate::xml::{self, XmlWriter};

/// The most buckets on one page of `ListBuckets`.
const BUCKETS_MAX: u32 = 10_000;
/// Bytes of a `CreateBucketConfiguration`.
const CONFIGURATION_BYTES_MAX: usize = 64 * 1024;
/// The region without a location constraint. S3 has written it so since it had only one region.
const UNNAMED_REGION: &str = "us-east-1";

/// The message where not all unfinished uploads of a bucket could be aborted at once. S3 has none: it discards
/// them later.
const MANY_UPLOADS: &str =
    "So many uploads are under way in this bucket that not all are aborted yet. Please try again.";

const BUCKET_ARN: HeaderName = HeaderName::from_static("x-amz-bucket-arn");

/// The regions of AWS in 2026. A name that is neither among them nor the server's own is no region.
const REGIONS: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

fn arn(bucket: &BucketName) -> String {
    Resource::Bucket(bucket).arn()
}

/// `GET /`
#[derive(Debug)]
pub(crate) struct ListBuckets {
    query: BucketQuery,
    /// Only buckets in this region.
    region: Option<String>,
}

impl Operation for ListBuckets {
    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        let limit = request.number("max-buckets", BUCKETS_MAX)?.unwrap_or(BUCKETS_MAX);
        let after = request
            .query
            .get("continuation-token")
            .filter(|token| !token.is_empty())
            .map(|token| {
                BucketName::parse(token).map_err(|_| {
                    S3Error::invalid_argument(
                        "The continuation token provided is incorrect",
                        "continuation-token",
                        token,
                    )
                })
            })
            .transpose()?;
        let prefix = request.query.get("prefix").map(str::to_owned);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let region = request.query.get("bucket-region").map(str::to_owned);
        Ok(Self { query: BucketQuery { prefix, after, limit }, region })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        vec![Permission::account("s3:ListAllMyBuckets")]
    }

    async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
        let account = call.access().account()?;
        let Self { query, region } = call.operation();
        if let Some(region) = region
            && *region != call.access().context().config.region
            && !REGIONS.contains(&region.as_str())
        {
            let message = format!("Argument value {region} is not a valid AWS Region");
            return Err(S3Error::with_message(Code::InvalidArgument, message)
                .detail("ArgumentName", "bucket-region"));
        }
        let query = query.clone();
        let prefix = query.prefix.clone();
        let page =
            call.access().store().buckets(account, query).await.map_err(refusal::of_store)?;
        let document = XmlWriter::result("ListAllMyBucketsResult", |result| {
            result.element("Owner", |owner| owner.text("ID", &canonical_id(account)));
            result.element("Buckets", |buckets| {
                let listed = |bucket: &&std::sync::Arc<store::Bucket>| {
                    region.as_ref().is_none_or(|region| *region == bucket.region)
                };
                for bucket in page.buckets.iter().filter(listed) {
                    buckets.element("Bucket", |xml| {
                        xml.text("Name", bucket.name.as_str());
                        xml.text("CreationDate", &xml_time(bucket.created_at));
                        xml.text("BucketRegion", &bucket.region);
                        xml.text("BucketArn", &arn(&bucket.name));
                    });
                }
            });
            result.optional("ContinuationToken", page.next.as_ref().map(BucketName::as_str));
            result.optional("Prefix", prefix.as_deref());
        });
        Ok(Reply::xml(document))
    }
}

/// `PUT /bucket`
#[derive(Debug)]
pub(crate) struct CreateBucket {
    bucket: BucketName,
}

/// Elements that this type does not have are refused. Two of AWS's are for directory buckets, which are not
/// supported.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateBucketConfiguration {
    #[serde(rename = "@xmlns")]
    _namespace: Option<String>,
    location_constraint: Option<String>,
    location: Option<IgnoredAny>,
    bucket: Option<IgnoredAny>,
    #[serde(default)]
    tags: TagSet,
}

impl CreateBucketConfiguration {
    fn read(document: &[u8]) -> Result<Self, S3Error> {
        if document.is_empty() {
            return Ok(Self::default());
        }
        let read: Self = xml::parse("CreateBucketConfiguration", document)?;
        for (name, element) in [("Location", &read.location), ("Bucket", &read.bucket)] {
            if element.is_some() {
                return Err(S3Error::not_implemented(name));
            }
        }
        Ok(read)
    }
}

impl CreateBucket {
    fn permission(&self) -> Permission<'_> {
        Permission::new_bucket("s3:CreateBucket", &self.bucket)
    }
}

impl Operation for CreateBucket {
    const HONOURS: &'static [&'static str] = &[
        "x-amz-acl",
        "x-amz-grant-",
        "x-amz-object-ownership",
        "x-amz-bucket-object-lock-enabled",
    ];

    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        super::headers::accept_private_acl(request)?;
        if let Some(ownership) = request.header("x-amz-object-ownership")
            && ownership != "BucketOwnerEnforced"
        {
            return Err(S3Error::not_implemented("x-amz-object-ownership"));
        }
        if let Some(lock) = request.header("x-amz-bucket-object-lock-enabled")
            && !lock.eq_ignore_ascii_case("false")
        {
            return Err(S3Error::not_implemented("x-amz-bucket-object-lock-enabled"));
        }
        Ok(Self { bucket: request.bucket()? })
    }

    /// Empty: the call is admitted in `run`, once its tags are known.
    fn permissions(&self) -> Vec<Permission<'_>> {
        Vec::new()
    }

    fn permission_of_body(&self) -> OfBody<'_> {
        OfBody::Keys(self.permission())
    }

    async fn run(call: Authorized<Self>, body: &mut RequestBody) -> Result<Reply, S3Error> {
        let bucket = call.operation().bucket.clone();
        let region = &call.access().context().config.region;
        call.access().account()?;
        let document = document::read(call.access(), body, CONFIGURATION_BYTES_MAX).await?;
        let configuration = CreateBucketConfiguration::read(&document)?;
        let tags = tags::of_set(configuration.tags, Tagged::NewBucket)?;
        let create = call.operation().permission();
        call.access().require_with(create, &BucketKeys(&tags)).await?;
        if !tags.is_empty() {
            let tag = Permission::new_bucket("s3:TagResource", &bucket);
            call.access().require_with(tag, &BucketKeys(&tags)).await?;
        }
        check_location(configuration.location_constraint.as_deref(), region)?;
        let context = call.access().context();
        let reported = bucket_of_prefix(&context.prefix).as_ref() == Some(&bucket);
        if reported || context.config.reserves(&bucket) {
            return Err(S3Error::with_message(
                Code::InvalidBucketName,
                format!(
                    "The specified bucket is not valid: /{bucket} is the prefix of a public URL of this server, or begins one."
                ),
            )
            .detail("BucketName", bucket.as_str()));
        }
        let account = call.access().account()?.clone();
        let tagged = !tags.is_empty();
        let new = NewBucket {
            name: bucket.clone(),
            owner: account.clone(),
            region: region.clone(),
            tags,
        };
        let created = call
            .access()
            .store()
            .create_bucket(new, call.access().now())
            .await
            .map_err(refusal::of_store)?;
        match created {
            Created::Created(_) => {}
            // Only in the oldest region may an owner create the same bucket twice, and only if it gets no tags.
            Created::AlreadyExists(known)
                if known.owner == account && region == UNNAMED_REGION && !tagged => {}
            Created::AlreadyExists(known) => {
                let code = if known.owner == account {
                    Code::BucketAlreadyOwnedByYou
                } else {
                    Code::BucketAlreadyExists
                };
                return Err(S3Error::new(code).detail("BucketName", bucket.as_str()));
            }
        }
        let mut reply = Reply::new(StatusCode::OK);
        reply.set_text(LOCATION, &format!("/{bucket}"));
        reply.set_text(BUCKET_ARN, &arn(&bucket));
        Ok(reply)
    }
}

fn check_location(constraint: Option<&str>, region: &str) -> Result<(), S3Error> {
    match constraint {
        None | Some("") if region == UNNAMED_REGION => Ok(()),
        // The region without a constraint cannot be named, so the server asks about all others.
        Some(named)
            if region == UNNAMED_REGION && (named == region || !REGIONS.contains(&named)) =>
        {
            Err(S3Error::new(Code::InvalidLocationConstraint).detail("LocationConstraint", named))
        }
        Some(constraint) if constraint == region => Ok(()),
        None | Some("") => Err(S3Error::with_message(
            Code::IllegalLocationConstraint,
            "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.",
        )),
        Some(other) => Err(S3Error::with_message(
            Code::IllegalLocationConstraint,
            format!(
                "The {other} location constraint is incompatible for the region specific endpoint this request was sent to."
            ),
        )),
    }
}

/// `HEAD /bucket`
#[derive(Debug)]
pub(crate) struct HeadBucket {
    bucket: BucketName,
}

impl Operation for HeadBucket {
    const LINK_USE: LinkUse = LinkUse::Nothing;

    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        Ok(Self { bucket: request.bucket()? })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        vec![Permission::bucket("s3:ListBucket", &self.bucket)]
    }

    async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
        let bucket = found(&call, &call.operation().bucket).await?;
        let mut reply = Reply::new(StatusCode::OK);
        reply.set(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        reply.set_text(BUCKET_REGION, &bucket.region);
        reply.set_text(BUCKET_ARN, &arn(&bucket.name));
        reply.set_text(HeaderName::from_static("x-amz-access-point-alias"), "false");
        Ok(reply)
    }
}

/// `DELETE /bucket`
#[derive(Debug)]
pub(crate) struct DeleteBucket {
    bucket: BucketName,
}

impl Operation for DeleteBucket {
    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        Ok(Self { bucket: request.bucket()? })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        vec![Permission::bucket("s3:DeleteBucket", &self.bucket)]
    }

    async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
        let bucket = &call.operation().bucket;
        let found = found(&call, bucket).await?;
        match call
            .access()
            .store()
            .delete_bucket(&found.reference(), call.access().now())
            .await
            .map_err(refusal::of_store)?
        {
            Deleted::Deleted => Ok(Reply::new(StatusCode::NO_CONTENT)),
            Deleted::NotFound => Err(refusal::no_such_bucket(bucket)),
            Deleted::NotEmpty => {
                Err(S3Error::new(Code::BucketNotEmpty).detail("BucketName", bucket.as_str()))
            }
            Deleted::Unfinished => {
                Err(S3Error::with_message(Code::ServiceUnavailable, MANY_UPLOADS))
            }
        }
    }
}

/// `GET /bucket?location`
#[derive(Debug)]
pub(crate) struct GetBucketLocation {
    bucket: BucketName,
}

impl Operation for GetBucketLocation {
    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        Ok(Self { bucket: request.bucket()? })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        vec![Permission::bucket("s3:GetBucketLocation", &self.bucket)]
    }

    async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
        let bucket = found(&call, &call.operation().bucket).await?;
        let region = if bucket.region == UNNAMED_REGION { "" } else { bucket.region.as_str() };
        Ok(Reply::xml(XmlWriter::text_result("LocationConstraint", region)))
    }
}
