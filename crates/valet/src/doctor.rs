//! `valet doctor`: uses a running server as a client does, and says what is wrong between the two, and what mends it.

mod arrival;
mod certificate;
mod checks;
mod examine;
mod probe;
mod trouble;

use std::path::Path;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use presign::{Endpoint, Presigner};
use reqwest::Client;
use reqwest::redirect::Policy;
use serde::Serialize;

use crate::args::doctor::Doctor;
use crate::aws::{self, Identity};
use crate::failure::Failure;
use crate::location::Service;
use crate::output::{self, Form};
use crate::{location, remote, transfer};

use self::examine::Rounds;
use self::probe::Probe;

/// How the names of what is made begin.
const OWN: &str = "valet-doctor-";
/// The random bytes in such a name.
const NAME_BYTES: usize = 12;

/// What one check found.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    status: Status,
    text: String,
    /// `None`: all is well.
    mend: Option<String>,
    /// The public URL that was looked at.
    url: String,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Status {
    #[serde(rename = "ok")]
    Fine,
    /// Links work, and something else does not.
    #[serde(rename = "warn")]
    Warning,
    #[serde(rename = "FAIL")]
    Broken,
}

/// All that was found: part of the command's contract.
#[derive(Debug, Default, Serialize)]
struct Report {
    checks: Vec<Check>,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Warning => "warn",
            Self::Broken => "FAIL",
        }
    }
}

impl Report {
    fn broken(&self) -> usize {
        self.checks.iter().filter(|check| check.status == Status::Broken).count()
    }

    /// A line for each check, below the URL that was looked at.
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut url = "";
        for check in &self.checks {
            if check.url != url {
                url = &check.url;
                lines.push(url.to_owned());
            }
            let Check { name, status, text, mend, .. } = check;
            let mend =
                mend.as_ref().map(|mend| format!(". To mend it: {mend}")).unwrap_or_default();
            lines.push(format!("  {:<5} {name:<12} {text}{mend}", status.word()));
        }
        lines
    }
}

pub(crate) fn run(arguments: &Doctor) -> Result<(), Failure> {
    let report = transfer::block_on(report(arguments))?;
    output::answer(Form::of(arguments.json), &report, report.lines())?;
    match report.broken() {
        0 => Ok(()),
        1 => Err(Failure::failed(anyhow!("one thing must be mended"))),
        count => Err(Failure::failed(anyhow!("{count} things must be mended"))),
    }
}

async fn report(arguments: &Doctor) -> Result<Report, Failure> {
    let identity = aws::load(&arguments.aws).await?;
    let is_aws = identity.service.endpoint.as_ref().is_none_or(location::is_aws);
    if identity.service.endpoint.is_none() && arguments.bucket.is_none() {
        // Nobody wants to meet AWS by mistake.
        return Err(remote::no_endpoint());
    }
    if is_aws && arguments.bucket.is_none() {
        return Err(Failure::usage(anyhow!(
            "name a bucket of AWS with --bucket: none is made there"
        )));
    }
    let name = format!("{OWN}{}", random()?);
    let bucket = arguments.bucket.clone().unwrap_or_else(|| name.to_lowercase());
    let client = client(arguments.aws.trust.ca_bundle().as_deref())?;
    let mut probes = vec![probe(&identity, None, &bucket, &client)?];
    for url in &arguments.public_url {
        let endpoint = Endpoint::parse(url.trim_end_matches('/'))
            .with_context(|| format!("--public-url {url}"))
            .map_err(Failure::usage)?;
        probes.push(probe(&identity, Some(endpoint), &bucket, &client)?);
    }
    let rounds = Rounds {
        folder: format!("{name}/"),
        origin: arguments.origin.clone(),
        is_aws,
        owns_bucket: arguments.bucket.is_none(),
    };
    examine::all(&mut probes, &rounds).await
}

/// A client that follows no redirects, and that keeps the certificate of the server.
fn client(authorities: Option<&Path>) -> Result<Client, Failure> {
    let builder = transfer::builder(authorities)?.redirect(Policy::none()).tls_info(true);
    builder.build().context("cannot start the HTTP client").map_err(Failure::from)
}

fn probe(
    identity: &Identity,
    public: Option<Endpoint>,
    bucket: &str,
    client: &Client,
) -> Result<Probe, Failure> {
    let Service { endpoint, region, style } = identity.service.clone();
    let service = Service { endpoint: public.or(endpoint), region, style };
    let (endpoint, addressing) = service.of(bucket).map_err(Failure::usage)?;
    Ok(Probe {
        url: endpoint.to_string(),
        client: client.clone(),
        presigner: Presigner::new(identity.credentials.clone(), identity.region.clone()),
        endpoint,
        addressing,
        bucket: bucket.to_owned(),
    })
}

/// A name that nobody else has, which may be that of a bucket in lower case.
fn random() -> Result<String, Failure> {
    let mut bytes = [0; NAME_BYTES];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Failure::failed(anyhow!("the machine gives no random numbers")))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes).replace(['_', '-'], "0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_check() {
        let check = |status, mend: Option<&str>| Check {
            name: "link",
            status,
            text: "text".to_owned(),
            mend: mend.map(str::to_owned),
            url: "http://a".to_owned(),
        };
        let report = Report {
            checks: vec![
                check(Status::Fine, None),
                check(Status::Broken, Some("mend it")),
                check(Status::Warning, Some("mend it")),
            ],
        };
        assert_eq!(
            report.lines(),
            [
                "http://a",
                "  ok    link         text",
                "  FAIL  link         text. To mend it: mend it",
                "  warn  link         text. To mend it: mend it",
            ]
        );
        assert_eq!(report.broken(), 1);
    }
}
