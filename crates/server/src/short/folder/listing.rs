//! What is in a folder, a page at a time: the server asks itself for a listing, as whoever made the link.

use jiff::Timestamp;
use presign::{LinkConditions, decode_component};
use serde::Deserialize;
use store::ManagedLink;

use crate::error::{Code, S3Error};
use crate::gate::LentRequest;
use crate::respond::ReplyBody;
use crate::short::ask::OwnRequests;
use crate::short::visit::lent_for;

/// The parameter by which a listing goes on.
const AFTER: &str = "continuation-token";

/// A folder below that of a link, or that folder itself.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// How all keys below the folder of the link begin.
    pub(crate) prefix: String,
    /// What follows in the keys of this folder: empty, or it ends with a slash.
    pub(crate) path: String,
}

/// One page of what is in a folder.
#[derive(Debug, Default)]
pub(crate) struct FolderPage {
    /// The names of folders below, each with its slash.
    pub(crate) folders: Vec<String>,
    pub(crate) files: Vec<FolderFile>,
    /// Whether an object says that there is a folder, which may be empty.
    is_marked: bool,
    /// Where the next page goes on; `None`: there are no more.
    pub(crate) next: Option<String>,
}

/// The most pages of a folder that are counted for people.
const PAGES_COUNTED_MAX: usize = 10;

/// How much is in a folder, as far as its pages are counted.
#[derive(Clone, Debug, Default)]
pub(super) struct FolderExtent {
    /// Where each page begins; the first one at nothing.
    pub(super) starts: Vec<Option<String>>,
    pub(super) folders: u64,
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// Whether there is no more than was counted.
    pub(super) is_whole: bool,
}

impl FolderExtent {
    /// What one page tells.
    pub(super) fn of_page(page: &FolderPage) -> Self {
        let mut extent = Self::default();
        extent.add(page);
        extent
    }

    fn add(&mut self, page: &FolderPage) {
        let number = |many: usize| u64::try_from(many).unwrap_or(u64::MAX);
        self.folders = self.folders.saturating_add(number(page.folders.len()));
        self.files = self.files.saturating_add(number(page.files.len()));
        self.bytes = page.files.iter().fold(self.bytes, |sum, file| sum.saturating_add(file.size));
        self.is_whole = page.next.is_none();
    }

    /// Which page begins there, counted from nought; `None`: none that was counted.
    pub(super) fn number(&self, after: Option<&str>) -> Option<usize> {
        self.starts.iter().position(|start| start.as_deref() == after)
    }

    pub(super) fn pages_in_words(&self) -> String {
        let many = self.starts.len();
        if self.is_whole { many.to_string() } else { format!("more than {many}") }
    }
}

/// A file in a folder.
#[derive(Debug)]
pub(crate) struct FolderFile {
    /// The rest of its key behind the folder that is listed.
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) modified: Timestamp,
}

