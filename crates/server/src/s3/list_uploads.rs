//! `ListParts` and `ListMultipartUploads`.

use store::{
    BucketName, ListUploads, ObjectKey, PartNumber, Upload, UploadAfter, UploadEntry, UploadId,
    UploadPage,
};

use crate::body::RequestBody;
use crate::error::{S3Error, refusal};
use crate::gate::Authorized;
use crate::operation::{Operation, Permission};
use crate::request::S3Request;
use crate::respond::Reply;
use crate::s3::customer_key::{self, SentKey};
use crate::s3::list::{delimiter, rolled_up, write_common_prefix, write_owner};
use crate::s3::multipart::UploadTarget;
use crate::s3::{KeyEncoding, PAGE_MAX, canonical_id, checksum, headers, quoted, xml_time};
use crate::xml::XmlWriter;

/// `GET /bucket/key?uploadId`
#[derive(Debug)]
pub(crate) struct ListParts {
    target: UploadTarget,
    customer_key: Option<SentKey>,
    marker: u32,
    limit: u32,
    encoding: KeyEncoding,
}

impl Operation for ListParts {
    const HONOURS: &'static [&'static str] = &[customer_key::OBJECT_KEY];

    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        Ok(Self {
            target: UploadTarget::read(request)?,
            customer_key: SentKey::read(request)?,
            marker: request.number("part-number-marker", u32::MAX)?.unwrap_or(0),
            limit: request.number("max-parts", PAGE_MAX)?.unwrap_or(PAGE_MAX),
            encoding: KeyEncoding::read(request)?,
        })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        let Self { target, .. } = self;
        vec![Permission::object("s3:ListMultipartUploadParts", &target.bucket, &target.key)]
    }

    async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
        let (Self { target, customer_key, marker, limit, encoding }, access) = call.split();
        let upload = target.find(&access).await?;
        // No key is needed to list parts, but one that is sent must be the upload's. Checksums are told only
        // with it.
        if customer_key.is_some() {
            customer_key::check_upload(&access, &upload, customer_key.as_ref())?;
        }
        let tells_checksums =
            upload.checksum.is_some() && (upload.customer_key.is_none() || customer_key.is_some());
        let (after, beyond) = match u16::try_from(marker) {
            Ok(marker) => (PartNumber::new(marker).ok(), marker > store::PART_NUMBER_MAX),
            Err(_) => (None, true),
        };
        let page = if beyond || limit == 0 {
            store::PartPage { parts: Vec::new(), next: None }
        } else {
            let limit = usize::try_from(limit).unwrap_or_default();
            access.store().parts(&upload, after, limit).await.map_err(refusal::of_store)?
        };
        let owner = super::of_bucket::owner(&access, &target.bucket).await?;
        let document = XmlWriter::result("ListPartsResult", |xml| {
            xml.text("Bucket", target.bucket.as_str());
            xml.text("Key", &encoding.apply(target.key.as_str()));
            xml.text("UploadId", &target.upload_id);
            xml.plain("PartNumberMarker", marker);
            let last = page.next.or_else(|| page.parts.last().map(|part| part.number));
            xml.plain("NextPartNumberMarker", last.map_or(0, PartNumber::number));
            xml.plain("MaxParts", limit);
            xml.plain("IsTruncated", page.next.is_some());
            xml.optional("EncodingType", encoding.name());
            for part in &page.parts {
                xml.element("Part", |xml| {
                    xml.plain("PartNumber", part.number.number());
                    xml.text("LastModified", &xml_time(part.last_modified));
                    xml.text("ETag", &quoted(&part.etag));
                    xml.plain("Size", part.size);
                    if let Some(stored) = part.checksum.as_ref().filter(|_| tells_checksums) {
                        xml.text(checksum::element_name(stored.algorithm), &stored.value);
                    }
                });
            }
            write_initiator(xml, &upload);
            write_owner(xml, &owner);
            let class = upload.attributes.storage_class.as_deref();
            xml.text("StorageClass", headers::class_name(class));
            write_upload_checksum(xml, &upload);
        });
        Ok(Reply::xml(document))
    }
}

fn write_initiator(xml: &mut XmlWriter, upload: &Upload) {
    let who = upload.initiator.as_str();
    let id = iam::AccountId::parse(who)
        .map_or_else(|_| who.to_owned(), |account| canonical_id(&account));
    // Of `…:user/path/ann` it is `ann`, of `…:assumed-role/reader/ses` the session of the role.
    let (kind, rest) = who.split_once('/').unwrap_or(("", who));
    let name = if kind.ends_with(":user") { rest.rsplit('/').next().unwrap_or(rest) } else { rest };
    xml.element("Initiator", |xml| {
        xml.text("ID", &id);
        xml.text("DisplayName", name);
    });
}

fn write_upload_checksum(xml: &mut XmlWriter, upload: &Upload) {
    if let Some((algorithm, kind)) = upload.checksum {
        xml.text("ChecksumAlgorithm", checksum::algorithm_name(algorithm));
        xml.text("ChecksumType", checksum::type_name(kind));
    }
}

