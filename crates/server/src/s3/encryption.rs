//! Encryption at rest: what a write asks for, what its bucket has by default, and the calls that set that
//! default.

use hyper::StatusCode;
use iam::CustomerKey;
use serde::Deserialize;
use store::{
    AtRest, BucketEncryption, BucketName, BucketSetting, CustomerKeys, Encryption, ObjectKey,
    StageSpec, Upload,
};

use crate::body::RequestBody;
use crate::error::{Code, S3Error};
use crate::gate::{Authorized, StoreAccess};
use crate::operation::{Operation, Permission};
use crate::request::S3Request;
use crate::respond::Reply;
use crate::s3::customer_key::{self, SentKey};
use crate::s3::document::{self, DocumentTerms};
use crate::s3::of_bucket::{self, BucketRecord, absent, done, flag, named_operations};
use crate::s3::set_encryption;
use crate::xml::{self, XmlWriter};

/// Bytes of a `ServerSideEncryptionConfiguration` (semantics 6.6.8).
const DOCUMENT_BYTES_MAX: usize = 2 * 1024 * 1024;
const HEADER: &str = "x-amz-server-side-encryption";

/// How the bytes of a write are to be encrypted.
///
/// The request may say it (AES256, or a key of the customer's own). If it does not, the bucket's setting
/// decides. Example: a PUT without headers into a bucket with default AES256 is [`read`](Self::read) as
/// "nothing said" and [settled](Self::settle) as `Encryption::On`.
#[derive(Clone, Debug)]
pub(crate) struct EncryptionChoice {
    /// `None`: the request does not say.
    encryption: Option<Encryption>,
    customer_key: Option<SentKey>,
    /// Whether the bytes are a part of a multipart upload.
    is_part: bool,
}

impl EncryptionChoice {
    /// Reads what the request asks for: nothing, AES256, or a customer's key. Keys of AWS's key service (KMS)
    /// are not supported.
    pub(crate) fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        let asked = request.header(HEADER);
        if let Some(method) = asked.as_deref()
            && request.amz_names().any(|name| name.starts_with(customer_key::OBJECT_KEY))
        {
            return Err(S3Error::invalid_argument(
                "Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
                HEADER,
                method,
            ));
        }
        let encryption = match asked.as_deref() {
            None => None,
            Some("AES256") => Some(Encryption::On),
            Some("aws:kms" | "aws:kms:dsse" | "aws:fsx" | "aws:backup") => {
                return Err(S3Error::not_implemented(HEADER));
            }
            Some(other) => {
                return Err(S3Error::invalid_argument(
                    "The encryption method specified is not supported",
                    HEADER,
                    other,
                ));
            }
        };
        Ok(Self { encryption, customer_key: SentKey::read(request)?, is_part: false })
    }

    /// For a part: encrypted as the upload was begun. A customer's key is not stored, so it is sent again with
    /// each part.
    pub(crate) async fn of_part(
        access: &StoreAccess,
        upload: &Upload,
        customer_key: Option<SentKey>,
    ) -> Result<Self, S3Error> {
        customer_key::check_upload(access, upload, customer_key.as_ref())?;
        let choice = Self { encryption: upload.encryption, customer_key, is_part: true };
        // The bucket may have blocked customers' keys since the upload was begun.
        if choice.customer_key.is_some() {
            return choice.settle(access, upload.bucket.name(), &upload.key).await;
        }
        Ok(choice)
    }

    /// Whether the request asks for a kind of encryption.
    pub(crate) fn is_made(&self) -> bool {
        self.encryption.is_some() || self.customer_key.is_some()
    }

    /// Fills in the bucket's setting where the request does not say, and refuses a customer's key if the bucket
    /// blocks those.
    pub(crate) async fn settle(
        &self,
        access: &StoreAccess,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<Self, S3Error> {
        if self.encryption.is_some() {
            return Ok(self.clone());
        }
        let setting = access.bucket(bucket).await?.encryption;
        match (&self.customer_key, setting.customer_keys) {
            (Some(_), Some(CustomerKeys::Blocked)) => Err(blocked(access, bucket, key)),
            (Some(_), Some(CustomerKeys::Allowed) | None) => Ok(self.clone()),
            (None, _) => {
                let encryption = setting.aes256.then_some(Encryption::On);
                Ok(Self { encryption, customer_key: None, is_part: self.is_part })
            }
        }
    }

    /// How the store is to stage the bytes.
    pub(crate) fn stage(&self) -> StageSpec {
        StageSpec {
            encryption: self.encryption,
            customer_key: self.customer_key().cloned(),
            own_file: self.is_part,
            ..StageSpec::default()
        }
    }

    pub(crate) fn encryption(&self) -> Option<Encryption> {
        self.encryption
    }

    pub(crate) fn customer_key(&self) -> Option<&CustomerKey> {
        self.customer_key.as_ref().map(SentKey::key)
    }

    /// Sets the headers of the answer that say how the bytes were encrypted.
    pub(crate) fn tell(&self, reply: &mut Reply, at_rest: AtRest) {
        set_encryption(reply, at_rest);
        if let Some(sent) = &self.customer_key {
            sent.tell(reply);
        }
    }
}

