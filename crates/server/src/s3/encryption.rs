//! How new bodies are kept at rest: what a write asks, what its bucket says, and the calls that set it.

use hyper::StatusCode;
use iam::CustomerKey;
use serde::Deserialize;
use store::{
    AtRest, BucketEncryption, BucketName, BucketSetting, CustomerKeys, Encryption, ObjectKey,
    StageSpec, Upload,
};

use crate::body::RequestBody;
use crate::error::{Code, S3Error};
use crate::gate::{Authorized, Door};
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

/// How a write wants its bytes kept.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// `None`: it does not say.
    encryption: Option<Encryption>,
    customer_key: Option<SentKey>,
    /// It is of a part.
    part: bool,
}

impl Wish {
    /// Nothing, AES256, or a key of the customer's own. A key of somebody else's is not served.
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
        Ok(Self { encryption, customer_key: SentKey::read(request)?, part: false })
    }

    /// A part is kept as its upload was begun; a customer's key comes with every one.
    pub(crate) async fn of_part(
        door: &Door,
        upload: &Upload,
        customer_key: Option<SentKey>,
    ) -> Result<Self, S3Error> {
        customer_key::check_upload(door, upload, customer_key.as_ref())?;
        let wish = Self { encryption: upload.encryption, customer_key, part: true };
        // The bucket may have come to block such keys since.
        if wish.customer_key.is_some() {
            return wish.settle(door, upload.bucket.name(), &upload.key).await;
        }
        Ok(wish)
    }

    /// Whether it says anything.
    pub(crate) fn is_said(&self) -> bool {
        self.encryption.is_some() || self.customer_key.is_some()
    }

    /// What it does not say is as the bucket says; and what the bucket blocks is refused.
    pub(crate) async fn settle(
        &self,
        door: &Door,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<Self, S3Error> {
        if self.encryption.is_some() {
            return Ok(self.clone());
        }
        let setting = door.bucket(bucket).await?.encryption;
        match (&self.customer_key, setting.customer_keys) {
            (Some(_), Some(CustomerKeys::Blocked)) => Err(blocked(door, bucket, key)),
            (Some(_), Some(CustomerKeys::Allowed) | None) => Ok(self.clone()),
            (None, _) => {
                let encryption = setting.aes256.then_some(Encryption::On);
                Ok(Self { encryption, customer_key: None, part: self.part })
            }
        }
    }

    /// For bytes that are to be staged.
    pub(crate) fn stage(&self) -> StageSpec {
        StageSpec {
            encryption: self.encryption,
            customer_key: self.customer_key().cloned(),
            own_file: self.part,
            ..StageSpec::default()
        }
    }

    pub(crate) fn encryption(&self) -> Option<Encryption> {
        self.encryption
    }

    pub(crate) fn customer_key(&self) -> Option<&CustomerKey> {
        self.customer_key.as_ref().map(SentKey::key)
    }

    /// Tells how the bytes were kept.
    pub(crate) fn tell(&self, reply: &mut Reply, at_rest: AtRest) {
        set_encryption(reply, at_rest);
        if let Some(sent) = &self.customer_key {
            sent.tell(reply);
        }
    }
}

/// The words of AWS for a bucket that blocks customers' keys.
fn blocked(door: &Door, bucket: &BucketName, key: &ObjectKey) -> S3Error {
    let Some(arn) = door.principal().arn() else { return S3Error::new(Code::AccessDenied) };
    S3Error::with_message(
        Code::AccessDenied,
        format!(
            "User: {arn} is not authorized to perform: s3:PutObject on resource: \"arn:aws:s3:::{bucket}/{key}\" because this bucket has blocked upload requests that specify Server Side Encryption with Customer provided keys (SSE-C). Please specify a different server-side encryption type"
        ),
    )
}

/// Reads do not say how bytes are kept.
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

async fn get(door: &Door, bucket: BucketRecord, _: &mut RequestBody) -> Result<Reply, S3Error> {
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
async fn delete(door: &Door, bucket: BucketRecord, _: &mut RequestBody) -> Result<Reply, S3Error> {
    let customer_keys = bucket.encryption.customer_keys;
    let encryption = BucketEncryption { customer_keys, ..BucketEncryption::default() };
    of_bucket::set(door, &bucket.name, BucketSetting::Encryption(encryption)).await?;
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
            document::read_digested(call.door(), body, DOCUMENT_BYTES_MAX, terms).await?;
        let document = document::present(document)?;
        // As it is now: customers' keys may have been blocked while the document was sent.
        let bucket = of_bucket::found(&call, name).await?;
        let read: Configuration = xml::parse("ServerSideEncryptionConfiguration", &document)?;
        let [rule] = read.rules.as_slice() else { return Err(S3Error::new(Code::MalformedXml)) };
        let said = rule.customer_keys()?;
        let encryption = BucketEncryption {
            aes256: rule.aes256()?,
            bucket_key: flag(rule.bucket_key_enabled.as_deref())?,
            // What is not said again is not unblocked by that.
            customer_keys: said.or(bucket.encryption.customer_keys),
        };
        of_bucket::set(call.door(), name, BucketSetting::Encryption(encryption)).await?;
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
