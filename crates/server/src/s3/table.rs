//! The only place that knows every operation: runs the one that a call of the route table stands for.

use crate::body::RequestBody;
use crate::error::S3Error;
use crate::gate::{Asked, Gate};
use crate::operation::execute;
use crate::respond::Reply;
use crate::route::Call;

/// Runs the operation of a call.
#[expect(clippy::too_many_lines, reason = "a table, a row an operation")]
pub(crate) async fn dispatch(
    gate: &Gate,
    call: Call,
    asked: Asked<'_>,
    body: &mut RequestBody,
) -> Result<Reply, S3Error> {
    /// Boxed, so that one large operation does not make every request's future large.
    macro_rules! run {
        ($($call:ident => $operation:ty,)*) => {
            match call {
                $(Call::$call => {
                    Box::pin(execute::<$operation>(gate, asked, body)).await
                })*
            }
        };
    }
    run! {
        ListBuckets => super::bucket::ListBuckets,
        CreateBucket => super::bucket::CreateBucket,
        HeadBucket => super::bucket::HeadBucket,
        DeleteBucket => super::bucket::DeleteBucket,
        GetBucketLocation => super::bucket::GetBucketLocation,
        GetBucketVersioning => super::versioning::GetBucketVersioning,
        PutBucketVersioning => super::versioning::PutBucketVersioning,
        PutBucketOwnershipControls => super::settings::PutBucketOwnershipControls,
        DeleteBucketOwnershipControls => super::settings::DeleteBucketOwnershipControls,
        PutBucketCors => super::cors::PutBucketCors,
        DeleteBucketCors => super::cors::DeleteBucketCors,
        PutBucketPolicy => super::policy::PutBucketPolicy,
        DeleteBucketPolicy => super::policy::DeleteBucketPolicy,
        PutPublicAccessBlock => super::settings::PutPublicAccessBlock,
        DeletePublicAccessBlock => super::settings::DeletePublicAccessBlock,
        PutBucketTagging => super::tagging::PutBucketTagging,
        DeleteBucketTagging => super::tagging::DeleteBucketTagging,
        PutBucketAcl => super::settings::PutBucketAcl,
        PutObjectAcl => super::settings::PutObjectAcl,
        ListObjects => super::list::ListObjects,
        ListObjectsV2 => super::list::ListObjectsV2,
        ListObjectVersions => super::list_versions::ListObjectVersions,
        DeleteObjects => super::delete::DeleteObjects,
        DeleteObject => super::delete::DeleteObject,
        GetObject => super::get::GetObject,
        HeadObject => super::get::HeadObject,
        GetObjectAttributes => super::attributes::GetObjectAttributes,
        PutObject => super::put::PutObject,
        PostObject => super::post::PostObject,
        CopyObject => super::copy::CopyObject,
        CreateMultipartUpload => super::multipart::CreateMultipartUpload,
        UploadPart => super::multipart::UploadPart,
        UploadPartCopy => super::copy::UploadPartCopy,
        CompleteMultipartUpload => super::complete::CompleteMultipartUpload,
        AbortMultipartUpload => super::multipart::AbortMultipartUpload,
        ListParts => super::list_uploads::ListParts,
        ListMultipartUploads => super::list_uploads::ListMultipartUploads,
        GetBucketAccelerateConfiguration => super::unconfigured::GetBucketAccelerateConfiguration,
        GetBucketAcl => super::unconfigured::GetBucketAcl,
        GetBucketAnalyticsConfiguration => super::unconfigured::GetBucketAnalyticsConfiguration,
        ListBucketAnalyticsConfigurations => super::unconfigured::ListBucketAnalyticsConfigurations,
        GetBucketCors => super::cors::GetBucketCors,
        GetBucketEncryption => super::encryption::GetBucketEncryption,
        PutBucketEncryption => super::encryption::PutBucketEncryption,
        DeleteBucketEncryption => super::encryption::DeleteBucketEncryption,
        GetBucketIntelligentTieringConfiguration => super::unconfigured::GetBucketIntelligentTieringConfiguration,
        ListBucketIntelligentTieringConfigurations => super::unconfigured::ListBucketIntelligentTieringConfigurations,
        GetBucketInventoryConfiguration => super::unconfigured::GetBucketInventoryConfiguration,
        ListBucketInventoryConfigurations => super::unconfigured::ListBucketInventoryConfigurations,
        GetBucketLifecycleConfiguration => super::unconfigured::GetBucketLifecycleConfiguration,
        GetBucketLogging => super::unconfigured::GetBucketLogging,
        GetBucketMetricsConfiguration => super::unconfigured::GetBucketMetricsConfiguration,
        ListBucketMetricsConfigurations => super::unconfigured::ListBucketMetricsConfigurations,
        GetBucketNotificationConfiguration => super::unconfigured::GetBucketNotificationConfiguration,
        GetObjectLockConfiguration => super::unconfigured::GetObjectLockConfiguration,
        GetBucketOwnershipControls => super::settings::GetBucketOwnershipControls,
        GetBucketPolicy => super::policy::GetBucketPolicy,
        GetBucketPolicyStatus => super::policy::GetBucketPolicyStatus,
        GetPublicAccessBlock => super::settings::GetPublicAccessBlock,
        GetBucketReplication => super::unconfigured::GetBucketReplication,
        GetBucketRequestPayment => super::unconfigured::GetBucketRequestPayment,
        GetBucketTagging => super::tagging::GetBucketTagging,
        GetBucketWebsite => super::unconfigured::GetBucketWebsite,
        GetObjectAcl => super::unconfigured::GetObjectAcl,
        GetObjectTagging => super::tagging::GetObjectTagging,
        PutObjectTagging => super::tagging::PutObjectTagging,
        DeleteObjectTagging => super::tagging::DeleteObjectTagging,
        GetObjectLegalHold => super::unconfigured::GetObjectLegalHold,
        GetObjectRetention => super::unconfigured::GetObjectRetention,
    }
}
