//! `valet ls`, and the pages of a listing for other commands.

mod json;

use anyhow::anyhow;
use serde::{Deserialize, Serialize};

use super::wire::{S3, Target, decoded};
use crate::failure::Failure;
use crate::location::S3Uri;
use crate::output::{self, Form};
use crate::{table, transfer};

/// The most pages of a listing. One with more is taken for one without an end.
const PAGES_MAX: usize = 100_000;
/// The width of the column in `aws s3 ls`, for scripts that cut by columns.
const TIME_WIDTH: usize = 20;
const SIZE_WIDTH: usize = 10;

/// An object in a listing.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Object {
    #[serde(rename(deserialize = "Key"))]
    pub(super) key: String,
    #[serde(rename(deserialize = "Size"))]
    pub(super) size: u64,
    #[serde(rename(deserialize = "LastModified"))]
    last_modified: String,
    #[serde(rename(deserialize = "ETag"), default)]
    etag: String,
}

/// One page of a listing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Page {
    #[serde(rename = "Contents", default)]
    pub(super) objects: Vec<Object>,
    #[serde(default)]
    common_prefixes: Vec<CommonPrefix>,
    next_continuation_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CommonPrefix {
    prefix: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Buckets {
    #[serde(default)]
    buckets: BucketList,
    continuation_token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct BucketList {
    #[serde(rename = "Bucket", default)]
    buckets: Vec<Bucket>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Bucket {
    #[serde(rename(deserialize = "Name"))]
    name: String,
    #[serde(rename(deserialize = "CreationDate"))]
    created_at: String,
}

/// Reads a listing page by page.
pub(super) struct Pages<'s> {
    s3: &'s S3,
    bucket: &'s str,
    prefix: &'s str,
    /// Empty: everything below the prefix is listed.
    delimiter: &'static str,
    token: Option<String>,
    left: usize,
}

impl<'s> Pages<'s> {
    /// A listing of all keys that begin with the prefix.
    pub(super) fn of_all(s3: &'s S3, bucket: &'s str, prefix: &'s str) -> Self {
        Self { s3, bucket, prefix, delimiter: "", token: None, left: PAGES_MAX }
    }

    /// A listing of what is directly below the prefix: keys and folders.
    pub(super) fn of_folder(s3: &'s S3, bucket: &'s str, prefix: &'s str) -> Self {
        Self { delimiter: "/", ..Self::of_all(s3, bucket, prefix) }
    }

    /// The next page; None after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Page>, Failure> {
        let is_first = self.left == PAGES_MAX;
        if !is_first && self.token.is_none() {
            return Ok(None);
        }
        let endless = || Failure::failed(anyhow!("the list does not end"));
        self.left = self.left.checked_sub(1).ok_or_else(endless)?;
        let mut query = vec![("list-type", "2"), ("encoding-type", "url"), ("prefix", self.prefix)];
        if !self.delimiter.is_empty() {
            query.push(("delimiter", self.delimiter));
        }
        if let Some(token) = &self.token {
            query.push(("continuation-token", token));
        }
        let mut page: Page = self.s3.read(Target::bucket(self.bucket), &query).await?;
        for object in &mut page.objects {
            object.key = decoded(&object.key);
            object.etag = transfer::bare_etag(&object.etag).to_owned();
        }
        for CommonPrefix { prefix } in &mut page.common_prefixes {
            *prefix = decoded(prefix);
        }
        self.token.clone_from(&page.next_continuation_token);
        Ok(Some(page))
    }
}

pub(super) async fn buckets(s3: &S3, form: Form) -> Result<(), Failure> {
    let mut document: Option<json::List> = None;
    let mut token: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let query: Vec<_> = token.iter().map(|token| ("continuation-token", &**token)).collect();
        let page: Buckets = s3.read(Target::service(), &query).await?;
        let found = page.buckets.buckets;
        if form == Form::Json {
            let document = match &mut document {
                Some(document) => document,
                // Nothing is written before there is an answer.
                None => document.insert(json::List::begin("buckets")?),
            };
            document.add(&found)?;
        } else {
            for Bucket { name, created_at } in &found {
                output::result(&format!("{} {}", time(created_at), table::shown(name)))?;
            }
        }
        token = page.continuation_token;
        if token.is_none() {
            return document.map_or(Ok(()), json::List::end);
        }
    }
    Err(Failure::failed(anyhow!("the list of buckets does not end")))
}

pub(super) async fn objects(
    s3: &S3,
    place: &S3Uri,
    recursive: bool,
    form: Form,
) -> Result<(), Failure> {
    let prefix = place.key.as_deref().unwrap_or_default();
    let mut pages = if recursive {
        Pages::of_all(s3, &place.bucket, prefix)
    } else {
        Pages::of_folder(s3, &place.bucket, prefix)
    };
    // Names are shown from the last folder of the prefix on, as `ls` does.
    let folder =
        if recursive { "" } else { prefix.rsplit_once('/').map_or("", |(folder, _)| folder) };
    let shown = |key: &str| {
        let name = key.strip_prefix(folder).unwrap_or(key);
        table::shown(if folder.is_empty() { name } else { name.strip_prefix('/').unwrap_or(name) })
    };
    // Written page by page: a long listing appears at once and is never held in memory.
    if form == Form::Json {
        // A refusal must come before anything is written.
        let mut page = pages.next().await?;
        let mut document = json::Document::begin(&place.bucket, prefix)?;
        while let Some(found) = page {
            document.add(&found)?;
            page = pages.next().await?;
        }
        return document.end();
    }
    while let Some(Page { objects: found, common_prefixes, .. }) = pages.next().await? {
        for CommonPrefix { prefix: folder } in common_prefixes {
            output::result(&format!(
                "{:>width$} {}",
                "PRE",
                shown(&folder),
                width = TIME_WIDTH + SIZE_WIDTH + 1
            ))?;
        }
        for Object { key, size, last_modified, .. } in &found {
            let time = time(last_modified);
            output::result(&format!("{time} {size:>SIZE_WIDTH$} {}", shown(key)))?;
        }
    }
    Ok(())
}

/// A time as S3 writes it, to the second, in UTC and saying so.
fn time(text: &str) -> String {
    let to_second =
        text.split_once('.').map_or_else(|| text.to_owned(), |(head, _)| format!("{head}Z"));
    format!("{:<TIME_WIDTH$}", table::shown(&to_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_to_the_second() {
        assert_eq!(time("2026-01-02T03:04:05.678Z"), "2026-01-02T03:04:05Z");
        assert_eq!(time("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05Z");
    }

    #[test]
    fn pages_are_read_whole() {
        let xml = "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>\
                   <IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>\
                   <Contents><Key>a</Key><LastModified>x</LastModified><ETag>&quot;e&quot;</ETag>\
                   <Size>3</Size></Contents><Contents><Key>b</Key><LastModified>x</LastModified>\
                   <Size>4</Size></Contents><CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes>\
                   </ListBucketResult>";
        let page: Page = super::super::wire::parse(xml).unwrap();
        let keys: Vec<_> = page.objects.iter().map(|object| (&*object.key, object.size)).collect();
        assert_eq!(keys, [("a", 3), ("b", 4)]);
        assert_eq!(page.common_prefixes.len(), 1);
        assert_eq!(page.next_continuation_token.as_deref(), Some("t"));
        let empty: Page =
            super::super::wire::parse("<ListBucketResult><Name>b</Name></ListBucketResult>")
                .unwrap();
        assert!(empty.objects.is_empty() && empty.next_continuation_token.is_none());
    }
}
