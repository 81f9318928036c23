//! The only place that knows every operation: runs the one that a call of the route table stands for.

use iam::Verdict;

use crate::body::RequestBody;
use crate::error::S3Error;
use crate::gate::{AdmissionRequest, FutureRequest, Gate, StoreAccess};
use crate::operation::{Operation, execute};
use crate::request::S3Request;
use crate::respond::Reply;
use crate::route::Call;

/// Runs code with the operation type of a call. Boxed, so that one large operation does not make every
/// request's future large.
macro_rules! of_operation {
    ($call:expr, $operation:ident => $done:expr) => {
        of_operation! { $call, $operation => $done,
            ListBuckets => super::bucket::ListBuckets,
            CreateBucket => super::bucket::CreateBucket,
            HeadBucket => super::bucket::HeadBucket,
            DeleteBucket => super::bucket::DeleteBucket,
            GetBucketLocation => super::bucket::GetBucketLocation,
            GetBucketVersioning => super::versioning::GetBucketVersioning,
            PutBucketVersioning => super::versioning::PutBucketVersioning,
            PutBucketOwnershipControls => super::settings::PutBucketOwnershipControls,
            DeleteBucketOwnershipControls => super::settings::DeleteBucketOwnershipControls,
            PutBucketWebsite => super::website::PutBucketWebsite,
            DeleteBucketWebsite => super::website::DeleteBucketWebsite,
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
            GetBucketWebsite => super::website::GetBucketWebsite,
            GetObjectAcl => super::unconfigured::GetObjectAcl,
            GetObjectTagging => super::tagging::GetObjectTagging,
            PutObjectTagging => super::tagging::PutObjectTagging,
            DeleteObjectTagging => super::tagging::DeleteObjectTagging,
            GetObjectLegalHold => super::unconfigured::GetObjectLegalHold,
            GetObjectRetention => super::unconfigured::GetObjectRetention,
        }
    };
    ($call:expr, $operation:ident => $done:expr, $($name:ident => $type:ty,)*) => {
        match $call {
            $(Call::$name => {
                type $operation = $type;
                Box::pin($done).await
            })*
        }
    };
}

/// Runs the operation of a call.
pub(crate) async fn dispatch(
    gate: &Gate,
    call: Call,
    asked: AdmissionRequest<'_>,
    body: &mut RequestBody,
) -> Result<Reply, S3Error> {
    of_operation!(call, Called => execute::<Called>(gate, asked, body))
}

/// What the gate would decide about the operation of a future request.
pub(crate) async fn foresee(
    access: &StoreAccess,
    call: Call,
    request: &S3Request<'_>,
    future: &FutureRequest,
) -> Result<Verdict, S3Error> {
    of_operation!(call, Called => async {
        access.check_link_fit(Called::LINK_FIT)?;
        access.foresee(&<Called as Operation>::read(request)?, request, future).await
    })
}
