//! `x-amz-copy-source`: reads which object the header names, in any of its spellings.

use iam::Values;
use store::{BucketName, ObjectKey, VersionId};

use crate::error::S3Error;
use crate::reading::Reading;
use crate::request::S3Request;
use crate::route;

pub(super) const NAME: &str = "x-amz-copy-source";

/// The source object of a copy.
#[derive(Debug)]
pub(super) struct NamedSource {
    pub(super) bucket: BucketName,
    pub(super) key: ObjectKey,
    pub(super) version_id: Option<VersionId>,
}

impl NamedSource {
    /// Reads `bucket/key`, with or without a slash before it, or a whole URL by a name of this server. The
    /// value is encoded like a query, so a plus is a space. `?versionId=…` may follow.
    pub(super) fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        let text = request.owned_header(NAME).unwrap_or_default();
        let refused = || {
            S3Error::invalid_argument(
                "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
                NAME,
                text.as_str(),
            )
        };
        let (path, version) = match text.split_once("?versionId=") {
            Some((path, version)) => (path, Some(version)),
            None => (text.as_str(), None),
        };
        let (bucket, key) = match after_scheme(path) {
            Some(rest) => read_url(rest, request).ok_or_else(refused)?,
            None => read_path(path).ok_or_else(refused)?,
        };
        let bucket = std::str::from_utf8(&bucket).map_err(|_| refused())?;
        let bucket = BucketName::parse(bucket).map_err(|_| refused())?;
        let key = route::parse_key(&key).map_err(|_| refused())?;
        let version_id = version.map(VersionId::parse).transpose().map_err(|_| {
            S3Error::invalid_argument("Invalid version id specified", NAME, text.as_str())
        })?;
        Ok(Self { bucket, key, version_id })
    }

    /// The condition key `s3:x-amz-copy-source`, always in the same spelling. If it were the header's own,
    /// `%73ecret` would get past a rule about `secret`.
    pub(super) fn condition(&self, key: &str) -> Option<Values<'_>> {
        let Self { bucket, key: source, version_id: _ } = self;
        (key == "s3:x-amz-copy-source").then(|| Values::One(format!("{bucket}/{source}").into()))
    }
}

type BucketAndKey = (Vec<u8>, Vec<u8>);

fn read_path(path: &str) -> Option<BucketAndKey> {
    let decoded = presign::decode_query_component(path);
    let path = decoded.strip_prefix(b"/").unwrap_or(&decoded);
    let slash = path.iter().position(|byte| *byte == b'/')?;
    let (bucket, key) = path.split_at_checked(slash)?;
    Some((bucket.to_vec(), key.get(1..)?.to_vec()))
}

/// A URL names what a request to it would name. At the host of another server it names nothing.
fn read_url(rest: &str, request: &S3Request<'_>) -> Option<BucketAndKey> {
    let site = request.site?;
    let (host, path) = rest.split_at_checked(rest.find('/')?)?;
    if !host.eq_ignore_ascii_case(site.host) && !site.config.knows(host) {
        return None;
    }
    let path = path.replace('+', "%20");
    let reading = Reading::at(host, &path, site.config);
    let resource = reading.resource();
    Some((resource.bucket?.to_vec(), resource.key.to_vec()))
}

/// The text after `http://` or `https://`.
fn after_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)).then_some(rest)
}