/// `GET /bucket?uploads`
#[derive(Debug)]
pub(crate) struct ListMultipartUploads {
    bucket: BucketName,
    prefix: String,
    delimiter: Option<String>,
    key_marker: String,
    upload_id_marker: String,
    limit: u32,
    encoding: KeyEncoding,
}

impl Operation for ListMultipartUploads {
    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        let text = |name| request.query.get(name).unwrap_or_default().to_owned();
        Ok(Self {
            bucket: request.bucket()?,
            prefix: text("prefix"),
            delimiter: delimiter(request),
            key_marker: text("key-marker"),
            upload_id_marker: text("upload-id-marker"),
            limit: request.number("max-uploads", PAGE_MAX)?.unwrap_or(PAGE_MAX),
            encoding: KeyEncoding::read(request)?,
        })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        vec![Permission::bucket("s3:ListBucketMultipartUploads", &self.bucket)]
    }

    async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
        let (list, access) = call.split();
        let page = if list.limit == 0 {
            UploadPage { entries: Vec::new(), next: None }
        } else {
            let query = ListUploads {
                prefix: list.prefix.clone(),
                delimiter: list.delimiter.clone(),
                after: list.after()?,
                limit: usize::try_from(list.limit).unwrap_or_default(),
            };
            let bucket = access.bucket(&list.bucket).await?.reference();
            let page = access.store().uploads(&bucket, query).await;
            page.map_err(refusal::of_store)?.ok_or_else(|| refusal::no_such_bucket(&list.bucket))?
        };
        let owner = super::of_bucket::owner(&access, &list.bucket).await?;
        let document = XmlWriter::result("ListMultipartUploadsResult", |xml| {
            list.write_frame(xml, &page);
            for entry in &page.entries {
                if let UploadEntry::Upload(upload) = entry {
                    xml.element("Upload", |xml| list.write_upload(xml, upload, &owner));
                }
            }
            for entry in &page.entries {
                if let UploadEntry::CommonPrefix(prefix) = entry {
                    write_common_prefix(xml, prefix, list.encoding);
                }
            }
        });
        Ok(Reply::xml(document))
    }
}

impl ListMultipartUploads {
    /// Where the listing continues. An upload id counts only together with a key.
    fn after(&self) -> Result<UploadAfter, S3Error> {
        let marker = self.key_marker.as_str();
        if marker.is_empty() {
            return Ok(UploadAfter::Start);
        }
        if let Some(prefix) = rolled_up(marker, &self.prefix, self.delimiter.as_deref()) {
            return Ok(UploadAfter::CommonPrefix(prefix.to_owned()));
        }
        if self.upload_id_marker.is_empty() {
            return Ok(UploadAfter::Key(marker.to_owned()));
        }
        let invalid =
            |name, value: &str| S3Error::invalid_argument("Invalid uploadId marker", name, value);
        let key = ObjectKey::parse(marker).map_err(|_| invalid("key-marker", marker))?;
        let id = UploadId::parse(&self.upload_id_marker)
            .map_err(|_| invalid("upload-id-marker", &self.upload_id_marker))?;
        Ok(UploadAfter::Upload(key, id))
    }

    fn write_frame(&self, xml: &mut XmlWriter, page: &UploadPage) {
        let encoding = self.encoding;
        xml.text("Bucket", self.bucket.as_str());
        xml.text("KeyMarker", &encoding.apply(&self.key_marker));
        xml.text("UploadIdMarker", &self.upload_id_marker);
        match &page.next {
            None | Some(UploadAfter::Start) => {}
            Some(UploadAfter::Key(key) | UploadAfter::CommonPrefix(key)) => {
                xml.text("NextKeyMarker", &encoding.apply(key));
            }
            Some(UploadAfter::Upload(key, id)) => {
                xml.text("NextKeyMarker", &encoding.apply(key.as_str()));
                xml.text("NextUploadIdMarker", &id.to_string());
            }
        }
        let delimiter = self.delimiter.as_deref().map(|text| encoding.apply(text));
        xml.optional("Delimiter", delimiter.as_deref());
        xml.text("Prefix", &encoding.apply(&self.prefix));
        xml.optional("EncodingType", encoding.name());
        xml.plain("MaxUploads", self.limit);
        xml.plain("IsTruncated", page.next.is_some());
    }

    fn write_upload(&self, xml: &mut XmlWriter, upload: &Upload, owner: &iam::AccountId) {
        xml.text("Key", &self.encoding.apply(upload.key.as_str()));
        xml.text("UploadId", &upload.id.to_string());
        write_initiator(xml, upload);
        write_owner(xml, owner);
        let class = upload.attributes.storage_class.as_deref();
        xml.text("StorageClass", headers::class_name(class));
        xml.text("Initiated", &xml_time(upload.initiated_at));
        write_upload_checksum(xml, upload);
    }
}
