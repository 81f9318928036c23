//! Decides which surface of the server a request is for. Only the head and the configuration decide, before
//! anybody is authenticated.

use store::BucketName;

use crate::api::ApiRoute;
use crate::cloudfront::{self, ControlRoute};
use crate::error::S3Error;
use crate::head::Head;
use crate::own::{self, OwnRoute};
use crate::place::Place;
use crate::query::{self, QueryEndpoint};
use crate::request::Query;
use crate::route::{self, Call, Level, Target};
use crate::s3::routed::Routed;
use crate::short::ShortRoute;

/// A surface, with what the head says about the request. The surfaces are tried in this order, and the first
/// that claims a request gets it. Surfaces with a host or path of their own (distributions, websites, short
/// links) must come before S3, which gets everything else.
#[derive(Debug)]
pub(crate) enum Surface<'r> {
    /// One of the server's own paths that need no authentication: health probes, and the answer that a path
    /// does not exist.
    Open(OwnRoute),
    /// The metrics at the address of S3.
    Metrics,
    /// Short links, which nobody signs.
    Short(ShortRoute),
    /// The JSON API.
    Api(ApiRoute),
    /// The Query protocols of IAM and STS.
    Query(QueryEndpoint),
    /// CloudFront's control API.
    Control(ControlRoute),
    /// A form that a browser posts to a bucket.
    Form { bucket: BucketName, query: Query<'r> },
    /// S3. A request that is no call of S3 is an error, which is told only to authenticated callers.
    S3(Result<Routed<'r>, S3Error>),
}

impl<'r> Surface<'r> {
    /// Whether nothing on this surface reads conditions of links, so that they are refused at once. The others refuse them in
    /// their own words, after the signature; and what is open has nothing to limit.
    pub(crate) fn takes_no_conditions(&self) -> bool {
        matches!(self, Self::Metrics | Self::Query(_) | Self::Control(_))
    }

    /// The surface that a request is for.
    pub(crate) fn of(head: &Head<'r>) -> Self {
        match head.reading().place() {
            Place::Service | Place::Bucket(_) => {}
            // Their own routes come before.
            Place::Website(_) | Place::Distribution(_) => return Self::Open(OwnRoute::Unknown),
        }
        match own::route(head.method(), head.reading()) {
            Some(OwnRoute::Api(route)) => return Self::Api(route),
            Some(OwnRoute::Metrics) => return Self::Metrics,
            Some(OwnRoute::Short(route)) => return Self::Short(route),
            Some(
                route @ (OwnRoute::Live
                | OwnRoute::Ready
                | OwnRoute::ApiDescription
                | OwnRoute::Unknown
                | OwnRoute::WrongMethod),
            ) => return Self::Open(route),
            None => {}
        }
        if let Some(route) = cloudfront::route(head) {
            return Self::Control(route);
        }
        if let Some(endpoint) = query::endpoint(head) {
            return Self::Query(endpoint);
        }
        match Routed::read(head) {
            Ok(Routed { target: Target::Bucket(bucket), query, call: Call::PostObject }) => {
                Self::Form { bucket, query }
            }
            routed => Self::S3(routed),
        }
    }

    /// The bucket whose CORS rules say which pages may use this surface; `None`: no page of another origin may.
    pub(crate) fn page_place(&self, head: &Head<'_>) -> Option<(Option<BucketName>, Level)> {
        match self {
            Self::Open(_) | Self::Metrics | Self::Short(_) | Self::Control(_) => None,
            Self::Api(route) => route.page_place(head.query()),
            Self::Query(_) | Self::Form { .. } | Self::S3(_) => {
                Some(route::bucket(head.reading().resource()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;
    use crate::config::{PublicUrl, ServerConfig};
    use crate::head::Peer;

    /// The surface of a request, with what it says to the head of its method, host, path and one header.
    fn surface_of(line: &str, header: Option<(&str, &str)>) -> String {
        let mut words = line.split(' ');
        let (method, host, path) =
            (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let mut request = Request::builder().method(method).uri(path).header("host", host);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let peer = Peer { address: [127, 0, 0, 1].into(), tls: None };
        let config = ServerConfig {
            domains: vec!["s3.test".to_owned()],
            public_urls: vec![PublicUrl::parse("http://files.test/below").unwrap()],
            ..crate::config::tests::plain()
        };
        let head = Head::read(&parts, peer, &config).unwrap();
        match Surface::of(&head) {
            Surface::Open(route) => format!("open {route:?}"),
            Surface::Metrics => "metrics".to_owned(),
            Surface::Short(_) => "short".to_owned(),
            Surface::Api(route) => format!("api {}", route.operation()),
            Surface::Query(_) => "query".to_owned(),
            Surface::Control(route) => format!("control {route:?}"),
            Surface::Form { bucket, .. } => format!("form {bucket}"),
            Surface::S3(Ok(routed)) => format!("s3 {}", routed.call.name()),
            Surface::S3(Err(error)) => format!("s3 {}", error.code().wire()),
        }
    }

    #[test]
    fn a_request_is_for_one_surface() {
        let check = |line: &str, expected: &str| {
            assert_eq!(surface_of(line, None), expected, "{line}");
        };
        check("GET h /_valet/health/live", "open Live");
        check("GET h /_valet/health/ready", "open Ready");
        check("PUT h /_valet/health/ready", "open WrongMethod");
        check("GET h /_valet/nothing", "open Unknown");
        check("GET files.test /below/_valet/health/live", "open Live");
        check("GET h /_valet/metrics", "metrics");
        check("GET h /_valet/s/AAAAAAAAAAAAAAAAAAAAAA", "short");
        check("POST h /_valet/s/AAAAAAAAAAAAAAAAAAAAAA", "short");
        check("GET h /_valet/s/", "short");
        check("GET h /_valet/s", "open Unknown");
        check("GET h /_valet/s/%41AAAAAAAAAAAAAAAAAAAAA", "short");
        check("GET h /_valet/s/AAAAAAAAAAAAAAAAAAAAAA/a%2F..%2Fb", "short");
        check("GET h /_valet/%73/AAAAAAAAAAAAAAAAAAAAAA", "open Unknown");
        check("GET bucket.s3.test /_valet/s/AAAAAAAAAAAAAAAAAAAAAA", "s3 GetObject");
        check("GET h /_valet/api/v1/accounts", "api ListAccounts");
        check("POST h /_valet/api/v1/expiry", "api TellExpiry");
        check("GET h /_valet/api/v1/openapi.json", "open ApiDescription");
        check("POST h /_valet/api/v1/openapi.json", "open WrongMethod");
        check("GET bucket.s3.test /_valet/api/v1/openapi.json", "s3 GetObject");
        check("GET h /_valet/api/v1/nothing", "api Api");
        check("GET h /_valet/api/v1/", "api Api");
        check("GET h /_valet/api/v1", "open Unknown");
        check("GET h /_valet/api/v1//accounts", "api Api");
        check("GET h /_valet/api/v1/%61ccounts", "api Api");
        check("GET h /_valet/api/v1/accounts%2F111111111111", "api Api");
        check("GET files.test /below/_valet/api/v1/accounts", "api ListAccounts");
        check("PATCH h /_valet/api/v1/accounts", "api Api");
        check("GET h /?Action=AssumeRoleWithWebIdentity", "query");
        check("GET h /bucket?Action=AssumeRoleWithWebIdentity", "s3 ListObjects");
        check("POST h /bucket", "form bucket");
        check("POST bucket.s3.test /", "form bucket");
        check("POST h /bucket?delete", "s3 DeleteObjects");
        check("GET h /", "s3 ListBuckets");
        check("GET h /bucket/key", "s3 GetObject");
        check("PUT h /bucket/key", "s3 PutObject");
        check("PATCH h /bucket/key", "s3 MethodNotAllowed");
        check("GET h /_valetx/key", "s3 InvalidBucketName");
        // On the host of a bucket there are no paths of our own: they are keys.
        check("GET bucket.s3.test /_valet/health/live", "s3 GetObject");
        check("GET bucket.s3.test /_valet/api/v1/accounts", "s3 GetObject");
    }

    #[test]
    fn what_a_signature_is_for_tells_services_apart() {
        let check = |line: &str, header: (&str, &str), expected: &str| {
            assert_eq!(surface_of(line, Some(header)), expected, "{line} {header:?}");
        };
        let form = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        check("POST h /", form, "query");
        check("POST h /bucket", form, "form bucket");
        check("POST h /", ("content-type", "text/plain"), "s3 MethodNotAllowed");
        let link = |service: &str| {
            format!(
                "GET h /?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20260101%2Fus-east-1%2F{service}%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature={}",
                "0".repeat(64)
            )
        };
        let any = ("accept", "*/*");
        check(&link("iam"), any, "query");
        check(&link("sts"), any, "query");
        check(&link("s3"), any, "s3 ListBuckets");
    }
}
