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
use store::OBJECT_KEY_BYTES_MAX;

use crate::body::RequestBody;
use crate::config::name_of;
use crate::context::RequestContext;
use crate::distributions::{Behavior, Distribution};
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

/// The longest path, decoded, in bytes: a slash and the longest key.
const PATH_BYTES_MAX: usize = 1 + OBJECT_KEY_BYTES_MAX;
/// The longest URL without what signs it, in bytes from the path on: that of CloudFront.
const URL_BYTES_MAX: usize = 8192;

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
    /// The path with whatever stands in front of it.
    whole: &'r str,
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
        let (segment, rest) = first.find('/').map_or((first, ""), |at| first.split_at(at));
        let decoded = decode_component(segment);
        let pieces = decoded.split(|byte| *byte == b'~').count();
        // A token has three values behind a `~` each; `~user` is the folder of somebody.
        let is_token = !rest.is_empty() && decoded.starts_with(b"~") && pieces > 3;
        let (token, path) = if is_token { (Some(segment), rest) } else { (None, below) };
        Self { distribution, token, path, base, whole: below }
    }

    /// The path, decoded, and the behaviour that it is for.
    fn place<'d>(
        &self,
        distribution: &'d Distribution,
    ) -> Result<(String, &'d Behavior), &'static str> {
        let path = String::from_utf8(decode_component(self.path).into_owned());
        let path = path.map_err(|_| "The path is not text.")?;
        // Longer than any key, with the slash: patterns are not even compared with it.
        if path.len() > PATH_BYTES_MAX {
            return Err("The path is longer than any key of an object.");
        }
        let path = if path.is_empty() { "/".to_owned() } else { path };
        let behavior = distribution.behavior(&path);
        Ok((path, behavior.ok_or("No behaviour of the distribution fits the path.")?))
    }

    /// Answers a viewer.
    pub(crate) async fn answer(
        mut self,
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
        let (mut path, mut behavior) = match self.place(&distribution) {
            Ok(place) => place,
            Err(why) => return Ok(bad_request(request.ids, why)),
        };
        let token = self.token.map(CloudFrontClaim::from_path_token);
        if behavior.keys.is_none() && token.is_some_and(|token| token.is_err()) {
            // Where nobody signs, what only looks like a token is a folder.
            (self.token, self.path) = (None, self.whole);
            (path, behavior) = match self.place(&distribution) {
                Ok(place) => place,
                Err(why) => return Ok(bad_request(request.ids, why)),
            };
        }
        let query = CloudFrontClaim::unsigned_query(request.head.query());
        if self.path.len().saturating_add(query.len()) > URL_BYTES_MAX {
            return Ok(bad_request(request.ids, "The URL is longer than 8,192 bytes."));
        }
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