/// A listing as S3 answers it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListBucketResult {
    #[serde(default)]
    contents: Vec<Contents>,
    #[serde(default)]
    common_prefixes: Vec<CommonPrefix>,
    next_continuation_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Contents {
    key: String,
    last_modified: String,
    size: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CommonPrefix {
    prefix: String,
}

impl FolderPage {
    /// Whether there is no such folder, as far as its first page tells.
    fn is_nothing(&self) -> bool {
        self.folders.is_empty() && self.files.is_empty() && self.next.is_none() && !self.is_marked
    }
}

impl Place {
    /// How all keys in the folder begin.
    pub(crate) fn whole_prefix(&self) -> String {
        format!("{}{}", self.prefix, self.path)
    }

    /// One page of what is in the folder: files, and folders as such.
    pub(super) async fn list_one_level(
        &self,
        requests: &OwnRequests,
        link: &ManagedLink,
        after: Option<&str>,
    ) -> Result<FolderPage, S3Error> {
        self.list(requests, link, &[("delimiter", Some("/")), (AFTER, after)]).await
    }

    /// How much is in the folder: the first pages, or all.
    pub(super) async fn extent(
        &self,
        requests: &OwnRequests,
        link: &ManagedLink,
    ) -> Result<FolderExtent, S3Error> {
        let (mut extent, mut after) = (FolderExtent::default(), None);
        for _ in 0..PAGES_COUNTED_MAX {
            let page = self.list_one_level(requests, link, after.as_deref()).await?;
            extent.starts.push(after);
            extent.add(&page);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(extent)
    }

    /// One page of all files in the folder, and in those below it.
    pub(crate) async fn list_all_levels(
        &self,
        requests: &OwnRequests,
        link: &ManagedLink,
        after: Option<&str>,
    ) -> Result<FolderPage, S3Error> {
        self.list(requests, link, &[(AFTER, after)]).await
    }

    async fn list(
        &self,
        requests: &OwnRequests,
        link: &ManagedLink,
        more: &[(&str, Option<&str>)],
    ) -> Result<FolderPage, S3Error> {
        let prefix = self.whole_prefix();
        let mut query =
            vec![("list-type", "2"), ("encoding-type", "url"), ("prefix", prefix.as_str())];
        query.extend(more.iter().filter_map(|(name, value)| Some((*name, (*value)?))));
        let lent = LentRequest {
            method: "GET",
            key: "",
            query: &query,
            headers: &[],
            expires_in: lent_for()?,
            conditions: LinkConditions::default(),
        };
        let reply = requests.ask(link, &lent).await?;
        let ReplyBody::Full(document) = reply.body else {
            return Err(S3Error::new(Code::InternalError));
        };
        let page = read(&document, &prefix)?;
        let is_first = more.iter().all(|(name, value)| *name != AFTER || value.is_none());
        // The folder of the link itself may be filled later.
        if is_first && page.is_nothing() && !self.path.is_empty() {
            return Err(S3Error::new(Code::NoSuchKey));
        }
        Ok(page)
    }
}

/// Reads a listing, of which nothing is outside of the prefix.
fn read(document: &[u8], prefix: &str) -> Result<FolderPage, S3Error> {
    let internal = || S3Error::new(Code::InternalError);
    let text = std::str::from_utf8(document).map_err(|cause| internal().because(cause))?;
    let listed: ListBucketResult =
        quick_xml::de::from_str(text).map_err(|cause| internal().because(cause))?;
    let name = |encoded: &str| {
        let key = String::from_utf8(decode_component(encoded).into_owned()).ok()?;
        key.strip_prefix(prefix).map(str::to_owned)
    };
    let mut page = FolderPage { next: listed.next_continuation_token, ..FolderPage::default() };
    for CommonPrefix { prefix } in listed.common_prefixes {
        page.folders.push(name(&prefix).ok_or_else(internal)?);
    }
    for Contents { key, last_modified, size } in listed.contents {
        let name = name(&key).ok_or_else(internal)?;
        // An object of the folder's own name only says that there is a folder.
        if name.is_empty() {
            page.is_marked = true;
        } else {
            let modified: Timestamp =
                last_modified.parse().map_err(|cause: jiff::Error| internal().because(cause))?;
            page.files.push(FolderFile { name, size, modified });
        }
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_read_as_it_is_written() {
        let listing = |contents: &str| {
            format!(
                "<ListBucketResult xmlns=\"x\"><Name>b</Name><Prefix>a/</Prefix><KeyCount>1</KeyCount>{contents}</ListBucketResult>"
            )
        };
        let object = |key: &str| {
            format!(
                "<Contents><Key>{key}</Key><LastModified>2026-06-15T12:00:00.000Z</LastModified><ETag>&quot;x&quot;</ETag><Size>7</Size></Contents>"
            )
        };
        let check = |contents: &str, expected: Option<(&[&str], &[&str], Option<&str>)>| {
            let page = read(listing(contents).as_bytes(), "a/").ok();
            let page = page.map(|page| {
                assert!(page.files.iter().all(|file| file.size == 7));
                let files: Vec<_> = page.files.iter().map(|file| file.name.clone()).collect();
                (page.folders, files, page.next)
            });
            let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
            let expected = expected.map(|(folders, files, next)| {
                (owned(folders), owned(files), next.map(str::to_owned))
            });
            assert_eq!(page, expected, "{contents}");
        };
        let folder =
            |name: &str| format!("<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>");
        check("", Some((&[], &[], None)));
        check(&object("a/b%0A%2B%25"), Some((&[], &["b\n+%"], None)));
        check(&format!("{}{}", object("a/"), object("a/b")), Some((&[], &["b"], None)));
        check(
            &format!(
                "<NextContinuationToken>t</NextContinuationToken>{}{}",
                folder("a/b/"),
                folder("a/c/")
            ),
            Some((&["b/", "c/"], &[], Some("t"))),
        );
        check(&object("b/c"), None);
        check(&folder("b/"), None);
        check("<Contents>", None);
    }
}
