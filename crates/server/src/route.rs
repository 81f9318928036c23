//! One table says which request is which operation. It is closed: a request without a row is refused, never
//! guessed.

use hyper::Method;
use store::{BucketName, ObjectKey};

use crate::error::{Code, S3Error};
use crate::reading::NamedResource;
use crate::request::Query;

/// Query parameters that name a sub-resource of a bucket or object, in the S3 API of 2026. One without a row in
/// [`ROUTES`] is answered 501 and changes nothing.
pub(crate) const SUB_RESOURCES: &[&str] = &[
    "abac",
    "accelerate",
    "acl",
    "analytics",
    "annotation",
    "append",
    "attributes",
    "cors",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "session",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versioning",
    "versions",
    "website",
];

/// The rows of [`MEANING_HEADERS`] for keys of the customer's own (SSE-C): for the object that is written or
/// read, and for the source of a copy.
pub(crate) const OBJECT_KEY: &str = "x-amz-server-side-encryption-customer-";
pub(crate) const SOURCE_KEY: &str = "x-amz-copy-source-server-side-encryption-customer-";

/// Headers that change what a request means. Either the operation honours such a header
/// ([`crate::operation::Operation::HONOURS`]) or the request is refused with 501. A name that ends in `-`
/// stands for all that begin with it.
pub(crate) const MEANING_HEADERS: &[&str] = &[
    "x-amz-acl",
    "x-amz-bucket-namespace",
    "x-amz-bucket-object-lock-enabled",
    "x-amz-bypass-governance-retention",
    "x-amz-copy-source",
    "x-amz-copy-source-range",
    SOURCE_KEY,
    "x-amz-grant-",
    "x-amz-if-match-",
    "x-amz-mfa",
    "x-amz-object-lock-",
    "x-amz-object-ownership",
    "x-amz-rename-source",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled",
    "x-amz-server-side-encryption-context",
    OBJECT_KEY,
    "x-amz-tagging",
    "x-amz-website-redirect-location",
    "x-amz-write-offset-bytes",
];

