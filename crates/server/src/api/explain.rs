//! Says of a link what it allows, until when, and why it does not work: what its text tells, and to those who may know
//! what the gate would decide if it were used now.

mod host;
mod used;

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::StatusCode;
use jiff::Timestamp;
use presign::{
    Cause, CauseCode, Endpoint, ExpectedScope, ExpiryLimit, ExplainError, ExplainQuestion,
    Explanation, LinkNote, LinkRequest, LinkVerdict, MissingFact, SecretAccessKey, explain,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::document::Json;
use super::error::ApiError;
use super::operation::{ApiOperation, ApiPermission, ApiRequest};
use crate::config::ServerConfig;

use crate::explained::ExplainedLink;
use crate::gate::{Authorized, KnownSigner, LinkSigner, Standing, StoreAccess};
use crate::reading::Reading;
use crate::route::{self, Target};
use host::HostKind;
use used::{Place, of_use};

/// The most headers that a question may have.
const HEADERS_MAX: usize = 64;

const METHODS: [&str; 5] = ["GET", "PUT", "HEAD", "DELETE", "POST"];

/// `POST /explain`. Everybody may ask, and is told what he may know.
pub(super) struct ExplainLink;

/// The link as somebody has it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkInQuestion {
    url: String,
    method: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

impl ApiOperation for ExplainLink {
    const STATUS: StatusCode = StatusCode::OK;
    type Request = Json<LinkInQuestion>;
    type Answer = Json<ExplainedLink>;

    fn read(_request: &ApiRequest<'_>) -> Result<Self, ApiError> {
        Ok(Self)
    }

    fn permission(&self) -> ApiPermission<'_> {
        ApiPermission::LinkByLink
    }

    async fn run(
        call: Authorized<Self>,
        Json(link): Json<LinkInQuestion>,
    ) -> Result<Json<ExplainedLink>, ApiError> {
        let access = call.access();
        link.check()?;
        let explanation = explained(access, link).await?;
        Ok(Json(ExplainedLink::from(&explanation)))
    }
}

impl LinkInQuestion {
    fn check(&self) -> Result<(), ApiError> {
        if self.method.as_ref().is_some_and(|method| !METHODS.contains(&method.as_str())) {
            return Err(ApiError::invalid_request(
                "`method` is GET, PUT, HEAD, DELETE or POST, in upper case.",
            ));
        }
        if self.headers.len() > HEADERS_MAX {
            return Err(ApiError::invalid_request("`headers` has 64 members at most."));
        }
        Ok(())
    }

    /// Asks the library, with the secret or without.
    fn ask(
        &self,
        config: &ServerConfig,
        secret: Option<&SecretAccessKey>,
        now: Timestamp,
    ) -> Result<(Explanation, Option<LinkRequest>), ApiError> {
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let (declared, listened) = (declared(config), host::listened(config));
        let domains: Vec<&str> = config.domains.iter().map(String::as_str).collect();
        let mut question = ExplainQuestion::new(&self.url);
        question.method = self.method.as_deref();
        question.headers = &headers;
        question.expected = Some(ExpectedScope::new(&config.region, "s3").with_sigv2(config.sigv2));
        question.secret = secret;
        question.declared = &declared;
        question.origins = &listened;
        question.domains = &domains;
        let explanation = explain(&question, now).map_err(|error| match error {
            ExplainError::TooLong => ApiError::invalid_request("`url` is longer than any link."),
            ExplainError::Distribution => {
                ApiError::invalid_request("`url` is signed for a distribution, not for a bucket. What the distribution answers says why it does not open.")
            }
            ExplainError::NotALink | _ => ApiError::invalid_request("There is no link in `url`."),
        })?;
        let request = question.request();
        Ok((explanation, request))
    }
}

/// The names of this server that it verifies links at.
fn declared(config: &ServerConfig) -> Vec<Endpoint> {
    let urls = config.public_urls.iter();
    let text = urls.map(|url| format!("{}://{}{}", url.scheme, url.host, url.prefix));
    text.filter_map(|text| Endpoint::parse(&text).ok()).collect()
}

