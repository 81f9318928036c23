//! `?versioning`. Versioning is off in a new bucket; once enabled it can be suspended, but never be off again.

use hyper::StatusCode;
use serde::Deserialize;
use store::{BucketName, Versioning};

use crate::body::RequestBody;
use crate::error::{Code, S3Error, refusal};
use crate::gate::Authorized;
use crate::operation::{Operation, Permission};
use crate::request::S3Request;
use crate::respond::Reply;
use crate::s3::{document, of_bucket};
use crate::xml::{self, XmlWriter};

/// Bytes of a `VersioningConfiguration` (semantics 6.6.8).
const CONFIGURATION_BYTES_MAX: usize = 1024;

/// `GET /bucket?versioning`
#[derive(Debug)]
pub(crate) struct GetBucketVersioning {
    bucket: BucketName,
}

impl Operation for GetBucketVersioning {
    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        Ok(Self { bucket: request.bucket()? })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        vec![Permission::bucket("s3:GetBucketVersioning", &self.bucket)]
    }

    async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
        let bucket = of_bucket::found(&call, &call.operation().bucket).await?;
        let status = match bucket.versioning {
            Versioning::Unversioned => None,
            Versioning::Enabled => Some("Enabled"),
            Versioning::Suspended => Some("Suspended"),
        };
        let document = XmlWriter::result("VersioningConfiguration", |xml| {
            xml.optional("Status", status);
        });
        Ok(Reply::xml(document))
    }
}

/// `PUT /bucket?versioning`
#[derive(Debug)]
pub(crate) struct PutBucketVersioning {
    bucket: BucketName,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VersioningConfiguration {
    status: Option<String>,
    mfa_delete: Option<String>,
}

impl Operation for PutBucketVersioning {
    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        Ok(Self { bucket: request.bucket()? })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        vec![Permission::bucket("s3:PutBucketVersioning", &self.bucket)]
    }

    async fn run(call: Authorized<Self>, body: &mut RequestBody) -> Result<Reply, S3Error> {
        let body = document::read(call.access(), body, CONFIGURATION_BYTES_MAX).await?;
        let body = document::present(body)?;
        let configuration: VersioningConfiguration = xml::parse("VersioningConfiguration", &body)?;
        if configuration.mfa_delete.as_deref() == Some("Enabled") {
            return Err(S3Error::not_implemented("x-amz-mfa"));
        }
        let versioning = match configuration.status.as_deref() {
            Some("Enabled") => Versioning::Enabled,
            Some("Suspended") => Versioning::Suspended,
            None => return Err(S3Error::new(Code::IllegalVersioningConfiguration)),
            Some(_) => return Err(S3Error::new(Code::MalformedXml)),
        };
        let name = &call.operation().bucket;
        let bucket = of_bucket::found(&call, name).await?.reference();
        let store = call.access().store();
        let found = store.set_versioning(&bucket, versioning, call.access().now()).await;
        if found.map_err(refusal::of_store)? {
            Ok(Reply::new(StatusCode::OK))
        } else {
            Err(refusal::no_such_bucket(name))
        }
    }
}
