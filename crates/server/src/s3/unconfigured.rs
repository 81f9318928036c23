//! Reads of settings that Valet does not have. Clients send them unasked, and get the answer of an AWS bucket
//! on which the setting was never made.

use iam::AccountId;
use store::{BucketName, ObjectKey};

use crate::body::RequestBody;
use crate::error::{Code, S3Error};
use crate::gate::Authorized;
use crate::operation::{Operation, Permission};
use crate::request::S3Request;
use crate::respond::Reply;
use crate::s3::{VERSION_ID, canonical_id, found, headers, of_bucket};
use crate::xml::XmlWriter;

/// Declares reads of a bucket's settings: name, action and answer. The answer may contain the bucket's owner.
macro_rules! bucket_settings {
    ($($(#[$doc:meta])* $name:ident $action:literal => $answer:expr;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub(crate) struct $name {
                bucket: BucketName,
            }

            impl Operation for $name {
                fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
                    Ok(Self { bucket: request.bucket()? })
                }

                fn permissions(&self) -> Vec<Permission<'_>> {
                    vec![Permission::bucket($action, &self.bucket)]
                }

                async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
                    let (Self { bucket }, access) = call.split();
                    let owner = of_bucket::owner(&access, &bucket).await?;
                    let setting = Setting { bucket: &bucket, owner: &owner };
                    let answer: fn(&Setting<'_>) -> Result<String, S3Error> = $answer;
                    answer(&setting).map(Reply::xml)
                }
            }
        )*
    };
}

/// What an answer may depend on.
struct Setting<'s> {
    bucket: &'s BucketName,
    owner: &'s AccountId,
}

impl Setting<'_> {
    fn absent(&self, code: Code) -> Result<String, S3Error> {
        Err(S3Error::new(code).detail("BucketName", self.bucket.as_str()))
    }
}

fn empty(root: &str) -> String {
    XmlWriter::result(root, |_| {})
}

fn empty_list(root: &str) -> String {
    XmlWriter::result(root, |xml| xml.plain("IsTruncated", false))
}

bucket_settings! {
    /// Transfer acceleration is off.
    GetBucketAccelerateConfiguration "s3:GetAccelerateConfiguration" => |_| Ok(empty("AccelerateConfiguration"));
    /// The owner has full control, and nobody else any.
    GetBucketAcl "s3:GetBucketAcl" => |setting| Ok(private_acl(setting.owner));
    /// No configuration has this id.
    GetBucketAnalyticsConfiguration "s3:GetAnalyticsConfiguration" => |s| s.absent(Code::NoSuchConfiguration);
    /// There are no configurations of this kind.
    ListBucketAnalyticsConfigurations "s3:GetAnalyticsConfiguration" => |_| Ok(empty_list("ListBucketAnalyticsConfigurationResult"));
    /// No configuration has this id.
    GetBucketIntelligentTieringConfiguration "s3:GetIntelligentTieringConfiguration" => |s| s.absent(Code::NoSuchConfiguration);
    /// There are no configurations of this kind.
    ListBucketIntelligentTieringConfigurations "s3:GetIntelligentTieringConfiguration" => |_| Ok(empty_list("ListBucketIntelligentTieringConfigurationsOutput"));
    /// No configuration has this id.
    GetBucketInventoryConfiguration "s3:GetInventoryConfiguration" => |s| s.absent(Code::NoSuchConfiguration);
    /// There are no configurations of this kind.
    ListBucketInventoryConfigurations "s3:GetInventoryConfiguration" => |_| Ok(empty_list("ListInventoryConfigurationsResult"));
    /// There are no lifecycle rules.
    GetBucketLifecycleConfiguration "s3:GetLifecycleConfiguration" => |s| s.absent(Code::NoSuchLifecycleConfiguration);
    /// Access logging is off.
    GetBucketLogging "s3:GetBucketLogging" => |_| Ok(empty("BucketLoggingStatus"));
    /// No configuration has this id.
    GetBucketMetricsConfiguration "s3:GetMetricsConfiguration" => |s| s.absent(Code::NoSuchConfiguration);
    /// There are no configurations of this kind.
    ListBucketMetricsConfigurations "s3:GetMetricsConfiguration" => |_| Ok(empty_list("ListMetricsConfigurationsResult"));
    /// There are no notifications.
    GetBucketNotificationConfiguration "s3:GetBucketNotification" => |_| Ok(empty("NotificationConfiguration"));
    /// Object Lock is off.
    GetObjectLockConfiguration "s3:GetBucketObjectLockConfiguration" => |s| s.absent(Code::NoSuchObjectLockConfiguration);
    /// There is no replication.
    GetBucketReplication "s3:GetReplicationConfiguration" => |s| s.absent(Code::NoSuchReplicationConfiguration);
    /// The owner of the bucket pays.
    GetBucketRequestPayment "s3:GetBucketRequestPayment" => |_| {
        Ok(XmlWriter::result("RequestPaymentConfiguration", |xml| xml.text("Payer", "BucketOwner")))
    };
}

fn private_acl(owner: &AccountId) -> String {
    let id = canonical_id(owner);
    XmlWriter::result("AccessControlPolicy", |xml| {
        xml.element("Owner", |xml| xml.text("ID", &id));
        xml.element("AccessControlList", |xml| {
            xml.element("Grant", |xml| {
                xml.raw("<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">");
                xml.text("ID", &id);
                xml.raw("</Grantee>");
                xml.text("Permission", "FULL_CONTROL");
            });
        });
    })
}

/// Declares reads of an object's settings. If the object exists, the answer is always the same.
macro_rules! object_settings {
    ($($(#[$doc:meta])* $name:ident $action:literal => $answer:expr;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub(crate) struct $name {
                bucket: BucketName,
                key: ObjectKey,
                version_id: Option<store::VersionId>,
            }

            impl Operation for $name {
                fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
                    let version_id = headers::version_id(request)?;
                    Ok(Self { bucket: request.bucket()?, key: request.key()?, version_id })
                }

                fn permissions(&self) -> Vec<Permission<'_>> {
                    let version_id = self.version_id.as_ref();
                    vec![Permission::object($action, &self.bucket, &self.key).of_version(version_id)]
                }

                async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
                    let (Self { bucket, key, version_id }, access) = call.split();
                    let found = found::find(&access, &bucket, &key, version_id.as_ref()).await?;
                    let owner = of_bucket::owner(&access, &bucket).await?;
                    let answer: fn(&AccountId) -> Result<String, S3Error> = $answer;
                    let mut reply = Reply::xml(answer(&owner)?);
                    if found.versioned {
                        reply.set_text(VERSION_ID, &found.object.version_id.to_string());
                    }
                    Ok(reply)
                }
            }
        )*
    };
}

object_settings! {
    /// The owner has full control, and nobody else any.
    GetObjectAcl "s3:GetObjectAcl" => |owner| Ok(private_acl(owner));
    /// Object Lock is off, so there is no legal hold.
    GetObjectLegalHold "s3:GetObjectLegalHold" => |_| {
        Err(S3Error::invalid_request("Bucket is missing Object Lock Configuration"))
    };
    /// Object Lock is off, so there is no retention.
    GetObjectRetention "s3:GetObjectRetention" => |_| {
        Err(S3Error::invalid_request("Bucket is missing Object Lock Configuration"))
    };
}
