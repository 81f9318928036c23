//! `valet links`: what becomes of links after they were made.

use std::io::Read as _;

use anyhow::{Context as _, anyhow};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::args::links::{Links, LinksCommand, NamedLinks, Revoke};
use crate::aws::Api;
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::remote::{Call, Remote};
use crate::{table, transfer};

const PATH: &str = "/_valet/api/v1/revocations";
const JSON: &str = "application/json";
/// The most pages of a list. A list with more pages is taken for one without an end.
const PAGES_MAX: usize = 10_000;
/// The longest link that is read from standard input.
const URL_BYTES_MAX: u64 = 64 * 1024;

/// What is to be revoked, as the server reads it.
#[derive(Debug, Default, Serialize)]
struct WantedRevocation {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

/// A revocation as the server answers it, and as `--json` prints it.
#[derive(Debug, Deserialize, Serialize)]
struct Revocation {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_key_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    scope: String,
    signed_before: String,
    lives_until: String,
    revoked_at: String,
    revoked_by: String,
}

#[derive(Deserialize)]
struct Revocations {
    revocations: Vec<Revocation>,
    next: Option<String>,
}

pub(crate) fn run(arguments: &Links) -> Result<(), Failure> {
    let form = arguments.remote.form();
    transfer::block_on(async {
        let remote = Remote::connect(&arguments.remote.aws).await?;
        match &arguments.command {
            LinksCommand::Revoke(wanted) => revoke(&remote, wanted, form).await,
            LinksCommand::Ls { revocations: _ } => list(&remote, form).await,
            LinksCommand::Undo { id } => {
                let path = format!("{PATH}/{}", presign::encode_component(id.as_bytes()));
                send(&remote, &Method::DELETE, &path, "", "").await.map(drop)
            }
        }
    })
}

async fn revoke(remote: &Remote, wanted: &Revoke, form: Form) -> Result<(), Failure> {
    let Revoke { links, before, until } = wanted.clone();
    let NamedLinks { url, fingerprint, key, object, prefix } = links;
    let url = match url {
        Some(text) if text == "-" => Some(read_url()?),
        other => other,
    };
    let document =
        WantedRevocation { url, fingerprint, access_key_id: key, object, prefix, before, until };
    let body = serde_json::to_string(&document).context("cannot write JSON")?;
    let made: Revocation = parse(&send(remote, &Method::POST, PATH, "", &body).await?)?;
    if made.scope == "own" {
        output::note(format_args!(
            "only links that you signed yourself are revoked: for those of others you need valet:RevokeLinks"
        ));
    }
    if made.fingerprint.is_none() {
        output::note(format_args!(
            "a SigV2 link does not say when it was signed: those that match are refused until {}",
            made.lives_until
        ));
    }
    let line = format!("revoked {} until {} (id {})", named(&made), made.lives_until, made.id);
    output::answer(form, &made, [line])
}

fn read_url() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .take(URL_BYTES_MAX)
        .read_to_string(&mut text)
        .context("cannot read the link from standard input")?;
    Ok(text)
}

async fn list(remote: &Remote, form: Form) -> Result<(), Failure> {
    let mut all = Vec::new();
    let mut query = String::new();
    for _ in 0..PAGES_MAX {
        let page: Revocations = parse(&send(remote, &Method::GET, PATH, &query, "").await?)?;
        all.extend(page.revocations);
        let Some(next) = page.next else {
            let rows: Vec<_> = all.iter().map(row).collect();
            let header = ["ID", "LINKS", "SIGNED UNTIL", "LIVES UNTIL", "WHOSE", "BY"];
            let lines = table::lines(header, &rows);
            return output::answer(form, &json!({ "revocations": all }), lines);
        };
        query = format!("after={}", presign::encode_component(next.as_bytes()));
    }
    Err(Failure::failed(anyhow!("the list of revocations does not end")))
}

fn row(one: &Revocation) -> [String; 6] {
    let Revocation { id, scope, signed_before, lives_until, revoked_by, .. } = one;
    // One link is known by its signature, whenever it was signed.
    let signed = if one.fingerprint.is_some() { String::new() } else { signed_before.clone() };
    [id.clone(), named(one), signed, lives_until.clone(), scope.clone(), revoked_by.clone()]
}

/// The links of a revocation, in words.
fn named(one: &Revocation) -> String {
    let Revocation { fingerprint, access_key_id, object, prefix, .. } = one;
    if let Some(fingerprint) = fingerprint {
        let short: String = fingerprint.chars().take(16).collect();
        return match object {
            Some(object) => format!("the link {short} to {object}"),
            None => format!("the link {short}"),
        };
    }
    match (access_key_id, object, prefix) {
        (Some(id), _, _) => format!("all links of the key {id}"),
        (None, Some(object), _) => format!("all links to {object}"),
        (None, None, Some(prefix)) => format!("all links to {prefix}*"),
        (None, None, None) => String::new(),
    }
}

async fn send(
    remote: &Remote,
    method: &Method,
    path: &str,
    query: &str,
    body: &str,
) -> Result<String, Failure> {
    let content_type = (!body.is_empty()).then_some(JSON);
    remote.send(Call { method, path, query, content_type, body, api: Api::S3 }).await
}

fn parse<T: serde::de::DeserializeOwned>(answer: &str) -> Result<T, Failure> {
    serde_json::from_str(answer).context("the answer cannot be read").map_err(Failure::from)
}
