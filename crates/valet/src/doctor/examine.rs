//! The rounds of the doctor: through every public URL the same checks, on objects that are made for them and deleted.

use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

use super::checks::{self, Found};
use super::probe::{Ask, Exchange, Probe};
use super::trouble::{Refusal, Trouble, trouble};
use super::{Check, Report, Status};
use crate::failure::Failure;

/// What is looked at.
#[derive(Debug)]
pub(super) struct Rounds {
    /// The beginning of the keys of all objects that are made.
    pub(super) folder: String,
    /// The origin of a page that is to use links.
    pub(super) origin: Option<String>,
    pub(super) is_aws: bool,
    /// Whether the bucket is made here.
    pub(super) owns_bucket: bool,
}

/// The checks at one public URL.
pub(super) struct Examination<'e> {
    pub(super) probe: &'e mut Probe,
    pub(super) rounds: &'e Rounds,
    /// The beginning of the keys of the objects that are made through this URL.
    folder: String,
    report: &'e mut Report,
    /// The keys of the objects that may have been made.
    made: Vec<String>,
}

/// Looks through every probe, and deletes what was made.
pub(super) async fn all(probes: &mut [Probe], rounds: &Rounds) -> Result<Report, Failure> {
    let mut report = Report::default();
    let mut bucket_made_at = None;
    for (number, probe) in probes.iter_mut().enumerate() {
        let mut examination = Examination {
            probe,
            rounds,
            folder: format!("{}{number}/", rounds.folder),
            report: &mut report,
            made: Vec::new(),
        };
        if !examination.reaches().await? {
            continue;
        }
        if rounds.owns_bucket && bucket_made_at.is_none() {
            if !examination.makes_bucket().await {
                continue;
            }
            bucket_made_at = Some(number);
        }
        examination.look().await;
        examination.tidy().await;
    }
    if let Some(probe) = bucket_made_at.and_then(|number| probes.get_mut(number)) {
        remove_bucket(probe, rounds, &mut report).await;
    }
    Ok(report)
}

async fn remove_bucket(probe: &mut Probe, rounds: &Rounds, report: &mut Report) {
    let folder = String::new();
    let mut examination = Examination { probe, rounds, folder, report, made: Vec::new() };
    if let Err(trouble) = examination.used(Ask::new("DELETE", "")).await {
        let text = format!("the bucket `{}` stays: {}", examination.probe.bucket, trouble.text);
        examination.add("tidy", Found::warning(text, "remove it: `valet rb --force`"));
    }
}

