//! Valet's own paths below `/_valet/`: health probes, metrics, and the routes of the JSON API. Other paths
//! there answer 404.

use bytes::Bytes;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use iam::Values;

use crate::api::{self, ApiRoute};
use crate::gate::{AdmissibleApiCall, ApiPermission};
use crate::notes::OPEN_LINK;
use crate::origin::OWN_PREFIX;
use crate::reading::Reading;
use crate::respond::{Reply, ReplyBody};
use crate::services::Services;
use crate::short::ShortRoute;

/// Below the prefix of Valet's own paths.
const API_DESCRIPTION: &str = "/api/v1/openapi.json";

/// One of Valet's own paths.
#[derive(Debug)]
pub(crate) enum OwnRoute {
    Live,
    Ready,
    Metrics,
    Api(ApiRoute),
    /// The description of the API, which is no secret.
    ApiDescription,
    /// A managed link.
    Short(ShortRoute),
    Unknown,
    /// A known path with a method other than GET and HEAD.
    WrongMethod,
}

/// `GET /_valet/metrics` on the port of S3, where reading the metrics is a permission.
pub(crate) struct ReadMetrics;

impl AdmissibleApiCall for ReadMetrics {
    fn permission(&self) -> ApiPermission<'_> {
        ApiPermission::Operator("valet:ReadMetrics")
    }

    fn condition(&self, _key: &str) -> Option<Values<'_>> {
        None
    }
}

/// Reads one of Valet's own paths; `None` if the path is that of a bucket.
pub(crate) fn route(method: &Method, reading: &Reading<'_>) -> Option<OwnRoute> {
    let rest = reading.own_path()?.strip_prefix(OWN_PREFIX)?;
    let below = rest.strip_prefix("/api/v1").filter(|path| path.starts_with('/'));
    if let Some(path) = below.filter(|_| rest != API_DESCRIPTION) {
        // Each path of the API has one spelling, in which nothing is encoded.
        let route =
            if reading.is_plain() { ApiRoute::read(method, path) } else { ApiRoute::nowhere() };
        return Some(OwnRoute::Api(route));
    }
    if let Some(path) = ShortRoute::path(reading) {
        return Some(OwnRoute::Short(ShortRoute::read(path)));
    }
    let route = named(rest)?;
    let reads = *method == Method::GET || *method == Method::HEAD;
    let any = matches!(route, OwnRoute::Unknown);
    Some(if reads || any { route } else { OwnRoute::WrongMethod })
}

fn named(rest: &str) -> Option<OwnRoute> {
    Some(match rest {
        "/health/live" => OwnRoute::Live,
        "/health/ready" => OwnRoute::Ready,
        "/metrics" => OwnRoute::Metrics,
        API_DESCRIPTION => OwnRoute::ApiDescription,
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
            Self::ApiDescription => "DescribeApi",
            Self::Short(_) => OPEN_LINK,
            Self::Api(route) => route.operation(),
            Self::Unknown | Self::WrongMethod => "-",
        }
    }

    /// Answers a path that needs no API call. Permission, where one is needed, was checked before.
    pub(crate) fn answer(&self, services: &Services) -> Reply {
        match self {
            Self::Live => text(StatusCode::OK, "live\n"),
            Self::Ready => match services.is_writable() {
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
            Self::ApiDescription => {
                let mut reply = Reply::new(StatusCode::OK);
                reply.set(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                reply.body = ReplyBody::Full(api::description());
                reply
            }
            Self::Api(_) | Self::Short(_) | Self::Unknown => {
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
