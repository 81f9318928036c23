//! `ListObjects` and `ListObjectsV2`: both read the same request and the same page of the store, and write
//! different documents.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use iam::AccountId;
use store::{
    BucketName, ListAfter, ListEntry, ListObjects as PageQuery, ObjectPage, ObjectSummary,
};

use crate::body::RequestBody;
use crate::error::{S3Error, refusal};
use crate::gate::{Authorized, StoreAccess};
use crate::operation::{Operation, Permission};
use crate::request::S3Request;
use crate::respond::Reply;
use crate::s3::{
    BUCKET_REGION, KeyEncoding, PAGE_MAX, canonical_id, checksum, headers, quoted, xml_time,
};
use crate::xml::XmlWriter;

/// The condition keys of listings.
pub(crate) const LIST_KEYS: &[(&str, &str)] =
    &[("s3:prefix", "prefix"), ("s3:delimiter", "delimiter"), ("s3:max-keys", "max-keys")];

/// What both versions read of a request.
#[derive(Debug)]
struct Listing {
    bucket: BucketName,
    prefix: String,
    delimiter: Option<String>,
    limit: u32,
    encoding: KeyEncoding,
}

impl Listing {
    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        Ok(Self {
            bucket: request.bucket()?,
            prefix: request.query.get("prefix").unwrap_or_default().to_owned(),
            delimiter: delimiter(request),
            limit: request.number("max-keys", PAGE_MAX)?.unwrap_or(PAGE_MAX),
            encoding: KeyEncoding::read(request)?,
        })
    }

    async fn page(&self, access: &StoreAccess, after: ListAfter) -> Result<ObjectPage, S3Error> {
        if self.limit == 0 {
            return Ok(ObjectPage { entries: Vec::new(), next: None });
        }
        let query = PageQuery {
            prefix: self.prefix.clone(),
            delimiter: self.delimiter.clone(),
            after,
            limit: usize::try_from(self.limit).unwrap_or_default(),
        };
        let bucket = access.bucket(&self.bucket).await?.reference();
        let page = access.store().list_objects(&bucket, query).await.map_err(refusal::of_store)?;
        page.ok_or_else(|| refusal::no_such_bucket(&self.bucket))
    }

    /// Writes the entries as S3 does: all objects, then all common prefixes.
    fn write_entries(&self, xml: &mut XmlWriter, page: &ObjectPage, owner: Option<&AccountId>) {
        for entry in &page.entries {
            if let ListEntry::Object(object) = entry {
                xml.element("Contents", |xml| write_object(xml, object, self.encoding, owner));
            }
        }
        for entry in &page.entries {
            if let ListEntry::CommonPrefix(prefix) = entry {
                write_common_prefix(xml, prefix, self.encoding);
            }
        }
    }
}

/// The delimiter; an empty one counts as absent.
pub(crate) fn delimiter(request: &S3Request<'_>) -> Option<String> {
    request.query.get("delimiter").filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The common prefix that a marker is, or lies in. A page contains a common prefix once for all keys below it,
/// so the next page must begin after all of them. With delimiter `/`, the marker `a/1` lies in `a/`: the next
/// page begins after `a/…`.
pub(crate) fn rolled_up<'m>(
    marker: &'m str,
    prefix: &str,
    delimiter: Option<&str>,
) -> Option<&'m str> {
    let delimiter = delimiter?;
    let at = marker.strip_prefix(prefix)?.find(delimiter)?;
    marker.get(..prefix.len() + at + delimiter.len())
}

fn write_object(
    xml: &mut XmlWriter,
    object: &ObjectSummary,
    encoding: KeyEncoding,
    owner: Option<&AccountId>,
) {
    xml.text("Key", &encoding.apply(object.key.as_str()));
    write_summary(xml, object);
    if let Some(owner) = owner {
        write_owner(xml, owner);
    }
    xml.text("StorageClass", headers::class_name(object.storage_class.as_deref()));
}

/// Writes what every listing says of an object between its key and its owner.
pub(crate) fn write_summary(xml: &mut XmlWriter, object: &ObjectSummary) {
    xml.text("LastModified", &xml_time(object.last_modified));
    xml.text("ETag", &quoted(&object.etag));
    if let Some((algorithm, kind)) = object.checksum {
        xml.text("ChecksumAlgorithm", checksum::algorithm_name(algorithm));
        xml.text("ChecksumType", checksum::type_name(kind));
    }
    xml.plain("Size", object.size);
}

