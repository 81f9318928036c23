//! Calls of CloudFront's control API: documents of XML under the state that they were read in.

use anyhow::{Context as _, anyhow};
use jiff::Timestamp;
use quick_xml::escape::escape;
use reqwest::Method;
use reqwest::header::ETAG;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::aws::Api;
use crate::failure::Failure;
use crate::remote::{Call, Remote};
use crate::{clock, refusal, remote as answers};

const VERSION: &str = "2020-05-31";
const NAMESPACE: &str = "http://cloudfront.amazonaws.com/doc/2020-05-31/";
/// The most pages of a list. A list with more is taken for one without an end.
const PAGES_MAX: usize = 10_000;

/// A document, and the state in which it was read.
pub(super) struct Document {
    pub(super) text: String,
    pub(super) etag: String,
}

impl Document {
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let read = quick_xml::de::from_str(&self.text);
        read.context("the answer of the server cannot be read").map_err(Failure::from)
    }
}

/// One call: method and path below the version.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    /// The state that is changed.
    pub(super) if_match: Option<&'a str>,
    pub(super) body: &'a str,
}

impl<'a> Asked<'a> {
    pub(super) fn get(path: &'a str) -> Self {
        Self { method: &Method::GET, path, query: "", if_match: None, body: "" }
    }

    pub(super) fn post(path: &'a str, body: &'a str) -> Self {
        Self { method: &Method::POST, path, query: "", if_match: None, body }
    }

    pub(super) fn put(path: &'a str, etag: &'a str, body: &'a str) -> Self {
        Self { method: &Method::PUT, path, query: "", if_match: Some(etag), body }
    }

    pub(super) fn delete(path: &'a str, etag: &'a str) -> Self {
        Self { method: &Method::DELETE, path, query: "", if_match: Some(etag), body: "" }
    }

    pub(super) async fn send(self, remote: &Remote) -> Result<Document, Failure> {
        let Self { method, path, query, if_match, body } = self;
        let path = format!("/{VERSION}/{path}");
        let content_type = (!body.is_empty()).then_some("text/xml");
        let api = Api::CloudFront;
        let call = Call { method, path: &path, query, content_type, body, api };
        let headers: Vec<_> = if_match.iter().map(|etag| ("if-match", *etag)).collect();
        let response = remote.ask(call, &headers).await?;
        if !response.status().is_success() {
            return Err(refusal::read_own(response).await);
        }
        let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok());
        let etag = etag.unwrap_or_default().to_owned();
        Ok(Document { text: answers::read(response).await?, etag })
    }
}

/// The members of a list, whatever they are called.
#[derive(Debug, Deserialize)]
pub(super) struct Items<T> {
    #[serde(rename = "$value", default = "Vec::new")]
    pub(super) all: Vec<T>,
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self { all: Vec::new() }
    }
}

/// A list within a document; an empty one has no `Items`.
#[derive(Debug, Deserialize)]
pub(super) struct Members<T> {
    #[serde(rename = "Items", default = "Items::default")]
    items: Items<T>,
}

impl<T> Default for Members<T> {
    fn default() -> Self {
        Self { items: Items::default() }
    }
}

impl<T> Members<T> {
    pub(super) fn into_vec(self) -> Vec<T> {
        self.items.all
    }
}

#[derive(Deserialize)]
struct Page<T> {
    #[serde(rename = "NextMarker")]
    next_marker: Option<String>,
    #[serde(rename = "Items", default = "Items::default")]
    items: Items<T>,
}

/// The whole list at a path.
pub(super) async fn list<T: DeserializeOwned>(
    remote: &Remote,
    path: &str,
) -> Result<Vec<T>, Failure> {
    let mut all = Vec::new();
    let mut query = String::new();
    for _ in 0..PAGES_MAX {
        let page: Page<T> =
            Asked { query: &query, ..Asked::get(path) }.send(remote).await?.read()?;
        all.extend(page.items.all);
        match page.next_marker {
            // A marker is an id, which needs no encoding; any other would not be the server's.
            Some(marker) if marker.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                query = format!("Marker={marker}");
            }
            Some(_) => break,
            None => return Ok(all),
        }
    }
    Err(Failure::failed(anyhow!("the list of {path} does not end")))
}

/// An element with text.
pub(super) fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape(text))
}

/// A list of elements with text, as documents of CloudFront have it.
pub(super) fn elements(list: &str, name: &str, texts: &[impl AsRef<str>]) -> String {
    let quantity = element("Quantity", &texts.len().to_string());
    if texts.is_empty() {
        return format!("<{list}>{quantity}</{list}>");
    }
    let items: String = texts.iter().map(|text| element(name, text.as_ref())).collect();
    format!("<{list}>{quantity}<Items>{items}</Items></{list}>")
}

/// A document with this root.
pub(super) fn document(root: &str, content: &str) -> String {
    format!("<{root} xmlns=\"{NAMESPACE}\">{content}</{root}>")
}

/// How [`reference()`] begins, by which what this command made is known.
pub(super) const REFERENCE_BEGINS: &str = "valet-";

/// Text that no other call gives: a server takes a call with the same reference for the same call.
pub(super) fn reference() -> String {
    let now: Timestamp = clock::now();
    format!("{REFERENCE_BEGINS}{}-{}", now.as_nanosecond(), std::process::id())
}

/// Text of a path's segment. Ids need no encoding; any other text is not found.
pub(super) fn checked<'i>(id: &'i str, what: &str) -> Result<&'i str, Failure> {
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_id.then_some(id).ok_or_else(|| Failure::usage(anyhow!("`{id}` is not the id of {what}")))
}
