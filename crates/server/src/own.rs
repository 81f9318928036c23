//! Valet's own paths below `/_valet/`: health probes, metrics, and the routes of the JSON API. Other paths
//! there answer 404.

use bytes::Bytes;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};

use crate::api::ApiRoute;
use crate::respond::{Reply, ReplyBody};
use crate::services::Services;

/// The operation in the log for a request to the API whose call is not known yet.
pub(crate) const API: &str = "Api";

/// The first segment of Valet's own paths. No bucket can have this name.
pub(crate) const PREFIX: &str = "/_valet";

/// One of Valet's own paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OwnRoute {
    Live,
    Ready,
    Metrics,
    Api(ApiRoute),
    Unknown,
    /// A known path with a method other than GET and HEAD.
    WrongMethod,
}

/// Reads one of Valet's own paths; `None` if the path is that of a bucket.
pub(crate) fn route(method: &Method, path: &str) -> Option<OwnRoute> {
    let route = named(path)?;
    let reads = *method == Method::GET || *method == Method::HEAD;
    let any = matches!(route, OwnRoute::Unknown | OwnRoute::Api(_));
    Some(if reads || any { route } else { OwnRoute::WrongMethod })
}

fn named(path: &str) -> Option<OwnRoute> {
    let rest = path.strip_prefix(PREFIX)?;
    if let Some(below) = rest.strip_prefix("/api/v1/") {
        return Some(OwnRoute::Api(ApiRoute::read(below)));
    }
    Some(match rest {
        "/health/live" => OwnRoute::Live,
        "/health/ready" => OwnRoute::Ready,
        "/metrics" => OwnRoute::Metrics,
        "" => OwnRoute::Unknown,
        below if below.starts_with('/') => OwnRoute::Unknown,
        _ => return None,
    })
}

impl OwnRoute {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Live => "HealthLive",
            Self::Ready => "HealthReady",
            Self::Metrics => "ReadMetrics",
            Self::Api(_) => API,
            Self::Unknown | Self::WrongMethod => "-",
        }
    }

    /// Answers a path that needs no API call. Permission, where one is needed, was checked before.
    pub(crate) fn answer(&self, services: &Services) -> Reply {
        match self {
            Self::Live => text(StatusCode::OK, "live\n"),
            Self::Ready => match services.store.is_writable() {
                Ok(()) => text(StatusCode::OK, "ready\n"),
                Err(error) => text(StatusCode::SERVICE_UNAVAILABLE, &format!("{error}\n")),
            },
            Self::Metrics => {
                let mut reply = text(StatusCode::OK, &services.metrics.encode());
                reply.set(
                    CONTENT_TYPE,
                    HeaderValue::from_static(
                        "application/openmetrics-text; version=1.0.0; charset=utf-8",
                    ),
                );
                reply
            }
            Self::Api(_) | Self::Unknown => {
                text(StatusCode::NOT_FOUND, "There is nothing at this path.\n")
            }
            Self::WrongMethod => {
                let mut reply =
                    text(StatusCode::METHOD_NOT_ALLOWED, "This path answers GET and HEAD only.\n");
                reply.set(ALLOW, HeaderValue::from_static("GET, HEAD"));
                reply
            }
        }
    }
}

fn text(status: StatusCode, text: &str) -> Reply {
    let mut reply = Reply::new(status);
    reply.set(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    reply.body = ReplyBody::Full(Bytes::copy_from_slice(text.as_bytes()));
    reply
}
