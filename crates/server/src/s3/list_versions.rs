//! `ListObjectVersions`.

use store::{
    BucketName, ListVersions, ObjectKey, VersionAfter, VersionEntry, VersionId, VersionPage,
};

use crate::body::RequestBody;
use crate::error::{S3Error, refusal};
use crate::gate::Authorized;
use crate::operation::{Operation, Permission};
use crate::request::S3Request;
use crate::respond::Reply;
use crate::s3::list::{
    LIST_KEYS, delimiter, rolled_up, write_common_prefix, write_owner, write_summary,
};
use crate::s3::{KeyEncoding, PAGE_MAX, headers, xml_time};
use crate::xml::XmlWriter;

/// `GET /bucket?versions`
#[derive(Debug)]
pub(crate) struct ListObjectVersions {
    bucket: BucketName,
    prefix: String,
    delimiter: Option<String>,
    key_marker: String,
    version_id_marker: Option<String>,
    after: VersionAfter,
    limit: u32,
    encoding: KeyEncoding,
}

impl Operation for ListObjectVersions {
    const QUERY_KEYS: &'static [(&'static str, &'static str)] = LIST_KEYS;

    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        let query = request.query;
        let prefix = query.get("prefix").unwrap_or_default().to_owned();
        let delimiter = delimiter(request);
        let key_marker = query.get("key-marker").unwrap_or_default().to_owned();
        let version_id_marker =
            query.get("version-id-marker").filter(|text| !text.is_empty()).map(str::to_owned);
        let after = match (key_marker.as_str(), version_id_marker.as_deref()) {
            ("", None) => VersionAfter::Start,
            ("", Some(version)) => {
                return Err(S3Error::invalid_argument(
                    "A version-id marker cannot be specified without a key marker.",
                    "version-id-marker",
                    version,
                ));
            }
            (marker, version) => {
                let version = version.map(|version| after_version(marker, version)).transpose()?;
                match (rolled_up(marker, &prefix, delimiter.as_deref()), version) {
                    (Some(prefix), _) => VersionAfter::CommonPrefix(prefix.to_owned()),
                    (None, Some(version)) => version,
                    (None, None) => VersionAfter::Key(marker.to_owned()),
                }
            }
        };
        Ok(Self {
            bucket: request.bucket()?,
            prefix,
            delimiter,
            key_marker,
            version_id_marker,
            after,
            limit: request.number("max-keys", PAGE_MAX)?.unwrap_or(PAGE_MAX),
            encoding: KeyEncoding::read(request)?,
        })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        vec![Permission::bucket("s3:ListBucketVersions", &self.bucket)]
    }

    async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
        let (list, access) = call.split();
        let page = if list.limit == 0 {
            VersionPage { entries: Vec::new(), next: None }
        } else {
            let query = ListVersions {
                prefix: list.prefix.clone(),
                delimiter: list.delimiter.clone(),
                after: list.after.clone(),
                limit: usize::try_from(list.limit).unwrap_or_default(),
            };
            let bucket = access.bucket(&list.bucket).await?.reference();
            let page = access.store().list_versions(&bucket, query).await;
            page.map_err(refusal::of_store)?.ok_or_else(|| refusal::no_such_bucket(&list.bucket))?
        };
        let owner = super::of_bucket::owner(&access, &list.bucket).await?;
        let document = XmlWriter::result("ListVersionsResult", |xml| {
            list.write_frame(xml, &page);
            for entry in &page.entries {
                list.write_version(xml, entry, &owner);
            }
            for entry in &page.entries {
                if let VersionEntry::CommonPrefix(prefix) = entry {
                    write_common_prefix(xml, prefix, list.encoding);
                }
            }
        });
        Ok(Reply::xml(document))
    }
}

fn after_version(marker: &str, version: &str) -> Result<VersionAfter, S3Error> {
    let key = ObjectKey::parse(marker).map_err(|_| {
        S3Error::invalid_argument("Invalid key marker specified", "key-marker", marker)
    })?;
    let version = VersionId::parse(version).map_err(|_| {
        S3Error::invalid_argument("Invalid version id specified", "version-id-marker", version)
    })?;
    Ok(VersionAfter::Version(key, version))
}

impl ListObjectVersions {
    fn write_frame(&self, xml: &mut XmlWriter, page: &VersionPage) {
        let encoding = self.encoding;
        xml.text("Name", self.bucket.as_str());
        xml.text("Prefix", &encoding.apply(&self.prefix));
        xml.text("KeyMarker", &encoding.apply(&self.key_marker));
        xml.text("VersionIdMarker", self.version_id_marker.as_deref().unwrap_or_default());
        match &page.next {
            None | Some(VersionAfter::Start) => {}
            Some(VersionAfter::Key(key) | VersionAfter::CommonPrefix(key)) => {
                xml.text("NextKeyMarker", &encoding.apply(key));
            }
            Some(VersionAfter::Version(key, version)) => {
                xml.text("NextKeyMarker", &encoding.apply(key.as_str()));
                xml.text("NextVersionIdMarker", &version.to_string());
            }
        }
        xml.plain("MaxKeys", self.limit);
        let delimiter = self.delimiter.as_deref().map(|text| encoding.apply(text));
        xml.optional("Delimiter", delimiter.as_deref());
        xml.optional("EncodingType", encoding.name());
        xml.plain("IsTruncated", page.next.is_some());
    }

    fn write_version(&self, xml: &mut XmlWriter, entry: &VersionEntry, owner: &iam::AccountId) {
        match entry {
            VersionEntry::Version(version) => xml.element("Version", |xml| {
                let object = &version.object;
                xml.text("Key", &self.encoding.apply(object.key.as_str()));
                xml.text("VersionId", &version.version_id.to_string());
                xml.plain("IsLatest", version.is_latest);
                write_summary(xml, object);
                write_owner(xml, owner);
                xml.text("StorageClass", headers::class_name(object.storage_class.as_deref()));
            }),
            VersionEntry::DeleteMarker { key, version_id, is_latest, last_modified } => {
                xml.element("DeleteMarker", |xml| {
                    xml.text("Key", &self.encoding.apply(key.as_str()));
                    xml.text("VersionId", &version_id.to_string());
                    xml.plain("IsLatest", is_latest);
                    xml.text("LastModified", &xml_time(*last_modified));
                    write_owner(xml, owner);
                });
            }
            VersionEntry::CommonPrefix(_) => {}
        }
    }
}
