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

use super::{LINKS, PAGES_MAX, Revocation};
use crate::args::limits::Opening;
use crate::args::links::{ListedLinks, WatchedLinks};
use crate::failure::Failure;
use crate::location::S3Uri;
use crate::output::{self, Form};
use crate::remote::{self, Remote};
use crate::{clock, table};

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

/// Where a link is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The server has made it.
    Managed,
    /// Somebody has signed it, and it was used.
    Seen,
}

/// The fingerprint of a short link, or of its id. `None`: the text is neither. A presigned URL can lead to a key that looks
/// like a short link.
pub(super) fn short_link(text: &str) -> Option<String> {
    let text = text.trim();
    let query = text.split_once('?').map_or("", |(_, query)| query);
    if query.contains("Signature=") || query.contains(SHORT) {
        return None;
    }
    let id = text.split_once(SHORT).map_or(text, |(_, rest)| rest);
    let id = id.split(['?', '#', '/']).next().unwrap_or_default();
    Some(id.parse::<ManagedLinkId>().ok()?.fingerprint().to_string())
}

/// How many digits a text has, if it is a fingerprint or the beginning of one that lists show.
pub(super) fn digits(text: &str) -> Option<usize> {
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    Some(text.len()).filter(|len| is_hex && [16, 64].contains(len))
}

/// A link as the API is asked for it.
pub(super) fn named(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    if let Some(fingerprint) = short_link(text) {
        return Ok(fingerprint);
    }
    if digits(text).is_some() {
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

/// The whole fingerprint of a link that is named by the beginning of it, if there is one such link.
pub(super) async fn whole(remote: &Remote, name: &str) -> Result<(String, Kind), Failure> {
    let link = get(remote, name).await?;
    let kind = if link.kind == "seen" { Kind::Seen } else { Kind::Managed };
    Ok((link.fingerprint, kind))
}

async fn get(remote: &Remote, name: &str) -> Result<SeenLink, Failure> {
    let path = format!("{LINKS}/{name}");
    remote::parse(&remote.send_json(&Method::GET, &path, "", "").await?)
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
    let link = get(remote, &named(link)?).await?;
    let revocation = match (form, link.state.as_str()) {
        (Form::Lines, "revoked") => revocation_of(remote, &link).await,
        _ => None,
    };
    output::answer(form, &link, lines(&link, revocation.as_ref()))
}

/// Prints a link that was changed, and what the server has to say of that.
pub(super) fn tell_changed(answer: &str, form: Form) -> Result<(), Failure> {
    let link: SeenLink = remote::parse(answer)?;
    if let Some(Value::Array(notes)) = link.more.get("notes") {
        notes.iter().filter_map(Value::as_str).for_each(output::note);
    }
    output::answer(form, &link, lines(&link, None))
}

/// All that there is to say of a link, and what became of it.
fn lines(link: &SeenLink, revocation: Option<&Revocation>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |name: &str, text: Option<String>| {
        // A key may have a line break, after which it could say anything.
        let text = text.filter(|text| !text.is_empty()).map(|text| text.replace('\n', " "));
        lines.extend(text.map(|text| format!("{name:<13}{text}")));
    };
    let state = match revocation {
        Some(Revocation { id, revoked_at, revoked_by, .. }) => {
            format!("revoked at {revoked_at} by {revoked_by}; `valet links undo {id}` undoes it")
        }
        None => link.state.clone(),
    };
    say("link", link.url.clone().or_else(|| Some(link.fingerprint.clone())));
    say("fingerprint", Some(link.fingerprint.clone()));
    say("to", Some(format!("{} ({})", place(link), link.kind)));
    say("state", Some(state));
    say("made by", Some(link.signer.clone()));
    for (name, member, unit) in MEMBERS {
        say(name, member_in_words(link, member).map(|text| format!("{text}{unit}")));
    }
    say("until", Some(link.expires_at.clone()));
    say("label", link.label.clone());
    say("uses", Some(uses(link)));
    say(
        "in all",
        link.totals.as_ref().map(|totals| {
            let Totals { served, refused, bytes, .. } = totals;
            format!("{served} served, {refused} refused, {}", HumanBytes(*bytes))
        }),
    );
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
    lines
}

/// What people are told of a link besides: the name, the member of the answer, and what stands behind it.
const MEMBERS: [(&str, &str, &str); 20] = [
    ("made at", "created_at", ""),
    ("opens at", "not_before", ""),
    ("method", "method", ""),
    ("key", "access_key_id", ""),
    ("version", "version_id", ""),
    ("saved as", "filename", ""),
    ("shown inline", "inline", ""),
    ("source IP", "source_ip", ""),
    ("rate", "rate", " bytes a second"),
    ("passphrase", "passphrase", ""),
    ("landing", "landing", ""),
    ("says who", "show_creator", ""),
    ("notify", "notify", ""),
    ("object ends", "delete_object_at_end", ", with the link"),
    ("max bytes", "max_bytes", " of one file"),
    ("max files", "max_files", ""),
    ("max total", "max_total_bytes", " bytes of all files"),
    ("types", "types", ""),
    ("asks name", "ask_name", ""),
    ("asks note", "ask_note", ""),
];

/// A member of a link for people. The API leaves out what is not so; of a passphrase that is worth a word.
fn member_in_words(link: &SeenLink, member: &str) -> Option<String> {
    let text = |value: &Value| match (value.as_str(), value) {
        (Some(text), _) => text.to_owned(),
        (None, Value::Bool(true)) => "yes".to_owned(),
        (None, _) => value.to_string(),
    };
    match link.more.get(member) {
        Some(Value::Array(all)) => Some(all.iter().map(text).collect::<Vec<_>>().join(", ")),
        Some(Value::Null | Value::Bool(false)) => None,
        Some(value) => Some(text(value)),
        None if member == "passphrase" && link.more.contains_key("landing") => {
            Some("no".to_owned())
        }
        None => None,
    }
}

/// The revocation that ends a link, among those that the caller may see.
async fn revocation_of(remote: &Remote, link: &SeenLink) -> Option<Revocation> {
    let object = place(link);
    super::revocations(remote).await.ok()?.into_iter().find(|one| {
        let is_prefix = |prefix: &String| object.starts_with(prefix.as_str());
        match &one.fingerprint {
            Some(fingerprint) => *fingerprint == link.fingerprint,
            None => {
                one.object.as_ref() == Some(&object) || one.prefix.as_ref().is_some_and(is_prefix)
            }
        }
    })
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
        None if watched.once => None,
        None => Some(now),
        Some(Opening::At(at)) => Some(at),
        Some(Opening::After(seconds)) => {
            let ago = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
            Some(now.checked_sub(ago).unwrap_or(Timestamp::MIN))
        }
    };
    let mut parameters = Parameters::default();
    parameters.within(watched.within.as_deref())?;
    let link = watched.link.as_deref().map(named).transpose()?;
    parameters.add("link", link.as_deref());
    parameters.add("label", watched.label.as_deref());
    parameters.add("order", Some("oldest"));
    parameters.add("since", since.map(|since| since.to_string()).as_deref());
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
            format!(" http://h/_valet/s/{id}\n"),
        ] {
            assert_eq!(short_link(&text), fingerprint, "{text}");
        }
        let signed = format!("http://h/b/_valet/s/{id}?X-Amz-Signature=x");
        for text in ["", "x", "https://files.test/bucket/key", "AAAAAAAAAAAAAAAAAAAAAB", &signed] {
            assert_eq!(short_link(text), None, "{text}");
        }
    }
}
