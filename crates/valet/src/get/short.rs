//! Short links: where they lead is learned before a use of the link is spent, and a page is never taken for a file.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};

use super::{name_in_headers, name_in_url};
use crate::failure::Failure;
use crate::{refusal, transfer};

/// The type of what a form of a page sends.
const FORM: &str = "application/x-www-form-urlencoded";

/// How a link is asked for its object.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// By its URL.
    Opens(Url),
    /// As the button of its page does, since everybody is shown a page first: the link, and the form.
    Presses(Url, String),
}

impl Entry {
    pub(super) fn request(&self, client: &Client) -> RequestBuilder {
        match self {
            Self::Opens(url) => client.get(url.clone()),
            Self::Presses(link, form) => {
                client.post(link.clone()).header(CONTENT_TYPE, FORM).body(form.clone())
            }
        }
    }
}

/// What a short link leads to.
pub(super) struct Way {
    pub(super) entry: Entry,
    /// Where it sends on to, if that is on the same server; otherwise that is left to the rules for redirects.
    pub(super) target: Option<Url>,
    /// The name of the file.
    pub(super) name: PathBuf,
}

/// Finds out where a short link leads. `None`: that is not clear, and whoever fetches the object will be told why.
pub(super) async fn find_way(
    scout: &Client,
    (url, bare): (&Url, &Url),
    passphrase: Option<&str>,
) -> Result<Option<Way>, Failure> {
    // The zip of a folder is made and counted when it is asked for, and its head alone is not.
    let wants_zip = url.query_pairs().any(|(name, _)| name == "zip");
    let method = if wants_zip { Method::HEAD } else { Method::GET };
    let asked = scout.request(method, url.clone()).header(ACCEPT, "application/json");
    let response = transfer::answer(asked).await?;
    let status = response.status();
    let kind = media_type(response.headers());
    if status.is_redirection() {
        let target = sends_on(&response, bare)?.context("the link sends on to itself")?;
        return Ok(Some(way(Entry::Opens(url.clone()), target)));
    }
    if status == StatusCode::OK && kind == "application/json" {
        return Err(Failure::failed(anyhow!(
            "this link is one to a folder: 'LINK?zip' gets all of it, and LINK/NAME one file"
        )));
    }
    if kind == "text/html" && !status.is_server_error() {
        return press(scout, bare, passphrase).await.map(Some);
    }
    if status == StatusCode::OK && wants_zip {
        let name = name_in_headers(response.headers()).unwrap_or_else(|| "folder.zip".into());
        return Ok(Some(Way { entry: Entry::Opens(url.clone()), target: None, name }));
    }
    if status.is_client_error() && !wants_zip {
        return Err(refusal::read(response).await);
    }
    Ok(None)
}

/// Does what the button of the link's page does. A page for those who send files leads back to itself.
async fn press(client: &Client, bare: &Url, passphrase: Option<&str>) -> Result<Way, Failure> {
    let field = |passphrase: &str| {
        format!("passphrase={}", presign::encode_component(passphrase.as_bytes()))
    };
    let entry = Entry::Presses(bare.clone(), passphrase.map(field).unwrap_or_default());
    let response = transfer::answer(entry.request(client)).await?;
    let takes_files = || {
        Failure::failed(anyhow!("this link is one by which files are sent: valet put FILE LINK"))
    };
    if response.status().is_redirection() {
        let target = sends_on(&response, bare)?.ok_or_else(takes_files)?;
        return Ok(way(entry, target));
    }
    if media_type(response.headers()) == "text/html" {
        return Err(takes_files());
    }
    Err(refusal::read(response).await)
}

fn way(entry: Entry, target: Url) -> Way {
    let name = name_in_url(&target);
    let of = match &entry {
        Entry::Opens(url) | Entry::Presses(url, _) => url.origin(),
    };
    Way { entry, target: Some(target).filter(|target| target.origin() == of), name }
}

/// Where an answer sends on to. `None`: to the link itself.
fn sends_on(response: &Response, bare: &Url) -> Result<Option<Url>, Failure> {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let location = location.context("the link sends on to nowhere")?;
    let target = response.url().join(location).ok();
    let target = target.context("the link sends on to what is no address")?;
    Ok(Some(target).filter(|target| target.path() != bare.path()))
}

fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    kind.trim().to_ascii_lowercase()
}
