//! How new bodies are kept at rest: what a write asks, what its bucket says, and the calls that set it.

use hyper::StatusCode;
use serde::Deserialize;
use store::{BucketEncryption, BucketName, BucketSetting, CustomerKeys, Encryption};

use crate::body::RequestBody;
use crate::error::{Code, S3Error, refusal};
use crate::gate::{Authorized, Door};
use crate::operation::{Operation, Permission};
use crate::request::S3Request;
use crate::respond::Reply;
use crate::s3::bucket;
use crate::s3::document::{self, DocumentTerms};
use crate::s3::settings::{self, Found, absent, done, flag, named_operations};
use crate::xml::{self, XmlWriter};

/// Bytes of a `ServerSideEncryptionConfiguration` (aws-semantics 6.6.8).
const DOCUMENT_BYTES_MAX: usize = 2 * 1024 * 1024;
const HEADER: &str = "x-amz-server-side-encryption";

/// What a write asks of the bytes at rest: nothing, or AES256. A key of somebody else's is not served.
pub(crate) fn asked(request: &S3Request<'_>) -> Result<Option<Encryption>, S3Error> {
    match request.header(HEADER).as_deref() {
        None => Ok(None),
        Some("AES256") => Ok(Some(Encryption::On)),
        Some("aws:kms" | "aws:kms:dsse" | "aws:fsx" | "aws:backup") => {
            Err(S3Error::not_implemented(HEADER))
        }
        Some(other) => Err(S3Error::invalid_argument(
            "The encryption method specified is not supported",
            HEADER,
            other,
        )),
    }
}

/// How a body is to be kept: as the write asks, else as the bucket says, else as the server does.
pub(crate) async fn settle(
    door: &Door,
    bucket: &BucketName,
    asked: Option<Encryption>,
) -> Result<Option<Encryption>, S3Error> {
    if asked.is_some() {
        return Ok(asked);
    }
    let found = door.store().bucket(bucket).await.map_err(refusal::of_store)?;
    Ok(found.filter(|bucket| bucket.encryption.aes256).map(|_| Encryption::On))
}

named_operations! {
    /// `GET /bucket?encryption`
    GetBucketEncryption "s3:GetEncryptionConfiguration" => get;
    /// `DELETE /bucket?encryption`
    DeleteBucketEncryption "s3:PutEncryptionConfiguration" => delete;
}

async fn get(door: &Door, bucket: Found, _: &mut RequestBody) -> Result<Reply, S3Error> {
    let BucketEncryption { aes256, bucket_key, customer_keys } = bucket.encryption;
    let encrypted = aes256 || door.store().encryption() == Encryption::On;
    if !encrypted && customer_keys.is_none() {
        return Err(absent(Code::NoSuchEncryptionConfiguration, &bucket));
    }
    Ok(Reply::xml(XmlWriter::result("ServerSideEncryptionConfiguration", |xml| {
        xml.element("Rule", |rule| {
            if encrypted {
                rule.element("ApplyServerSideEncryptionByDefault", |default| {
                    default.text("SSEAlgorithm", "AES256");
                });
            }
            if let Some(keys) = customer_keys {
                let blocked = match keys {
                    CustomerKeys::Allowed => "NONE",
                    CustomerKeys::Blocked => "SSE-C",
                };
                rule.element("BlockedEncryptionTypes", |xml| xml.text("EncryptionType", blocked));
            }
            rule.plain("BucketKeyEnabled", bucket_key);
        });
    })))
}

/// As on any new bucket, but for what was said of customers' keys: nobody asked to unblock them.
async fn delete(door: &Door, bucket: Found, _: &mut RequestBody) -> Result<Reply, S3Error> {
    let customer_keys = bucket.encryption.customer_keys;
    let encryption = BucketEncryption { customer_keys, ..BucketEncryption::default() };
    settings::set(door, &bucket.name, BucketSetting::Encryption(encryption)).await?;
    Ok(done(StatusCode::NO_CONTENT))
}

/// `PUT /bucket?encryption`
#[derive(Debug)]
pub(crate) struct PutBucketEncryption {
    bucket: BucketName,
    terms: DocumentTerms,
}

#[derive(Debug, Deserialize)]
struct Configuration {
    #[serde(rename = "Rule", default)]
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Rule {
    apply_server_side_encryption_by_default: Option<ByDefault>,
    bucket_key_enabled: Option<String>,
    blocked_encryption_types: Option<BlockedTypes>,
}

#[derive(Debug, Deserialize)]
struct ByDefault {
    #[serde(rename = "SSEAlgorithm")]
    algorithm: String,
    #[serde(rename = "KMSMasterKeyID")]
    kms_key: Option<String>,
}

#[derive(Debug, Deserialize)]
struct BlockedTypes {
    #[serde(rename = "EncryptionType", default)]
    types: Vec<String>,
}

impl Operation for PutBucketEncryption {
    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        Ok(Self { bucket: request.bucket()?, terms: DocumentTerms::read(request)? })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        vec![Permission::bucket("s3:PutEncryptionConfiguration", &self.bucket)]
    }

    async fn run(call: Authorized<Self>, body: &mut RequestBody) -> Result<Reply, S3Error> {
        let Self { bucket: name, terms } = call.operation();
        let bucket = bucket::found(&call, name).await?;
        let document =
            document::read_digested(call.door(), body, DOCUMENT_BYTES_MAX, terms).await?;
        if document.is_empty() {
            return Err(S3Error::new(Code::MissingRequestBody));
        }
        let read: Configuration = xml::parse("ServerSideEncryptionConfiguration", &document)?;
        let [rule] = read.rules.as_slice() else { return Err(S3Error::new(Code::MalformedXml)) };
        let said = rule.customer_keys()?;
        let encryption = BucketEncryption {
            aes256: rule.aes256()?,
            bucket_key: flag(rule.bucket_key_enabled.as_deref())?,
            // What is not said again is not unblocked by that.
            customer_keys: said.or(bucket.encryption.customer_keys),
        };
        settings::set(call.door(), name, BucketSetting::Encryption(encryption)).await?;
        Ok(done(StatusCode::OK))
    }
}

impl Rule {
    fn aes256(&self) -> Result<bool, S3Error> {
        let Some(default) = &self.apply_server_side_encryption_by_default else { return Ok(false) };
        match default.algorithm.as_str() {
            "AES256" if default.kms_key.is_some() => Err(S3Error::with_message(
                Code::InvalidArgument,
                "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
            )
            .detail("ArgumentName", "ApplyServerSideEncryptionByDefault")),
            "AES256" => Ok(true),
            // There is no KMS, and a bucket that took this would take no write any more.
            "aws:kms" | "aws:kms:dsse" | "aws:fsx" | "aws:backup" => {
                Err(S3Error::not_implemented("SSEAlgorithm"))
            }
            _ => Err(S3Error::new(Code::MalformedXml)),
        }
    }

    fn customer_keys(&self) -> Result<Option<CustomerKeys>, S3Error> {
        let Some(blocked) = &self.blocked_encryption_types else { return Ok(None) };
        match blocked.types.as_slice() {
            [one] if one == "NONE" => Ok(Some(CustomerKeys::Allowed)),
            [one] if one == "SSE-C" => Ok(Some(CustomerKeys::Blocked)),
            _ => Err(S3Error::new(Code::MalformedXml)),
        }
    }
}