/// The refusal of a customer's key in a bucket that blocks those, in the words of AWS.
fn blocked(access: &StoreAccess, bucket: &BucketName, key: &ObjectKey) -> S3Error {
    let Some(arn) = access.principal().arn() else { return S3Error::new(Code::AccessDenied) };
    S3Error::with_message(
        Code::AccessDenied,
        format!(
            "User: {arn} is not authorized to perform: s3:PutObject on resource: \"arn:aws:s3:::{bucket}/{key}\" because this bucket has blocked upload requests that specify Server Side Encryption with Customer provided keys (SSE-C). Please specify a different server-side encryption type"
        ),
    )
}

/// Refuses `x-amz-server-side-encryption` on reads, where it has no meaning.
pub(crate) fn refuse_on_reading(request: &S3Request<'_>) -> Result<(), S3Error> {
    match request.header(HEADER) {
        None => Ok(()),
        Some(method) => Err(S3Error::invalid_argument(
            "x-amz-server-side-encryption header is not supported for this operation.",
            HEADER,
            method,
        )),
    }
}

named_operations! {
    /// `GET /bucket?encryption`
    GetBucketEncryption "s3:GetEncryptionConfiguration" => get;
    /// `DELETE /bucket?encryption`
    DeleteBucketEncryption "s3:PutEncryptionConfiguration" => delete;
}

async fn get(
    access: &StoreAccess,
    bucket: BucketRecord,
    _: &mut RequestBody,
) -> Result<Reply, S3Error> {
    let BucketEncryption { aes256, bucket_key, customer_keys } = bucket.encryption;
    let encrypted = aes256 || access.store().encryption() == Encryption::On;
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

/// Resets the bucket to the default of a new bucket. Only the block of customers' keys stays: a call to delete
/// the encryption does not ask to unblock them.
async fn delete(
    access: &StoreAccess,
    bucket: BucketRecord,
    _: &mut RequestBody,
) -> Result<Reply, S3Error> {
    let customer_keys = bucket.encryption.customer_keys;
    let encryption = BucketEncryption { customer_keys, ..BucketEncryption::default() };
    of_bucket::set(access, &bucket.name, BucketSetting::Encryption(encryption)).await?;
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
        let document =
            document::read_digested(call.access(), body, DOCUMENT_BYTES_MAX, terms).await?;
        let document = document::present(document)?;
        // The record is read after the document: customers' keys may have been blocked while it was being sent.
        let bucket = of_bucket::found(&call, name).await?;
        let read: Configuration = xml::parse("ServerSideEncryptionConfiguration", &document)?;
        let [rule] = read.rules.as_slice() else { return Err(S3Error::new(Code::MalformedXml)) };
        let said = rule.customer_keys()?;
        let encryption = BucketEncryption {
            aes256: rule.aes256()?,
            bucket_key: flag(rule.bucket_key_enabled.as_deref())?,
            // A document that does not mention customers' keys leaves them blocked or allowed as they were.
            customer_keys: said.or(bucket.encryption.customer_keys),
        };
        of_bucket::set(call.access(), name, BucketSetting::Encryption(encryption)).await?;
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
            // There is no KMS. If the bucket took this setting, no write into it would succeed any more.
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
