//! `valet explain`: says what a link allows, until when, and why it does not work.

mod ask;
mod words;

use std::io::{self, BufRead as _};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use jiff::Timestamp;
use presign::{
    Cause, CauseCode, Credentials, Endpoint, ExpectedScope, ExpiryLimit, ExplainQuestion,
    Explanation, LinkVerdict, SigV2Use, explain,
};
use serde::Serialize;
use server::ExplainedLink;

use crate::args::explain::Explain;
use crate::aws::{Api, Chain, Session};
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::{clock, location, transfer};

use self::ask::ExplainClient;
use self::words::Source;

/// The argument that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// Credentials may come from the network. A link can be explained without, so they are not waited for.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) fn run(arguments: &Explain) -> Result<(), Failure> {
    let headers = headers(&arguments.header)?;
    let mut explainer = transfer::block_on(Explainer::new(arguments, headers))?;
    let form = Form::of(arguments.json);
    if arguments.url != STANDARD_INPUT {
        let explained = explainer.explain(&arguments.url, clock::now()).map_err(Failure::usage)?;
        let lines = words::lines(&explained, explainer.source());
        return output::answer(form, &explained, lines);
    }
    explainer.explain_lines(form)
}

/// The headers as they were typed.
fn headers(texts: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let read = |text: &String| {
        let (name, value) = text.split_once(':').filter(|(name, _)| !name.trim().is_empty())?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    texts
        .iter()
        .map(|text| {
            let malformed = || Failure::usage(anyhow!("`{text}` is not `NAME: VALUE`"));
            read(text).ok_or_else(malformed)
        })
        .collect()
}

/// A link ends with the session that signed it, if that is known.
fn limit_by_session(told: &mut Explanation, end: Timestamp, now: Timestamp) {
    let Some(grant) = &mut told.allows else { return };
    grant.limited_by.retain(|limit| *limit != ExpiryLimit::SessionUnknown);
    if grant.until.is_none_or(|until| end < until) {
        grant.until = Some(end);
        grant.limited_by = vec![ExpiryLimit::Session];
    }
    if now >= end {
        told.works = LinkVerdict::Fails;
        told.missing.clear();
        let ended = format!("The session that signed the link ended at {end}.");
        let mend = "Sign a new link, with a longer session or with a long-term key.";
        let at = usize::from(told.causes.first().is_some_and(|it| it.code == CauseCode::Expired));
        told.causes.insert(at, Cause::new(CauseCode::SessionEnded, ended, mend));
    }
}

/// A line of standard input in which there is no link.
#[derive(Serialize)]
struct NoLink<'e> {
    line: u64,
    error: &'e str,
}

/// Explains links: by the server where there is one, else by what is known here.
#[derive(Debug)]
struct Explainer {
    method: Option<&'static str>,
    headers: Vec<(String, String)>,
    credentials: Option<Credentials>,
    /// When the session ends that the credentials are of.
    session_ends_at: Option<Timestamp>,
    endpoint: Option<Endpoint>,
    /// The region that was named on the command line.
    region: Option<String>,
    /// The region of the configured server.
    server_region: Option<String>,
    client: Option<ExplainClient>,
}

impl Explainer {
    async fn new(arguments: &Explain, headers: Vec<(String, String)>) -> Result<Self, Failure> {
        let chain = Chain::read(&arguments.aws).await?;
        let service = chain.service()?;
        let found = tokio::time::timeout(CREDENTIALS_TIMEOUT, chain.credentials()).await;
        let (credentials, session) = found.ok().and_then(Result::ok).unzip();
        let session_ends_at = session.and_then(|session| match session {
            Session::EndsAt(end) => Some(end),
            Session::LongTerm | Session::EndUnknown => None,
        });
        let endpoint = chain.endpoint(Api::S3)?.filter(|endpoint| !location::is_aws(endpoint));
        let client = match (&endpoint, &credentials) {
            (Some(endpoint), Some(credentials)) if !arguments.offline => {
                let signer = (credentials.clone(), chain.region().to_owned());
                Some(ExplainClient::new(endpoint.clone(), signer, &arguments.aws)?)
            }
            (Some(_), None) if !arguments.offline => {
                output::note("the server was not asked: there are no credentials to ask it with");
                None
            }
            (Some(_) | None, Some(_) | None) => None,
        };
        Ok(Self {
            method: arguments.method.map(crate::args::Method::as_str),
            headers,
            credentials,
            session_ends_at,
            endpoint,
            region: arguments.aws.region.clone(),
            server_region: service.region,
            client,
        })
    }