/// The row of [`MEANING_HEADERS`] for a lower-case name: the exact one, otherwise the longest beginning.
pub(crate) fn meaning_of(name: &str) -> Option<&'static str> {
    let fits = |row: &&&str| **row == name || (row.ends_with('-') && name.starts_with(**row));
    MEANING_HEADERS.iter().rev().find(fits).copied()
}

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/`
    Service,
    Bucket(BucketName),
    Object(BucketName, ObjectKey),
}

/// Whether a row is for the service, a bucket or an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Service,
    Bucket,
    Object,
}

/// What else tells two operations of the same method, level and sub-resource apart. The signature covers all of
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    /// The header `x-amz-copy-source` was sent.
    Copy,
    /// A query parameter was sent.
    Query(&'static str),
    /// A query parameter has this value.
    Is(&'static str, &'static str),
}

/// Declares [`Call`], its names and [`ROUTES`] together, so that none can be forgotten.
macro_rules! routes {
    ($($method:ident $level:ident $sub:literal $when:expr => $call:ident;)*) => {
        /// The calls that are served.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Call { $($call,)* }

        impl Call {
            /// The name of the operation in the API of AWS.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$call => stringify!($call),)* }
            }
        }

        /// The table; the first row that fits decides.
        const ROUTES: &[Row] = &[$(Row {
            method: Method::$method,
            level: Level::$level,
            sub_resource: $sub,
            when: $when,
            call: Call::$call,
        },)*];
    };
}

struct Row {
    method: Method,
    level: Level,
    /// Empty for the bucket or object itself.
    sub_resource: &'static str,
    when: When,
    call: Call,
}

routes! {
    GET Service "" When::Always => ListBuckets;

    GET Bucket "" When::Is("list-type", "2") => ListObjectsV2;
    GET Bucket "" When::Always => ListObjects;
    GET Bucket "versions" When::Always => ListObjectVersions;
    GET Bucket "uploads" When::Always => ListMultipartUploads;
    PUT Bucket "" When::Always => CreateBucket;
    HEAD Bucket "" When::Always => HeadBucket;
    DELETE Bucket "" When::Always => DeleteBucket;
    POST Bucket "" When::Always => PostObject;
    POST Bucket "delete" When::Always => DeleteObjects;
    GET Bucket "cors" When::Always => GetBucketCors;
    PUT Bucket "cors" When::Always => PutBucketCors;
    DELETE Bucket "cors" When::Always => DeleteBucketCors;
    GET Bucket "location" When::Always => GetBucketLocation;
    GET Bucket "ownershipControls" When::Always => GetBucketOwnershipControls;
    PUT Bucket "ownershipControls" When::Always => PutBucketOwnershipControls;
    DELETE Bucket "ownershipControls" When::Always => DeleteBucketOwnershipControls;
    GET Bucket "policy" When::Always => GetBucketPolicy;
    PUT Bucket "policy" When::Always => PutBucketPolicy;
    DELETE Bucket "policy" When::Always => DeleteBucketPolicy;
    GET Bucket "policyStatus" When::Always => GetBucketPolicyStatus;
    GET Bucket "publicAccessBlock" When::Always => GetPublicAccessBlock;
    PUT Bucket "publicAccessBlock" When::Always => PutPublicAccessBlock;
    DELETE Bucket "publicAccessBlock" When::Always => DeletePublicAccessBlock;
    GET Bucket "tagging" When::Always => GetBucketTagging;
    PUT Bucket "tagging" When::Always => PutBucketTagging;
    DELETE Bucket "tagging" When::Always => DeleteBucketTagging;
    GET Bucket "encryption" When::Always => GetBucketEncryption;
    PUT Bucket "encryption" When::Always => PutBucketEncryption;
    GET Bucket "website" When::Always => GetBucketWebsite;
    PUT Bucket "website" When::Always => PutBucketWebsite;
    DELETE Bucket "website" When::Always => DeleteBucketWebsite;
    DELETE Bucket "encryption" When::Always => DeleteBucketEncryption;
    PUT Bucket "acl" When::Always => PutBucketAcl;
    PUT Object "acl" When::Always => PutObjectAcl;
    GET Bucket "versioning" When::Always => GetBucketVersioning;
    PUT Bucket "versioning" When::Always => PutBucketVersioning;

    // Settings that clients read without being asked to. The answer is that of a bucket where they were never
    // set.
    GET Bucket "accelerate" When::Always => GetBucketAccelerateConfiguration;
    GET Bucket "acl" When::Always => GetBucketAcl;
    GET Bucket "analytics" When::Query("id") => GetBucketAnalyticsConfiguration;
    GET Bucket "analytics" When::Always => ListBucketAnalyticsConfigurations;
    GET Bucket "intelligent-tiering" When::Query("id") => GetBucketIntelligentTieringConfiguration;
    GET Bucket "intelligent-tiering" When::Always => ListBucketIntelligentTieringConfigurations;
    GET Bucket "inventory" When::Query("id") => GetBucketInventoryConfiguration;
    GET Bucket "inventory" When::Always => ListBucketInventoryConfigurations;
    GET Bucket "lifecycle" When::Always => GetBucketLifecycleConfiguration;
    GET Bucket "logging" When::Always => GetBucketLogging;
    GET Bucket "metrics" When::Query("id") => GetBucketMetricsConfiguration;
    GET Bucket "metrics" When::Always => ListBucketMetricsConfigurations;
    GET Bucket "notification" When::Always => GetBucketNotificationConfiguration;
    GET Bucket "object-lock" When::Always => GetObjectLockConfiguration;
    GET Bucket "replication" When::Always => GetBucketReplication;
    GET Bucket "requestPayment" When::Always => GetBucketRequestPayment;

    GET Object "" When::Always => GetObject;
    HEAD Object "" When::Always => HeadObject;
    PUT Object "" When::Copy => CopyObject;
    PUT Object "" When::Always => PutObject;
    DELETE Object "" When::Always => DeleteObject;
    GET Object "attributes" When::Always => GetObjectAttributes;
    GET Object "acl" When::Always => GetObjectAcl;
    GET Object "tagging" When::Always => GetObjectTagging;
    PUT Object "tagging" When::Always => PutObjectTagging;
    DELETE Object "tagging" When::Always => DeleteObjectTagging;
    GET Object "legal-hold" When::Always => GetObjectLegalHold;
    GET Object "retention" When::Always => GetObjectRetention;

    POST Object "uploads" When::Always => CreateMultipartUpload;
    PUT Object "uploadId" When::Copy => UploadPartCopy;
    PUT Object "uploadId" When::Always => UploadPart;
    POST Object "uploadId" When::Always => CompleteMultipartUpload;
    DELETE Object "uploadId" When::Always => AbortMultipartUpload;
    GET Object "uploadId" When::Always => ListParts;
}

/// Checks the names of bucket and key.
pub(crate) fn target(resource: NamedResource<'_>) -> Result<Target, S3Error> {
    let NamedResource { bucket, key } = resource;
    let Some(bucket) = bucket else { return Ok(Target::Service) };
    let bucket = parse_bucket(bucket)?;
    if key.is_empty() {
        return Ok(Target::Bucket(bucket));
    }
    Ok(Target::Object(bucket, parse_key(key)?))
}

/// The bucket that is named, and the level, even if the key is not valid.
pub(crate) fn bucket(resource: NamedResource<'_>) -> (Option<BucketName>, Level) {
    let NamedResource { bucket, key } = resource;
    let Some(bucket) = bucket else { return (None, Level::Service) };
    let level = if key.is_empty() { Level::Bucket } else { Level::Object };
    (parse_bucket(bucket).ok(), level)
}

fn parse_bucket(bytes: &[u8]) -> Result<BucketName, S3Error> {
    let text = String::from_utf8_lossy(bytes);
    BucketName::parse(&text).map_err(|cause| {
        S3Error::new(Code::InvalidBucketName).detail("BucketName", text).because(cause)
    })
}

/// Reads a key of 1 to 1024 bytes of UTF-8, byte for byte.
pub(crate) fn parse_key(bytes: &[u8]) -> Result<ObjectKey, S3Error> {
    use store::ObjectKeyError as Error;
    ObjectKey::from_bytes(bytes).map_err(|error| match error {
        Error::Empty | Error::NotUtf8 => S3Error::new(Code::InvalidUri).because(error),
        Error::TooLong { size } => S3Error::new(Code::KeyTooLong)
            .detail("Size", size.to_string())
            .detail("MaxSizeAllowed", "1024")
            .because(error),
    })
}

/// The operation of a request. Only parts that the signature covers decide.
pub(crate) fn call(
    method: &Method,
    target: &Target,
    query: &Query<'_>,
    copies: bool,
) -> Result<Call, S3Error> {
    let level = match target {
        Target::Service => Level::Service,
        Target::Bucket(_) => Level::Bucket,
        Target::Object(_, _) => Level::Object,
    };
    let sub_resource = sub_resource(query)?;
    let fits = |row: &&Row| {
        row.level == level
            && row.sub_resource == sub_resource
            && match row.when {
                When::Always => true,
                When::Copy => copies,
                When::Query(name) => query.has(name),
                When::Is(name, value) => query.get(name) == Some(value),
            }
    };
    let mut rows = ROUTES.iter().filter(fits);
    if let Some(row) = rows.find(|row| row.method == *method) {
        return Ok(row.call);
    }
    if sub_resource.is_empty() {
        return Err(method_not_allowed(method, level));
    }
    Err(S3Error::not_implemented(sub_resource))
}

/// The sub-resource that the query names. Two different ones contradict each other.
fn sub_resource(query: &Query<'_>) -> Result<&'static str, S3Error> {
    let mut found = "";
    for (name, _) in query.iter() {
        let Ok(at) = SUB_RESOURCES.binary_search(&name) else { continue };
        let name = SUB_RESOURCES.get(at).copied().unwrap_or_default();
        if found.is_empty() || found == name {
            found = name;
            continue;
        }
        let (one, other) = if found < name { (found, name) } else { (name, found) };
        return Err(S3Error::with_message(
            Code::InvalidArgument,
            format!("Conflicting query string parameters: {one}, {other}"),
        )
        .detail("ArgumentName", "ResourceType")
        .detail("ArgumentValue", one));
    }
    Ok(found)
}

fn method_not_allowed(method: &Method, level: Level) -> S3Error {
    S3Error::new(Code::MethodNotAllowed)
        .detail("Method", method.as_str())
        .detail("ResourceType", resource_type(level))
}

/// The same refusal for a path whose first segment is the prefix of a public URL, and so no bucket.
pub(crate) fn is_prefix(method: &Method, prefix: &str) -> S3Error {
    S3Error::with_message(
        Code::MethodNotAllowed,
        format!(
            "The specified method is not allowed against this resource: {prefix} is the prefix of a public URL of this server, and no bucket can have that name."
        ),
    )
    .detail("Method", method.as_str())
    .detail("ResourceType", resource_type(Level::Service))
}

/// The level as refusals name it.
pub(crate) fn resource_type(level: Level) -> &'static str {
    match level {
        Level::Service => "SERVICE",
        Level::Bucket => "BUCKET",
        Level::Object => "OBJECT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a path names in path style.
    fn named(path: &[u8]) -> NamedResource<'_> {
        let path = &path[1..];
        let mut parts = path.splitn(2, |byte| *byte == b'/');
        let bucket = parts.next().filter(|_| !path.is_empty());
        NamedResource { bucket, key: parts.next().unwrap_or_default() }
    }

    fn routed(method: &str, path: &str, query: &str) -> String {
        let method: Method = method.parse().unwrap();
        let query = Query::parse(query).unwrap();
        let path = presign::decode_component(path);
        match target(named(&path)).and_then(|target| call(&method, &target, &query, false)) {
            Ok(call) => format!("{call:?}"),
            Err(error) => error.code().wire().to_owned(),
        }
    }

    #[test]
    fn rows() {
        let check = |method: &str, path: &str, query: &str, expected: &str| {
            assert_eq!(routed(method, path, query), expected, "{method} {path}?{query}");
        };
        check("GET", "/", "", "ListBuckets");
        check("GET", "/bucket", "", "ListObjects");
        check("GET", "/bucket/", "list-type=2", "ListObjectsV2");
        check("GET", "/bucket/k", "x-id=GetObject&unknown=1", "GetObject");
        check("GET", "/bucket//", "", "GetObject");
        check("PUT", "/bucket/k", "partNumber=1&uploadId=u", "UploadPart");
        check("PUT", "/bucket/k", "acl", "PutObjectAcl");
        check("PUT", "/bucket", "policy", "PutBucketPolicy");
        check("PUT", "/bucket", "cors", "PutBucketCors");
        check("PUT", "/bucket", "lifecycle", "NotImplemented");
        check("GET", "/bucket", "acl&policy", "InvalidArgument");
        check("POST", "/bucket/k", "", "MethodNotAllowed");
        check("POST", "/bucket", "", "PostObject");
        check("POST", "/bucket/", "x-id=1", "PostObject");
        check("PATCH", "/bucket", "", "MethodNotAllowed");
        check("GET", "/UPPER", "", "InvalidBucketName");
        check("GET", "/bucket/%80", "", "InvalidURI");
        check("GET", &format!("/bucket/{}", "k".repeat(1024)), "", "GetObject");
        check("GET", &format!("/bucket/{}", "k".repeat(1025)), "", "KeyTooLongError");
    }

    #[test]
    fn tables_are_sorted_so_that_they_can_be_searched() {
        assert!(SUB_RESOURCES.is_sorted());
        assert!(MEANING_HEADERS.is_sorted());
    }

    #[test]
    fn meanings() {
        let check = |name, expected| assert_eq!(meaning_of(name), expected, "{name}");
        check("x-amz-acl", Some("x-amz-acl"));
        check("x-amz-aclx", None);
        check("x-amz-grant-read", Some("x-amz-grant-"));
        check("x-amz-server-side-encryption", Some("x-amz-server-side-encryption"));
        check(
            "x-amz-server-side-encryption-customer-key",
            Some("x-amz-server-side-encryption-customer-"),
        );
        check("x-amz-copy-source", Some("x-amz-copy-source"));
        check("x-amz-copy-source-if-match", None);
        check("x-amz-meta-acl", None);
    }

    #[test]
    fn every_sub_resource_without_a_writing_row_is_refused() {
        for sub in SUB_RESOURCES {
            for (method, path) in [("PUT", "/bucket"), ("PUT", "/bucket/k"), ("POST", "/bucket/k")]
            {
                let got = routed(method, path, sub);
                let served = [
                    "CreateMultipartUpload",
                    "UploadPart",
                    "CompleteMultipartUpload",
                    "PutBucketVersioning",
                    "PutBucketOwnershipControls",
                    "PutBucketCors",
                    "PutBucketWebsite",
                    "PutBucketPolicy",
                    "PutPublicAccessBlock",
                    "PutBucketEncryption",
                    "PutBucketTagging",
                    "PutObjectTagging",
                    "PutBucketAcl",
                    "PutObjectAcl",
                ];
                assert!(
                    got == "NotImplemented" || served.contains(&got.as_str()),
                    "{method} {path}?{sub}: {got}"
                );
            }
        }
    }
}
