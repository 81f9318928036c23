//! `valet links`: what becomes of links after they were made.

mod change;
mod seen;

use std::io::Read as _;

use anyhow::{Context as _, anyhow};
use jiff::{SignedDuration, Timestamp};
use presign::ExplainQuestion;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::args::limits::Opening;
use crate::args::links::{Links, LinksCommand, NamedLinks, Revoke};
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::remote::{self, Remote};
use crate::{clock, table, transfer};

const PATH: &str = "/_valet/api/v1/revocations";
/// The path of a managed link in the API, without its name.
const LINKS: &str = "/_valet/api/v1/links";
/// The most pages of a list. A list with more pages is taken for one without an end.
const PAGES_MAX: usize = 10_000;
/// The longest link that is read from standard input.
const URL_BYTES_MAX: u64 = 64 * 1024;

/// What is to be revoked.
#[derive(Debug)]
enum Revoked {
    /// A managed link, by its fingerprint.
    Managed(String),
    /// A link by the first 16 digits of its fingerprint, which is what lists show.
    Short(String),
    /// What a document names.
    Named(WantedRevocation),
}

/// The links that are to be revoked, as the server reads it.
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
    // Wrong usage is reported before anybody is asked.
    let wanted = match &arguments.command {
        LinksCommand::Revoke(wanted) => Some(Revoked::of(wanted, clock::now())?),
        LinksCommand::Change(wanted) => {
            change::check(wanted)?;
            None
        }
        LinksCommand::Ls(_)
        | LinksCommand::Show { .. }
        | LinksCommand::Watch(_)
        | LinksCommand::Undo { .. } => None,
    };
    transfer::block_on(async {
        let remote = Remote::connect(&arguments.remote.aws).await?;
        match (wanted, &arguments.command) {
            (Some(wanted), _) => revoke(&remote, wanted, form).await,
            (None, LinksCommand::Change(wanted)) => change::run(&remote, wanted, form).await,
            (None, LinksCommand::Undo { id }) => undo(&remote, id, form).await,
            (None, LinksCommand::Ls(listed)) if !listed.revocations => {
                seen::list(&remote, listed, form).await
            }
            (None, LinksCommand::Show { link }) => seen::show(&remote, link, form).await,
            (None, LinksCommand::Watch(watched)) => seen::watch(&remote, watched, form).await,
            (None, LinksCommand::Ls(_) | LinksCommand::Revoke(_)) => list(&remote, form).await,
        }
    })
}

impl Revoked {
    /// Wrong usage is what cannot name links anywhere.
    fn of(wanted: &Revoke, now: Timestamp) -> Result<Self, Failure> {
        let Revoke { links, before, until } = wanted.clone();
        let NamedLinks { url, fingerprint, key, object, prefix } = links;
        let url = match url {
            Some(text) if text == "-" => Some(read_url()?),
            other => other,
        };
        let url = url.map(|text| text.trim().to_owned());
        if let Some(one) = url.as_deref().and_then(Self::by_name) {
            if before.is_some() || until.is_some() {
                let words = "--before and --until are for many links, and this is one, which is revoked until its end";
                return Err(Failure::usage(anyhow!(words)));
            }
            return Ok(one);
        }
        if let Some(url) = &url {
            if url.starts_with("s3://") {
                return Err(Failure::usage(anyhow!(
                    "an S3 URI is no link: --object ends all links to it, --prefix those to all keys that begin so"
                )));
            }
            presign::explain(&ExplainQuestion::new(url), now).map_err(Failure::usage)?;
        }
        let before = before.map(|at| time(at, |life| now.checked_sub(life))).transpose()?;
        let until = until.map(|at| time(at, |life| now.checked_add(life))).transpose()?;
        let fingerprint = fingerprint.map(|fingerprint| fingerprint.to_string());
        let access_key_id = key;
        let named =
            WantedRevocation { url, fingerprint, access_key_id, object, prefix, before, until };
        Ok(Self::Named(named))
    }

    /// One link that is named by something else than a presigned URL.
    fn by_name(text: &str) -> Option<Self> {
        if let Some(fingerprint) = seen::short_link(text) {
            return Some(Self::Managed(fingerprint));
        }
        match seen::digits(text)? {
            16 => Some(Self::Short(text.to_owned())),
            _ => Some(Self::Named(WantedRevocation::of_fingerprint(text.to_owned()))),
        }
    }
}

impl WantedRevocation {
    fn of_fingerprint(fingerprint: String) -> Self {
        Self { fingerprint: Some(fingerprint), ..Self::default() }
    }
}

/// A time that was typed as one, or as a duration from now.
fn time(
    typed: Opening,
    from_now: impl Fn(SignedDuration) -> Result<Timestamp, jiff::Error>,
) -> Result<String, Failure> {
    let at = match typed {
        Opening::At(at) => Ok(at),
        Opening::After(seconds) => {
            from_now(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)))
        }
    };
    let at = at.map_err(|_| Failure::usage(anyhow!("that time is beyond the calendar")))?;
    Ok(at.to_string())
}