impl Examination<'_> {
    /// Whether links arrive as they were signed. Without that nothing else can be looked at.
    async fn reaches(&mut self) -> Result<bool, Failure> {
        let missing = self.key("missing");
        let first = match self.probe.ask(Ask::new("GET", &missing)).await {
            Ok(exchange) => exchange,
            Err(words) => {
                let is_of_tls = words.contains("certificate");
                let name = if is_of_tls { "tls" } else { "reach" };
                self.add(name, Found::of(Trouble::without_answer(words)));
                return Ok(false);
            }
        };
        let tls = checks::tls(&self.probe.url, &first.answer);
        let clock = checks::clock(&first.answer);
        self.add("reach", Found::fine("it answers"));
        self.add("tls", tls);
        self.add("clock", clock);
        let link = self.verified(&first)?;
        let is_verified = link.status == Status::Fine;
        self.add("link", link);
        Ok(is_verified)
    }

    /// A link to an object that is not there should be refused for that alone.
    fn verified(&self, first: &Exchange) -> Result<Found, Failure> {
        let bucket = &self.probe.bucket;
        let Some(refusal) = Refusal::of(&first.answer) else {
            return Ok(Found::of(trouble(first, bucket)));
        };
        if refusal.is_of_credentials() {
            let words = anyhow!("the server refuses the credentials: {}", refusal.message);
            return Err(Failure::denied(words));
        }
        let lacks_bucket = refusal.lacks_bucket(bucket);
        if lacks_bucket && !self.rounds.owns_bucket {
            return Err(Failure::usage(anyhow!("there is no bucket `{bucket}`")));
        }
        if lacks_bucket || refusal.is_verified() {
            return Ok(Found::fine("links arrive as they were signed"));
        }
        Ok(Found::of(trouble(first, bucket)))
    }

    async fn look(&mut self) {
        if let Some(found) = checks::health(self.probe).await {
            self.add("health", found);
        }
        let page = self.key("page.html");
        let mut ask = Ask::put(&page, checks::page());
        ask.signed_headers = &[("content-type", "text/html")];
        let put = match self.used(ask).await {
            Ok(exchange) => exchange,
            Err(trouble) => return self.add("put", Found::of(trouble)),
        };
        self.add("put", Found::fine("an object is stored"));
        let etag = put.answer.header("etag").unwrap_or_default().to_owned();
        let found = self.keys().await;
        self.add("keys", found);
        let found = self.headers().await;
        self.add("headers", found);
        let found = self.head(&page).await;
        self.add("head", found);
        let found = self.body(&page, &etag).await;
        self.add("body", found);
        let found = self.large_head(&page).await;
        self.add("large-head", found);
        let found = self.upload().await;
        self.add("upload", found);
        let found = self.buffering().await;
        self.add("buffering", found);
        if let Some(origin) = self.rounds.origin.clone() {
            let found = self.preflight(&origin, &page).await;
            self.add("preflight", found);
        }
    }

    /// Makes the bucket of the doctor's own, which pages of the origin may use.
    async fn makes_bucket(&mut self) -> bool {
        if let Err(mut trouble) = self.used(Ask::put("", "")).await {
            "name a bucket that is there with --bucket".clone_into(&mut trouble.mend);
            self.add("bucket", Found::of(trouble));
            return false;
        }
        if let Some(origin) = &self.rounds.origin {
            let rules = checks::cors_rules(origin);
            let md5 = STANDARD.encode(Md5::digest(&rules));
            let mut ask = Ask::put("", rules);
            ask.query = &[("cors", "")];
            let sum = [("content-md5", &*md5)];
            ask.other_headers = &sum;
            if let Err(trouble) = self.used(ask).await {
                self.add("bucket", Found::of(trouble));
            }
        }
        true
    }

    /// Deletes the objects that were made.
    async fn tidy(&mut self) {
        let made = std::mem::take(&mut self.made);
        let mut left = 0;
        for key in &made {
            left += u64::from(self.used(Ask::new("DELETE", key)).await.is_err());
        }
        if left > 0 {
            let (bucket, folder) = (&self.probe.bucket, &self.folder);
            let text = format!("{left} objects could not be deleted");
            let mend = format!("delete them: `valet rm --recursive s3://{bucket}/{folder}`");
            self.add("tidy", Found::warning(text, mend));
        }
    }

    /// Uses a link, which is to succeed.
    pub(super) async fn used(&mut self, ask: Ask<'_>) -> Result<Exchange, Trouble> {
        let makes = (ask.method == "PUT" && !ask.key.is_empty()).then(|| ask.key.to_owned());
        let outcome = self.probe.ask(ask).await;
        // What was refused is not there; of what got no answer nobody knows.
        let is_refused = outcome.as_ref().is_ok_and(|it| it.answer.status.is_client_error());
        self.made.extend(makes.filter(|_| !is_refused));
        let exchange = outcome.map_err(Trouble::without_answer)?;
        if exchange.answer.status.is_success() {
            return Ok(exchange);
        }
        Err(trouble(&exchange, &self.probe.bucket))
    }

    /// The key of an object of the doctor's own.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.folder)
    }

    fn add(&mut self, name: &'static str, found: Found) {
        let Found { status, text, mend } = found;
        self.report.checks.push(Check { name, status, text, mend, url: self.probe.url.clone() });
    }
}