    /// Standard input to its end. A line without a link is told with its number, and the command fails at the end.
    fn explain_lines(&mut self, form: Form) -> Result<(), Failure> {
        let mut without_link = 0_u64;
        let mut is_first = true;
        for (line, number) in io::stdin().lock().split(b'\n').zip(1_u64..) {
            let line = line.context("cannot read standard input")?;
            let text = String::from_utf8_lossy(&line);
            if text.trim().is_empty() {
                continue;
            }
            match (self.explain(&text, clock::now()), form) {
                (Ok(explained), _) => {
                    let space = (!is_first).then(String::new);
                    let lines = space.into_iter().chain(words::lines(&explained, self.source()));
                    output::answer(form, &explained, lines)?;
                }
                (Err(error), Form::Json) => {
                    without_link += 1;
                    let refusal = NoLink { line: number, error: &error.to_string() };
                    output::result(&output::json(&refusal)?)?;
                }
                (Err(error), Form::Lines) => {
                    without_link += 1;
                    output::error(format!("line {number}: {error}"));
                }
            }
            is_first = false;
        }
        match without_link {
            0 => Ok(()),
            _ => Err(Failure::failed(anyhow!("{without_link} line(s) held no link"))),
        }
    }

    /// Who said it. Once the server gave no answer, nothing is from there.
    fn source(&self) -> Source {
        if self.client.is_some() { Source::Server } else { Source::Here }
    }

    /// One link. Once the server gave no answer, it is not asked again.
    fn explain(
        &mut self,
        text: &str,
        now: Timestamp,
    ) -> Result<ExplainedLink, presign::ExplainError> {
        let here = self.explain_here(text, now)?;
        if let Some(client) = &self.client {
            match client.ask(text, self.method, &self.headers, now) {
                Ok(explained) => return Ok(explained),
                Err(silence) => {
                    output::note(format!("{silence}; this is what is known without it"));
                    self.client = None;
                }
            }
        }
        Ok(ExplainedLink::from(&here))
    }

    /// With the secret, where the configured credentials are those that signed.
    fn explain_here(
        &self,
        text: &str,
        now: Timestamp,
    ) -> Result<Explanation, presign::ExplainError> {
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let region = self.expected_region(text);
        let mut question = ExplainQuestion::new(text);
        question.method = self.method;
        question.headers = &headers;
        question.origins = self.endpoint.as_slice();
        question.expected = region
            .as_deref()
            .map(|region| ExpectedScope::new(region, "s3").with_sigv2(SigV2Use::Allow));
        let mut told = explain(&question, now)?;
        let signer = told.allows.as_ref().map(|grant| &grant.signer);
        let own = self.credentials.as_ref().filter(|it| signer == Some(&it.access_key_id));
        if let Some(credentials) = own {
            question.secret = Some(&credentials.secret_access_key);
            question.session_token = credentials.session_token.as_ref();
            told = explain(&question, now)?;
        }
        let token = question.request().and_then(|request| request.session_token());
        let end = token.and_then(|token| iam::token_expires_at(&token));
        let end = end.or_else(|| self.session_ends_at.filter(|_| own.is_some()));
        if let Some(end) = end {
            limit_by_session(&mut told, end, now);
        }
        Ok(told)
    }

    /// The region that the link must be signed for: the one on the command line, that of its AWS host, or the
    /// configured one if it is a link of the configured server.
    fn expected_region(&self, text: &str) -> Option<String> {
        if let Some(region) = &self.region {
            return Some(region.clone());
        }
        let (_, rest) = text.split_once("://")?;
        let authority = rest.split(['/', '?']).next()?.to_ascii_lowercase();
        if let Some(region) = location::aws_region(&authority) {
            return Some(region.to_owned());
        }
        let host = self.endpoint.as_ref()?.signed_host();
        let below = authority.strip_suffix(host)?;
        if below.is_empty() || below.ends_with('.') { self.server_region.clone() } else { None }
    }
}