async fn revoke(remote: &Remote, wanted: Revoked, form: Form) -> Result<(), Failure> {
    let wanted = match wanted {
        Revoked::Managed(fingerprint) => return revoke_managed(remote, &fingerprint, form).await,
        Revoked::Short(digits) => match seen::whole(remote, &digits).await? {
            (fingerprint, seen::Kind::Managed) => {
                return revoke_managed(remote, &fingerprint, form).await;
            }
            (fingerprint, seen::Kind::Seen) => WantedRevocation::of_fingerprint(fingerprint),
        },
        Revoked::Named(wanted) => wanted,
    };
    revoke_named(remote, &wanted, form).await
}

/// The server says of a managed link whether it is there, and whether the caller may take it back.
async fn revoke_managed(remote: &Remote, fingerprint: &str, form: Form) -> Result<(), Failure> {
    let path = format!("{LINKS}/{fingerprint}");
    let made: Revocation = remote::parse(&remote.send_json(&Method::DELETE, &path, "", "").await?)?;
    let Revocation { id, lives_until, .. } = &made;
    let line = format!("revoked {} (remembered until {lives_until}, id {id})", named(&made));
    output::answer(form, &made, [line])
}

async fn revoke_named(
    remote: &Remote,
    wanted: &WantedRevocation,
    form: Form,
) -> Result<(), Failure> {
    let body = serde_json::to_string(wanted).context("cannot write JSON")?;
    let made: Revocation = remote::parse(&remote.send_json(&Method::POST, PATH, "", &body).await?)?;
    if made.scope == "own" {
        output::note(format_args!(
            "only links that you signed yourself are revoked: for those of others you need valet:RevokeLinks"
        ));
    }
    if made.fingerprint.is_none() {
        output::note(format_args!(
            "a SigV2 link does not say when it was signed: those that match are refused until {}, new ones as well; sign with SigV4",
            made.lives_until
        ));
    }
    let until = wanted.until.as_ref().and_then(|until| until.parse::<Timestamp>().ok());
    if until.is_some_and(|until| made.lives_until.parse().is_ok_and(|kept: Timestamp| until < kept))
    {
        output::note(format_args!(
            "the revocation is kept until {}: a link that it ends may live as long",
            made.lives_until
        ));
    }
    let Revocation { id, lives_until, .. } = &made;
    let before = match &wanted.before {
        Some(_) if made.fingerprint.is_none() => {
            format!(" signed until {}", made.signed_before)
        }
        Some(_) | None => String::new(),
    };
    let line =
        format!("revoked {}{before} (remembered until {lives_until}, id {id})", named(&made));
    output::answer(form, &made, [line])?;
    if made.fingerprint.is_none() && wanted.before.is_none() {
        outlast(&made.signed_before).await;
    }
    Ok(())
}

/// Waits until the second is over in which links were still revoked: a link that is signed next is to live.
async fn outlast(second: &str) {
    let Ok(second) = second.parse::<Timestamp>() else { return };
    let over = Timestamp::from_second(second.as_second().saturating_add(1)).unwrap_or(second);
    let wait = over.duration_since(clock::now());
    // Clocks that differ by more are nothing to wait for.
    if (SignedDuration::ZERO..SignedDuration::from_secs(2)).contains(&wait) {
        tokio::time::sleep(wait.unsigned_abs()).await;
    }
}

/// Says what it undid, as far as the caller may know that.
async fn undo(remote: &Remote, id: &str, form: Form) -> Result<(), Failure> {
    let known = known(remote, id).await;
    let path = format!("{PATH}/{}", presign::encode_component(id.as_bytes()));
    remote.send_json(&Method::DELETE, &path, "", "").await?;
    let line = match &known {
        Some(undone) => format!("undone: the revocation {id} of {}", named(undone)),
        None => format!("undone: the revocation {id}"),
    };
    let undone = known.map_or_else(|| json!({ "id": id }), |undone| json!(undone));
    output::answer(form, &json!({ "undone": undone }), [line])
}

/// The revocation with that id. `None`: the caller may not see it, or there is none.
async fn known(remote: &Remote, id: &str) -> Option<Revocation> {
    let before = id.parse::<u64>().ok()?.checked_sub(1)?;
    let query = format!("after={before}&limit=1");
    let page = remote.send_json(&Method::GET, PATH, &query, "").await.ok()?;
    let page: Revocations = remote::parse(&page).ok()?;
    page.revocations.into_iter().find(|one| one.id == id)
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
    let all = revocations(remote).await?;
    let rows: Vec<_> = all.iter().map(row).collect();
    let header = ["ID", "LINKS", "SIGNED UNTIL", "LIVES UNTIL", "WHOSE", "BY"];
    output::answer(form, &json!({ "revocations": all }), table::lines(header, &rows))
}

/// All revocations that the caller may see.
async fn revocations(remote: &Remote) -> Result<Vec<Revocation>, Failure> {
    let mut all = Vec::new();
    let mut query = String::new();
    for _ in 0..PAGES_MAX {
        let page: Revocations =
            remote::parse(&remote.send_json(&Method::GET, PATH, &query, "").await?)?;
        all.extend(page.revocations);
        let Some(next) = page.next else { return Ok(all) };
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
