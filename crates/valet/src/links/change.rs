//! `valet links change`: when a managed link ends, what it is called, and who is told of it.

use anyhow::{Context as _, anyhow};
use jiff::SignedDuration;
use reqwest::Method;
use serde::Serialize;

use super::{LINKS, seen};
use crate::args::links::ChangedLink;
use crate::clock;
use crate::failure::Failure;
use crate::output::Form;
use crate::remote::Remote;

/// What is to change, as the server reads it.
#[derive(Debug, Serialize)]
struct WantedChange<'w> {
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notify: Option<Vec<&'w str>>,
}

/// Wrong usage is told before anybody is asked.
pub(super) fn check(wanted: &ChangedLink) -> Result<(), Failure> {
    let ChangedLink { link, expires_in, label, notify } = wanted;
    if expires_in.is_none() && label.is_none() && notify.is_empty() {
        let words = "say what is to change: --expires-in, --label or --notify";
        return Err(Failure::usage(anyhow!(words)));
    }
    seen::named(link).map(drop)
}

pub(super) async fn run(remote: &Remote, wanted: &ChangedLink, form: Form) -> Result<(), Failure> {
    let ChangedLink { link, expires_in, label, notify } = wanted;
    let mut name = seen::named(link)?;
    if seen::digits(&name) == Some(16) {
        (name, _) = seen::whole(remote, &name).await?;
    }
    let end = expires_in.map(|life| {
        let life = SignedDuration::from_secs(i64::try_from(life.seconds()).unwrap_or(i64::MAX));
        let end = clock::now().checked_add(life);
        let end = end.map_err(|_| Failure::usage(anyhow!("that time is beyond the calendar")))?;
        Ok::<_, Failure>(end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    });
    // One empty target stands for none.
    let targets = notify.iter().map(String::as_str).filter(|target| !target.is_empty());
    let change = WantedChange {
        expires_at: end.transpose()?,
        label: label.as_deref(),
        notify: (!notify.is_empty()).then(|| targets.collect()),
    };
    let body = serde_json::to_string(&change).context("cannot write JSON")?;
    let path = format!("{LINKS}/{name}");
    seen::tell_changed(&remote.send_json(&Method::PATCH, &path, "", &body).await?, form)
}
