//! `valet links ls`, `show` and `watch`: links that the server has made or seen, and their uses.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::anyhow;
use indicatif::HumanBytes;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::ManagedLinkId;

use super::PAGES_MAX;
use crate::args::limits::Opening;
use crate::args::links::{ListedLinks, WatchedLinks};
use crate::failure::Failure;
use crate::location::S3Uri;
use crate::output::{self, Form};
use crate::remote::{self, Remote};
use crate::{clock, table};

const LINKS: &str = "/_valet/api/v1/links";
const USES: &str = "/_valet/api/v1/uses";
/// The path of short links, below the prefix of a server.
const SHORT: &str = "/_valet/s/";
/// How often `watch` asks.
const WATCH_PERIOD: Duration = Duration::from_secs(2);

/// A link as the server answers it; what is not named here is passed on.
#[derive(Debug, Deserialize, Serialize)]
struct SeenLink {
    fingerprint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    kind: String,
    state: String,
    bucket: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    signer: String,
    expires_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uses: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uses_taken: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_files: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    totals: Option<Totals>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notices: Vec<SeenNotice>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    recorded: Vec<SeenUse>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Totals {
    served: u64,
    refused: u64,
    bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_used_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_used_at: Option<String>,
}

/// A notice as the server answers it.
#[derive(Debug, Deserialize, Serialize)]
struct SeenNotice {
    at: String,
    event: String,
    target: String,
    state: String,
    tries: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_try_at: Option<String>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// A use as the server answers it.
#[derive(Debug, Deserialize, Serialize)]
struct SeenUse {
    at: String,
    fingerprint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    operation: String,
    status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    bucket: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Links {
    links: Vec<SeenLink>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Uses {
    uses: Vec<SeenUse>,
    next: Option<String>,
}

/// The fingerprint of a short link, or of its id. `None`: the text is neither.
pub(super) fn short_link(text: &str) -> Option<String> {
    let id = text.split_once(SHORT).map_or(text, |(_, rest)| rest);
    let id = id.split(['?', '#', '/']).next().unwrap_or_default();
    Some(id.parse::<ManagedLinkId>().ok()?.fingerprint().to_string())
}

/// A link as the API is asked for it.
fn named(text: &str) -> Result<String, Failure> {
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if let Some(fingerprint) = short_link(text) {
        return Ok(fingerprint);
    }
    if is_hex(text) && [16, 64].contains(&text.len()) {
        return Ok(text.to_owned());
    }
    if let Ok(told) = presign::explain(&presign::ExplainQuestion::new(text), clock::now())
        && let Some(fingerprint) = told.fingerprint
    {
        return Ok(fingerprint.to_string());
    }
    Err(Failure::usage(anyhow!(
        "name the link by itself, by its id, or by its fingerprint: 64 hex digits, or the first 16"
    )))
}

/// Query parameters, encoded.
#[derive(Default)]
struct Parameters(Vec<String>);

impl Parameters {
    fn add(&mut self, name: &str, value: Option<&str>) {
        let encoded = |value: &str| presign::encode_component(value.as_bytes());
        self.0.extend(value.map(|value| format!("{name}={}", encoded(value))));
    }

    fn within(&mut self, uri: Option<&str>) -> Result<(), Failure> {
        let Some(uri) = uri else { return Ok(()) };
        let S3Uri { bucket, key } = S3Uri::parse(uri).map_err(Failure::usage)?;
        self.add("bucket", Some(&bucket));
        self.add("prefix", key.as_deref());
        Ok(())
    }

    fn with(&self, after: Option<&str>) -> String {
        let mut all = Self(self.0.clone());
        all.add("after", after);
        all.0.join("&")
    }
}

pub(super) async fn list(remote: &Remote, wanted: &ListedLinks, form: Form) -> Result<(), Failure> {
    let mut parameters = Parameters::default();
    parameters.within(wanted.within.as_deref())?;
    parameters.add("signer", wanted.signer.as_deref());
    parameters.add("label", wanted.label.as_deref());
    parameters.add("state", wanted.state.as_deref());
    let (mut all, mut after) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let query = parameters.with(after.as_deref());
        let page: Links = remote::parse(&remote.send_json(&Method::GET, LINKS, &query, "").await?)?;
        all.extend(page.links);
        after = page.next;
        if after.is_none() {
            let rows: Vec<_> = all.iter().map(row).collect();
            let header = ["LINK", "KIND", "STATE", "TO", "LABEL", "USES", "UNTIL", "BY"];
            return output::answer(form, &json!({ "links": all }), table::lines(header, &rows));
        }
    }
    Err(Failure::failed(anyhow!("the list of links does not end")))
}

fn row(link: &SeenLink) -> [String; 8] {
    let SeenLink { fingerprint, kind, state, label, signer, expires_at, .. } = link;
    [
        fingerprint.chars().take(16).collect(),
        kind.clone(),
        state.clone(),
        place(link),
        label.clone().unwrap_or_default(),
        uses(link),
        expires_at.clone(),
        signer.clone(),
    ]
}

fn place(link: &SeenLink) -> String {
    let below = link.key.as_ref().or(link.prefix.as_ref()).map_or("", String::as_str);
    format!("s3://{}/{below}", link.bucket)
}

/// How often the link was used, and how often it may be; of a request, how many files have come.
fn uses(link: &SeenLink) -> String {
    let most = [link.uses, link.max_files].into_iter().flatten().min();
    match (most, link.uses_taken, &link.totals) {
        (Some(most), Some(taken), _) => format!("{taken} of {most}"),
        (None, Some(taken), _) => taken.to_string(),
        (_, _, Some(totals)) => totals.served.to_string(),
        (_, _, None) => String::new(),
    }
}

pub(super) async fn show(remote: &Remote, link: &str, form: Form) -> Result<(), Failure> {
    let path = format!("{LINKS}/{}", named(link)?);
    let link: SeenLink = remote::parse(&remote.send_json(&Method::GET, &path, "", "").await?)?;
    let mut lines = vec![
        format!("link         {}", link.url.as_deref().unwrap_or(&link.fingerprint)),
        format!("fingerprint  {}", link.fingerprint),
        format!("to           {} ({})", place(&link), link.kind),
        format!("state        {}", link.state),
        format!("made by      {}", link.signer),
        format!("until        {}", link.expires_at),
    ];
    if let Some(label) = &link.label {
        lines.push(format!("label        {label}"));
    }
    let counted = uses(&link);
    if !counted.is_empty() {
        lines.push(format!("uses         {counted}"));
    }
    if let Some(totals) = &link.totals {
        lines.push(format!(
            "in all       {} served, {} refused, {}",
            totals.served,
            totals.refused,
            HumanBytes(totals.bytes)
        ));
    }
    if !link.notices.is_empty() {
        lines.push(String::new());
        let rows: Vec<_> = link.notices.iter().map(notice_row).collect();
        lines.extend(table::lines(
            ["NOTICE", "OF", "TO", "STATE", "TRIES", "NEXT TRY", "ERROR"],
            &rows,
        ));
    }
    if !link.recorded.is_empty() {
        lines.push(String::new());
        let rows: Vec<_> = link.recorded.iter().map(use_row).collect();
        lines.extend(table::lines(
            ["WHEN", "WHAT", "STATUS", "KEY", "BYTES", "FROM", "AGENT"],
            &rows,
        ));
    }
    output::answer(form, &link, lines)
}

fn notice_row(notice: &SeenNotice) -> [String; 7] {
    let SeenNotice { at, event, target, state, tries, error, next_try_at, more: _ } = notice;
    [
        event.clone(),
        at.clone(),
        target.clone(),
        state.clone(),
        tries.to_string(),
        next_try_at.clone().unwrap_or_default(),
        error.clone().unwrap_or_default(),
    ]
}

fn use_row(used: &SeenUse) -> [String; 7] {
    let code = used.code.as_ref().map(|code| format!(" {code}")).unwrap_or_default();
    [
        used.at.clone(),
        used.operation.clone(),
        format!("{}{code}", used.status),
        used.key.clone().unwrap_or_default(),
        used.bytes.to_string(),
        used.address.clone().unwrap_or_default(),
        used.agent.clone().unwrap_or_default(),
    ]
}

pub(super) async fn watch(
    remote: &Remote,
    watched: &WatchedLinks,
    form: Form,
) -> Result<(), Failure> {
    let now = clock::now();
    let since = match watched.since {
        None => now,
        Some(Opening::At(at)) => at,
        Some(Opening::After(seconds)) => {
            let ago = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
            now.checked_sub(ago).unwrap_or(Timestamp::MIN)
        }
    };
    let mut parameters = Parameters::default();
    parameters.within(watched.within.as_deref())?;
    let link = watched.link.as_deref().map(named).transpose()?;
    parameters.add("link", link.as_deref());
    parameters.add("label", watched.label.as_deref());
    parameters.add("order", Some("oldest"));
    parameters.add("since", Some(&since.to_string()));
    let mut after = None;
    loop {
        let query = parameters.with(after.as_deref());
        let page: Uses = remote::parse(&remote.send_json(&Method::GET, USES, &query, "").await?)?;
        let is_empty = page.uses.is_empty();
        for used in &page.uses {
            tell(used, form)?;
        }
        let goes_on = page.next.is_some() && page.next != after;
        after = page.next.or(after);
        if is_empty && watched.once && !goes_on {
            return Ok(());
        }
        if is_empty && !goes_on {
            tokio::time::sleep(WATCH_PERIOD).await;
        }
    }
}

/// Prints a use on a line of its own.
fn tell(used: &SeenUse, form: Form) -> Result<(), Failure> {
    let [when, what, status, key, bytes, from, agent] = use_row(used);
    let link: String = used.fingerprint.chars().take(16).collect();
    let label = used.label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
    let line = format!(
        "{when}  {link}{label}  {what} {status}  s3://{}/{key}  {bytes} bytes  {from}  {agent}",
        used.bucket
    );
    match form {
        Form::Json => output::result(&output::json(used)?),
        Form::Lines => output::result(&table::shown(&line)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_told_of_how_many() {
        let check = |members: Value, expected: &str| {
            let mut link = json!({"fingerprint": "", "kind": "", "state": "", "bucket": "",
                "signer": "", "expires_at": "", "totals": {"served": 11, "refused": 0, "bytes": 0}});
            link.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            let link: SeenLink = serde_json::from_value(link).unwrap();
            assert_eq!(uses(&link), expected);
        };
        check(json!({}), "11");
        check(json!({"uses": 3, "uses_taken": 1}), "1 of 3");
        // Files that came by a request, and not the parts of them.
        check(json!({"uses_taken": 4}), "4");
        check(json!({"uses_taken": 4, "max_files": 4}), "4 of 4");
        check(json!({"uses_taken": 2, "max_files": 4, "uses": 2}), "2 of 2");
    }

    #[test]
    fn a_short_link_is_known_by_its_id() {
        let id = "AAAAAAAAAAAAAAAAAAAAAA";
        let fingerprint = short_link(id);
        assert!(fingerprint.is_some());
        for text in [
            format!("https://files.test/_valet/s/{id}"),
            format!("http://h:1/below/_valet/s/{id}?zip"),
            format!("http://h/_valet/s/{id}/a/b"),
        ] {
            assert_eq!(short_link(&text), fingerprint, "{text}");
        }
        for text in ["", "x", "https://files.test/bucket/key", "AAAAAAAAAAAAAAAAAAAAAB"] {
            assert_eq!(short_link(text), None, "{text}");
        }
    }
}
