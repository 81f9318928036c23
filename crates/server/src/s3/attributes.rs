//! `GetObjectAttributes`.

use hyper::header::LAST_MODIFIED;
use store::{BucketName, ChecksumType, ObjectKey, VersionId};

use crate::body::RequestBody;
use crate::error::S3Error;
use crate::gate::Authorized;
use crate::operation::{Operation, Permission};
use crate::request::S3Request;
use crate::respond::Reply;
use crate::s3::customer_key::{self, SentKey};
use crate::s3::found::{FoundObject, find};
use crate::s3::{PAGE_MAX, VERSION_ID, checksum, headers, http_time};
use crate::xml::XmlWriter;

const NAMES: &[&str] = &["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];

/// `GET /bucket/key?attributes`
#[derive(Debug)]
pub(crate) struct GetObjectAttributes {
    bucket: BucketName,
    key: ObjectKey,
    version_id: Option<VersionId>,
    customer_key: Option<SentKey>,
    wanted: Vec<String>,
    max_parts: usize,
    after_part: u16,
}

impl Operation for GetObjectAttributes {
    const HONOURS: &'static [&'static str] = &[customer_key::OBJECT_KEY];

    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        let lines = request.headers.get_all("x-amz-object-attributes").iter();
        let sent = lines.filter_map(|line| line.to_str().ok()).collect::<Vec<_>>().join(",");
        let hoisted = request.owned_header("x-amz-object-attributes").unwrap_or_default();
        let list = if sent.is_empty() { hoisted } else { sent };
        let wanted: Vec<String> = list
            .split(',')
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect();
        if wanted.is_empty() || !wanted.iter().all(|name| NAMES.contains(&name.as_str())) {
            return Err(S3Error::invalid_argument(
                "Invalid attribute name specified.",
                "x-amz-object-attributes",
                list,
            ));
        }
        let number = |name: &'static str, default: u32| -> Result<u32, S3Error> {
            let Some(text) = request.header(name) else { return Ok(default) };
            text.parse().map_err(|_| {
                S3Error::invalid_argument(
                    "Argument must be an integer between 0 and 2147483647",
                    name,
                    text,
                )
            })
        };
        let max_parts = number("x-amz-max-parts", PAGE_MAX)?.min(PAGE_MAX);
        let after_part = number("x-amz-part-number-marker", 0)?;
        Ok(Self {
            bucket: request.bucket()?,
            key: request.key()?,
            version_id: headers::version_id(request)?,
            customer_key: SentKey::read(request)?,
            wanted,
            max_parts: usize::try_from(max_parts).unwrap_or_default(),
            after_part: u16::try_from(after_part).unwrap_or(u16::MAX),
        })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        let (read, attributes) = if self.version_id.is_some() {
            ("s3:GetObjectVersion", "s3:GetObjectVersionAttributes")
        } else {
            ("s3:GetObject", "s3:GetObjectAttributes")
        };
        let on = |action| {
            Permission::object(action, &self.bucket, &self.key).of_version(self.version_id.as_ref())
        };
        vec![on(read), on(attributes)]
    }

    async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
        let (read, access) = call.split();
        let found = find(&access, &read.bucket, &read.key, read.version_id.as_ref()).await?;
        customer_key::unlock(&access, &found.object, read.customer_key.as_ref())?;
        let document =
            XmlWriter::result("GetObjectAttributesResponse", |xml| read.write(xml, &found));
        let mut reply = Reply::xml(document);
        reply.set_text(LAST_MODIFIED, &http_time(found.object.last_modified));
        if found.versioned {
            reply.set_text(VERSION_ID, &found.object.version_id.to_string());
        }
        Ok(reply)
    }
}

impl GetObjectAttributes {
    fn wants(&self, name: &str) -> bool {
        self.wanted.iter().any(|wanted| wanted == name)
    }

    fn write(&self, xml: &mut XmlWriter, found: &FoundObject) {
        let object = &*found.object;
        if self.wants("ETag") {
            xml.text("ETag", &object.etag.to_string());
        }
        if self.wants("Checksum")
            && let Some(stored) = &object.checksum
        {
            xml.element("Checksum", |xml| {
                // In this document AWS leaves out the count of parts after the dash.
                let value = stored.value.split('-').next().unwrap_or_default();
                xml.text(checksum::element_name(stored.algorithm), value);
                xml.text("ChecksumType", checksum::type_name(stored.kind));
            });
        }
        if self.wants("ObjectParts") && !object.parts.is_empty() {
            xml.element("ObjectParts", |xml| self.write_parts(xml, found));
        }
        if self.wants("StorageClass") {
            let class = object.attributes.storage_class.as_deref();
            xml.text("StorageClass", headers::class_name(class));
        }
        if self.wants("ObjectSize") {
            xml.plain("ObjectSize", object.size);
        }
    }

    /// The parts of the object. The SDKs call the count `TotalPartsCount`; on the wire it is `PartsCount`.
    ///
    /// As S3 does, the parts are listed one by one only if each has a checksum of its own.
    fn write_parts(&self, xml: &mut XmlWriter, found: &FoundObject) {
        let object = &*found.object;
        let composite =
            object.checksum.as_ref().filter(|stored| stored.kind == ChecksumType::Composite);
        xml.plain("PartsCount", object.parts.len());
        let Some(stored) = composite else { return };
        let below: Vec<_> = object
            .parts
            .iter()
            .filter(|part| part.number.number() > self.after_part)
            .take(self.max_parts)
            .collect();
        let last = below.last().map_or(self.after_part, |part| part.number.number());
        let truncated = object.parts.last().is_some_and(|part| part.number.number() > last);
        xml.plain("PartNumberMarker", self.after_part);
        xml.plain("NextPartNumberMarker", last);
        xml.plain("MaxParts", self.max_parts);
        xml.plain("IsTruncated", truncated);
        for part in below {
            xml.element("Part", |xml| {
                xml.plain("PartNumber", part.number.number());
                xml.plain("Size", part.size);
                let name = checksum::element_name(stored.algorithm);
                xml.optional(name, part.checksum.as_deref());
            });
        }
    }
}
