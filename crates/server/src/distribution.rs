//! Distributions: what viewers ask of them is proven by CloudFront's signatures, answered from the cache, and read from a
//! bucket of this server. How they are configured is in `cloudfront`.

mod origin;
mod refusal;
mod view;

use std::borrow::Cow;
use std::sync::Arc;

use edge::CacheOutcome;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderName, HeaderValue, VIA};
use presign::{CloudFrontClaim, decode_component};

use crate::body::RequestBody;
use crate::config::name_of;
use crate::context::RequestContext;
use crate::distributions::Distribution;
use crate::error::S3Error;
use crate::head::Head;
use crate::notes::RequestNotes;
use crate::origin::OWN_PREFIX;
use crate::place::Place;
use crate::respond::{Ids, Reply};
use crate::s3::serving::{guard_page, keep_origin};
use crate::services::Services;
use view::View;

/// The operation of every request of a viewer, in the log and the metrics.
const VIEW: &str = "ViewDistribution";

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// Where a viewer has come to.
#[derive(Debug)]
pub(crate) struct DistributionRoute<'r> {
    /// `None`: there is no such distribution.
    distribution: Option<Arc<Distribution>>,
    /// The token in the path, encoded; without its `~` at the beginning it is none.
    token: Option<&'r str>,
    /// The path at the distribution, encoded.
    path: &'r str,
    /// What the viewer sees before it: empty at a host of the distribution's own.
    base: Cow<'r, str>,
}

/// A request of a viewer.
#[derive(Clone, Copy)]
pub(crate) struct ViewerRequest<'r> {
    pub(crate) services: &'r Services,
    pub(crate) head: &'r Head<'r>,
    pub(crate) context: &'r Arc<RequestContext>,
    pub(crate) ids: &'r Ids,
}

/// The distribution that a request is for, by its host, or by its path at the server's own.
pub(crate) fn route<'r>(services: &Services, head: &Head<'r>) -> Option<DistributionRoute<'r>> {
    let (state, config, reading) = (&services.distributions, &services.config, head.reading());
    let route = |distribution, base, below| DistributionRoute::new(distribution, base, below);
    match reading.place() {
        Place::Distribution(id) => Some(route(state.by_id(id), Cow::Borrowed(""), reading.below())),
        Place::Service => {
            // Nobody has distributions on most servers.
            if state.is_empty() {
                return None;
            }
            let name = name_of(head.named_host()).to_ascii_lowercase();
            let is_distributions = !config.is_own_name(&name) && !is_signed_for_s3(head);
            let own = if is_distributions { state.by_host(&name) } else { None };
            if let Some(distribution) = own {
                // At a host of its own, no path and no prefix of the server's counts.
                let path = head.parts().uri.path();
                return Some(route(Some(distribution), Cow::Borrowed(""), path));
            }
            let below = reading.below().strip_prefix(OWN_PREFIX)?;
            let rest = below.strip_prefix("/cdn/")?;
            let (id, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
            let base = format!("{OWN_PREFIX}/cdn/{id}");
            Some(route(state.by_id(id), Cow::Owned(base), path))
        }
        Place::Bucket(_) | Place::Website(_) => None,
    }
}

/// Whether a client of S3 sends the request: whatever host it names, what it has signed is for no distribution.
fn is_signed_for_s3(head: &Head<'_>) -> bool {
    let header = head.header("authorization").is_some_and(|value| value.starts_with("AWS"));
    header || head.query().contains("X-Amz-Signature=")
}

impl<'r> DistributionRoute<'r> {
    fn new(distribution: Option<Arc<Distribution>>, base: Cow<'r, str>, below: &'r str) -> Self {
        let first = below.strip_prefix('/').unwrap_or(below);
        let begins = first.starts_with('~')
            || first.get(..3).is_some_and(|it| it.eq_ignore_ascii_case("%7e"));
        let (token, path) = match first.find('/') {
            Some(at) if begins => {
                let (token, path) = first.split_at(at);
                (Some(token), path)
            }
            Some(_) | None => (None, below),
        };
        Self { distribution, token, path, base }
    }

    /// Answers a viewer.
    pub(crate) async fn answer(
        self,
        request: ViewerRequest<'_>,
        body: &mut RequestBody,
        notes: &mut RequestNotes,
    ) -> Result<Reply, S3Error> {
        notes.operation = VIEW;
        let Some(distribution) = self.distribution.clone().filter(|it| it.is_enabled) else {
            notes.code = Some("NoSuchDistribution");
            let why = "There is no distribution at this address, or it is disabled.";
            return Ok(with_outcome(
                refusal::page(StatusCode::FORBIDDEN, why, request.ids),
                CacheOutcome::Error,
            ));
        };
        let path = String::from_utf8(decode_component(self.path).into_owned());
        let Ok(path) = path.map(|path| if path.is_empty() { "/".to_owned() } else { path }) else {
            return Ok(bad_request(request.ids, "The path is not text."));
        };
        let Some(behavior) = distribution.behavior(&path) else {
            return Ok(bad_request(request.ids, "No behaviour of the distribution fits the path."));
        };
        let query = CloudFrontClaim::unsigned_query(request.head.query());
        let (route, distribution) = (&self, &distribution);
        let view = View { request, route, distribution, behavior, path: &path, query: &query };
        let mut reply = view.answer(body, notes).await?;
        if !self.base.is_empty() {
            // Below the server's own origin it is a page like any other object.
            keep_origin(&mut reply);
            guard_page(&mut reply, request.context);
        }
        reply.set(VIA, HeaderValue::from_static("1.1 valet"));
        Ok(reply)
    }
}

fn bad_request(ids: &Ids, why: &str) -> Reply {
    let mut reply = refusal::page(StatusCode::BAD_REQUEST, why, ids);
    reply.set(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    with_outcome(reply, CacheOutcome::Error)
}

fn with_outcome(mut reply: Reply, outcome: CacheOutcome) -> Reply {
    reply.set(X_CACHE, HeaderValue::from_static(outcome.x_cache()));
    reply
}