/// What may be told of the link to the caller.
async fn explained(access: &StoreAccess, link: LinkInQuestion) -> Result<Explanation, ApiError> {
    let link = Arc::new(link);
    let config = &access.context().config;
    let now = access.now();
    let (mut by_text, request) = link.ask(config, None, now)?;
    let (Some(grant), Some(request)) = (&mut by_text.allows, request) else { return Ok(by_text) };
    let host = HostKind::of(&request.host, access.context());
    if host == HostKind::Amazon {
        return Ok(host::of_amazon(by_text, &request.host));
    }
    let reading = Reading::at(&request.host, &request.path, config);
    // What names no bucket may be a link whose path was changed: its signer may know all the same.
    let target = route::target(reading.resource()).unwrap_or(Target::Service);
    let (token, id) = (request.session_token(), grant.signer.clone());
    host.read_here(grant, &target);
    match access.link_signer(&id, token.as_deref(), &target).await? {
        LinkSigner::Hidden => Ok(of_stranger((by_text, host), None)),
        LinkSigner::NotOfAccount => Ok(of_stranger((by_text, host), Some(not_of_account(&id)))),
        LinkSigner::WrongToken => Ok(of_stranger((by_text, host), Some(wrong_token()))),
        LinkSigner::Known(signer) => {
            let mut told = match &signer.secret {
                Some(secret) => with_secret(access, &link, secret).await?,
                None => by_text,
            };
            if let Some(grant) = &mut told.allows {
                host.read_here(grant, &target);
            }
            of_signer(&mut told, &signer);
            if signer.is_root {
                told.notes.push(LinkNote::PowerfulSigner);
            }
            let place = Place { request: &request, target: &target, host };
            of_use(access, &mut told, &link, place).await?;
            host::limit(&mut told, host);
            Ok(told)
        }
    }
}

/// Tries with the secret what may have happened to the link. That may take some tens of milliseconds of computing,
/// so it is done where it keeps no other request waiting.
async fn with_secret(
    access: &StoreAccess,
    link: &Arc<LinkInQuestion>,
    secret: &SecretAccessKey,
) -> Result<Explanation, ApiError> {
    let (link, secret) = (Arc::clone(link), secret.clone());
    let (config, now) = (Arc::clone(&access.context().config), access.now());
    let (told, _) = access.search(move || link.ask(&config, Some(&secret), now)).await??;
    Ok(told)
}

fn not_of_account(id: &str) -> Cause {
    Cause::new(
        CauseCode::KeyUnknown,
        format!(
            "No access key of this account has the id {id}: it was deleted, or is another account's."
        ),
        "Sign a new link with a key that exists.",
    )
}

fn wrong_token() -> Cause {
    Cause::new(
        CauseCode::SessionToken,
        "The session token of the link is none of this server's, or it was changed.",
        "Use the whole link, or sign a new one.",
    )
}

/// What the text tells of a link whose signer is a stranger to the asker, and what is likely of that signer.
fn of_stranger((by_text, host): (Explanation, HostKind), likely: Option<Cause>) -> Explanation {
    let mut told = by_text;
    if told.works == LinkVerdict::Unknown {
        told.missing.push(MissingFact::Policies);
    }
    told.causes.splice(0..0, likely);
    host::limit(&mut told, host);
    told
}

/// What is known of the key: a server looks at it before it looks at the signature.
fn of_signer(told: &mut Explanation, signer: &KnownSigner) {
    if let Some(grant) = &mut told.allows {
        grant.limited_by.retain(|limit| *limit != ExpiryLimit::SessionUnknown);
        if let Some(end) = signer.session_ends_at
            && grant.until.is_none_or(|until| end < until)
        {
            grant.until = Some(end);
            grant.limited_by = vec![ExpiryLimit::Session];
        }
    }
    let cause = match signer.standing {
        Standing::Active => return,
        Standing::Inactive => Cause::new(
            CauseCode::KeyInactive,
            "The access key that signed the link is not active.",
            "Activate the key (valet key), or sign a new link with another one.",
        ),
        Standing::Gone => Cause::new(
            CauseCode::KeyInactive,
            "The user, role or key that signed the link, or opened its session, is gone.",
            "Sign a new link with a key of somebody who exists.",
        ),
        Standing::Ended => Cause::new(
            CauseCode::SessionEnded,
            match signer.session_ends_at {
                Some(end) => format!("The session that signed the link ended at {end}."),
                None => "The session that signed the link has ended.".to_owned(),
            },
            "Sign a new link, with a longer session or with a long-term key.",
        ),
        Standing::OtherToken => Cause::new(
            CauseCode::SessionToken,
            "The link has a session token that is not of the key which it names.",
            "Use the whole link, or sign a new one.",
        ),
    };
    // The link may have ended as well: what a server finds first stands first.
    let at = told.causes.iter().take_while(|cause| is_found_before_the_key(cause.code)).count();
    told.works = LinkVerdict::Fails;
    told.missing.clear();
    told.causes.insert(at, cause);
}

/// Whether a server refuses for this before it looks up the key.
fn is_found_before_the_key(code: CauseCode) -> bool {
    [
        CauseCode::HtmlEscaped,
        CauseCode::CutOff,
        CauseCode::ParameterMissing,
        CauseCode::TooLong,
        CauseCode::Expired,
        CauseCode::NotYet,
        CauseCode::Clock,
        CauseCode::Region,
        CauseCode::Service,
        CauseCode::HeaderUnsigned,
    ]
    .contains(&code)
}