pub(crate) fn write_owner(xml: &mut XmlWriter, owner: &AccountId) {
    xml.element("Owner", |xml| xml.text("ID", &canonical_id(owner)));
}

pub(crate) fn write_common_prefix(xml: &mut XmlWriter, prefix: &str, encoding: KeyEncoding) {
    xml.element("CommonPrefixes", |xml| xml.text("Prefix", &encoding.apply(prefix)));
}

/// `GET /bucket`
#[derive(Debug)]
pub(crate) struct ListObjects {
    listing: Listing,
    marker: String,
}

impl Operation for ListObjects {
    const QUERY_KEYS: &'static [(&'static str, &'static str)] = LIST_KEYS;

    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        if let Some(version) = request.query.get("list-type") {
            return Err(S3Error::invalid_argument(
                "Invalid List Type specified in Request",
                "list-type",
                version,
            ));
        }
        let marker = request.query.get("marker").unwrap_or_default().to_owned();
        Ok(Self { listing: Listing::read(request)?, marker })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        vec![Permission::bucket("s3:ListBucket", &self.listing.bucket)]
    }

    async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
        let (Self { listing, marker }, access) = call.split();
        let delimiter = listing.delimiter.as_deref();
        let after = if marker.is_empty() {
            ListAfter::Start
        } else if let Some(prefix) = rolled_up(&marker, &listing.prefix, delimiter) {
            ListAfter::CommonPrefix(prefix.to_owned())
        } else {
            ListAfter::Key(marker.clone())
        };
        let page = listing.page(&access, after).await?;
        let owner = super::of_bucket::owner(&access, &listing.bucket).await?;
        let encoding = listing.encoding;
        let document = XmlWriter::result("ListBucketResult", |xml| {
            xml.text("Name", listing.bucket.as_str());
            xml.text("Prefix", &encoding.apply(&listing.prefix));
            xml.text("Marker", &encoding.apply(&marker));
            let next = next_marker(&page, delimiter);
            xml.optional("NextMarker", next.map(|text| encoding.apply(text)).as_deref());
            xml.plain("MaxKeys", listing.limit);
            xml.optional("Delimiter", delimiter.map(|text| encoding.apply(text)).as_deref());
            xml.optional("EncodingType", encoding.name());
            xml.plain("IsTruncated", page.next.is_some());
            listing.write_entries(xml, &page, Some(&owner));
        });
        let mut reply = Reply::xml(document);
        reply.set_text(BUCKET_REGION, &access.context().config.region);
        Ok(reply)
    }
}

/// The marker for the next page, if the last key on this page is not enough: the page may end with a common
/// prefix, or after keys that are deleted.
fn next_marker<'p>(page: &'p ObjectPage, delimiter: Option<&str>) -> Option<&'p str> {
    let next = match page.next.as_ref()? {
        ListAfter::Start => return None,
        ListAfter::Key(next) | ListAfter::CommonPrefix(next) => next.as_str(),
    };
    let implied = delimiter.is_none()
        && matches!(page.entries.last(), Some(ListEntry::Object(last)) if last.key.as_str() == next);
    (!implied).then_some(next)
}

/// `GET /bucket?list-type=2`
#[derive(Debug)]
pub(crate) struct ListObjectsV2 {
    listing: Listing,
    start_after: Option<String>,
    continuation: Option<(String, ListAfter)>,
    fetch_owner: bool,
}

impl Operation for ListObjectsV2 {
    const QUERY_KEYS: &'static [(&'static str, &'static str)] = LIST_KEYS;

    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        let continuation = match request.query.get("continuation-token") {
            None => None,
            // An empty token is valid: it means the beginning, and is repeated in the answer.
            Some("") => Some((String::new(), ListAfter::Start)),
            Some(token) => {
                let after = parse_token(token).ok_or_else(|| {
                    S3Error::invalid_argument(
                        "The continuation token provided is incorrect",
                        "continuation-token",
                        token,
                    )
                })?;
                Some((token.to_owned(), after))
            }
        };
        Ok(Self {
            listing: Listing::read(request)?,
            start_after: request
                .query
                .get("start-after")
                .filter(|text| !text.is_empty())
                .map(str::to_owned),
            continuation,
            fetch_owner: request.query.get("fetch-owner").is_some_and(|text| text == "true"),
        })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        vec![Permission::bucket("s3:ListBucket", &self.listing.bucket)]
    }

    async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
        let (Self { listing, start_after, continuation, fetch_owner }, access) = call.split();
        let after = match (&continuation, &start_after) {
            (Some((token, after)), _) if !token.is_empty() => after.clone(),
            (_, Some(key)) => ListAfter::Key(key.clone()),
            (_, None) => ListAfter::Start,
        };
        let page = listing.page(&access, after).await?;
        let owner = if fetch_owner {
            Some(super::of_bucket::owner(&access, &listing.bucket).await?)
        } else {
            None
        };
        let encoding = listing.encoding;
        let document = XmlWriter::result("ListBucketResult", |xml| {
            xml.text("Name", listing.bucket.as_str());
            xml.text("Prefix", &encoding.apply(&listing.prefix));
            xml.optional("ContinuationToken", continuation.as_ref().map(|(t, _)| t.as_str()));
            let next = page.next.as_ref().and_then(token);
            xml.optional("NextContinuationToken", next.as_deref());
            let start_after = start_after.as_deref().map(|text| encoding.apply(text));
            xml.optional("StartAfter", start_after.as_deref());
            xml.plain("KeyCount", page.entries.len());
            xml.plain("MaxKeys", listing.limit);
            let delimiter = listing.delimiter.as_deref().map(|text| encoding.apply(text));
            xml.optional("Delimiter", delimiter.as_deref());
            xml.optional("EncodingType", encoding.name());
            xml.plain("IsTruncated", page.next.is_some());
            listing.write_entries(xml, &page, owner.as_ref());
        });
        let mut reply = Reply::xml(document);
        reply.set_text(BUCKET_REGION, &access.context().config.region);
        Ok(reply)
    }
}

/// The continuation token of a page. It is opaque to clients: a letter for the kind of the last entry, then its
/// key or prefix.
fn token(after: &ListAfter) -> Option<String> {
    let text = match after {
        ListAfter::Start => return None,
        ListAfter::Key(key) => format!("k{key}"),
        ListAfter::CommonPrefix(prefix) => format!("p{prefix}"),
    };
    Some(URL_SAFE_NO_PAD.encode(text))
}

fn parse_token(token: &str) -> Option<ListAfter> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    if let Some(key) = text.strip_prefix('k') {
        return Some(ListAfter::Key(key.to_owned()));
    }
    text.strip_prefix('p').map(|prefix| ListAfter::CommonPrefix(prefix.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_as_they_went() {
        for after in [ListAfter::Key("a/ü".into()), ListAfter::CommonPrefix("a/".into())] {
            assert_eq!(parse_token(&token(&after).unwrap()), Some(after));
        }
        assert_eq!(parse_token("!"), None);
        assert_eq!(parse_token(""), None);
    }

    #[test]
    fn a_page_without_entries_still_says_where_it_ended() {
        let page = |next| ObjectPage { entries: Vec::new(), next };
        assert_eq!(next_marker(&page(None), None), None);
        assert_eq!(next_marker(&page(Some(ListAfter::Key("k".into()))), None), Some("k"));
    }

    #[test]
    fn markers_in_common_prefixes() {
        let check = |marker, prefix, delimiter, expected| {
            assert_eq!(rolled_up(marker, prefix, delimiter), expected, "{marker}");
        };
        check("a/", "", Some("/"), Some("a/"));
        check("a/b", "", Some("/"), Some("a/"));
        check("a/b/", "", Some("/"), Some("a/"));
        check("a/b/", "a/", Some("/"), Some("a/b/"));
        check("a/b/c", "a/", Some("/"), Some("a/b/"));
        check("a/b", "a/", Some("/"), None);
        check("b/c", "a/", Some("/"), None);
        check("a--b", "", Some("--"), Some("a--"));
        check("a/", "", None, None);
    }
}
