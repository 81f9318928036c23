//! Websites: buckets that answer browsers with pages. Nobody signs anything here, and nothing is served but what everybody may
//! read. How a website is configured is in `s3::website`.

mod page;
mod routing;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{
    ALLOW, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, LOCATION, RANGE, REFERER, USER_AGENT,
};
use hyper::{HeaderMap, Method, StatusCode};
use presign::{SignatureClaim, decode_component, encode_path};
use store::{BucketName, Website, WebsitePages};
use tokio::time::Instant;

use crate::audit::{LoggedRefusal, log_cause};
use crate::body::RequestBody;
use crate::config::name_of;
use crate::context::RequestContext;
use crate::cors;
use crate::error::{Code, S3Error};
use crate::gate::Caller;
use crate::head::Head;
use crate::inner_request::InnerRequest;
use crate::notes::RequestNotes;
use crate::origin::OWN_PREFIX;
use crate::place::Place;
use crate::respond::{Ids, Reply};
use crate::route;
use crate::s3::headers::WEBSITE_REDIRECT;
use crate::s3::serving::{guard_page, keep_origin};
use crate::services::Services;
use page::ErrorPage;
use routing::Routing;

/// The operation of every request for a website, in the log and the metrics.
const READ: &str = "GetWebsiteObject";

/// The headers of a client that concern an object.
const OF_READS: [HeaderName; 6] =
    [RANGE, IF_RANGE, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];

/// How S3 refuses a request whose conditions or range do not fit the object.
const OF_CONDITIONS: [StatusCode; 2] =
    [StatusCode::PRECONDITION_FAILED, StatusCode::RANGE_NOT_SATISFIABLE];

/// The headers of a client that policies may ask for.
const OF_POLICIES: [HeaderName; 2] = [REFERER, USER_AGENT];

/// Where somebody has come to.
#[derive(Debug)]
pub(crate) struct WebsiteRoute<'r> {
    /// The bucket, as it is named.
    bucket: Cow<'r, str>,
    /// The path at the website, encoded.
    path: &'r str,
    /// What the client sees before the path: empty at a host of the website's own.
    base: String,
    /// Whether the host is the server's own, so that pages are of its origin.
    is_of_server: bool,
}

/// A request for a website.
#[derive(Clone, Copy)]
pub(crate) struct WebsiteRequest<'r> {
    pub(crate) services: &'r Services,
    pub(crate) head: &'r Head<'r>,
    pub(crate) context: &'r Arc<RequestContext>,
    pub(crate) ids: &'r Ids,
}

/// The website that a request is for: by its host, by its path at the server's own, or, at the host of one bucket, because
/// nobody signed it and the bucket is a website.
pub(crate) async fn route<'r>(services: &Services, head: &'r Head<'r>) -> Option<WebsiteRoute<'r>> {
    let reading = head.reading();
    match reading.place() {
        Place::Website(bucket) => {
            let path = head.parts().uri.path();
            Some(WebsiteRoute {
                bucket: Cow::Borrowed(bucket),
                path,
                base: String::new(),
                is_of_server: false,
            })
        }
        Place::Service => {
            let below = reading.below().strip_prefix(OWN_PREFIX)?.strip_prefix("/website/")?;
            let (bucket, path) = below.find('/').map_or((below, ""), |at| below.split_at(at));
            let base = format!("{}{OWN_PREFIX}/website/{bucket}", head.named_prefix());
            Some(WebsiteRoute { bucket: Cow::Borrowed(bucket), path, base, is_of_server: true })
        }
        Place::Bucket(bucket) => {
            let name = name_of(head.named_host());
            let mut own = services.config.bucket_domains.iter();
            let is_own = own.any(|domain| domain.host.eq_ignore_ascii_case(name));
            let reads = [Method::GET, Method::HEAD].contains(head.method());
            if !is_own || !reads || !is_unsigned(head) {
                return None;
            }
            let named = BucketName::parse(bucket).ok()?;
            services.gate.website(&named).await.ok()???;
            let (bucket, path) = (Cow::Borrowed(&**bucket), reading.below());
            let base = head.named_prefix().to_owned();
            Some(WebsiteRoute { bucket, path, base, is_of_server: false })
        }
        Place::Distribution(_) => None,
    }
}

/// Whether a request carries no signature, not even one that cannot be read.
fn is_unsigned(head: &Head<'_>) -> bool {
    matches!(SignatureClaim::from_request(&head.signed_part()), Ok(None))
}

impl WebsiteRoute<'_> {
    /// The bucket, if its name can be one's.
    pub(crate) fn named_bucket(&self) -> Option<BucketName> {
        BucketName::parse(&self.bucket).ok()
    }

    pub(crate) async fn answer(
        self,
        request: WebsiteRequest<'_>,
        notes: &mut RequestNotes,
    ) -> Reply {
        notes.operation = READ;
        let bucket = self.named_bucket();
        notes.bucket.clone_from(&bucket);
        let mut reply = match self.site(bucket, request, notes).await {
            Ok(site) => site.answer(notes).await,
            Err(error) => {
                note(&error, request.ids, notes);
                ErrorPage::of(&error, None).reply(request.ids)
            }
        };
        if self.is_of_server {
            keep_origin(&mut reply);
            guard_page(&mut reply, request.context);
        }
        reply
    }

    /// The website, if there is one and the method is one of its.
    async fn site<'s>(
        &'s self,
        bucket: Option<BucketName>,
        request: WebsiteRequest<'s>,
        notes: &mut RequestNotes,
    ) -> Result<Site<'s>, S3Error> {
        let WebsiteRequest { services, head, .. } = request;
        let missing = || {
            S3Error::new(Code::NoSuchBucket).detail("BucketName", self.bucket.clone().into_owned())
        };
        let bucket = bucket.ok_or_else(missing)?;
        let website = services.gate.website(&bucket).await?.ok_or_else(missing)?;
        let website = website.ok_or_else(|| {
            S3Error::new(Code::NoSuchWebsiteConfiguration)
                .detail("BucketName", bucket.as_str().to_owned())
        })?;
        if ![Method::GET, Method::HEAD].contains(head.method()) {
            return Err(S3Error::new(Code::MethodNotAllowed)
                .detail("Method", head.method().as_str().to_owned())
                .detail("ResourceType", "OBJECT")
                .header(ALLOW, HeaderValue::from_static("GET, HEAD")));
        }
        if cors::concerns(head.parts()) {
            notes.cors = cors::headers_for(&services.gate, head.parts(), Some(&bucket)).await;
        }
        let path = self.path.strip_prefix('/').unwrap_or(self.path);
        let key = String::from_utf8(decode_component(path).into_owned());
        let key = key.map_err(|cause| S3Error::new(Code::InvalidUri).because(cause))?;
        Ok(Site { route: self, request, bucket, website, key })
    }
}

/// A website, and the key that is asked for.
struct Site<'s> {
    route: &'s WebsiteRoute<'s>,
    request: WebsiteRequest<'s>,
    bucket: BucketName,
    website: Arc<Website>,
    key: String,
}

impl Site<'_> {
    async fn answer(&self, notes: &mut RequestNotes) -> Reply {
        let routing = Routing { base: &self.route.base, head: self.request.head };
        match &*self.website {
            Website::Redirect(host) => routing.to_host(host, &self.key),
            // Addresses in the pages are relative to the slash.
            Website::Pages(_) if self.route.path.is_empty() => routing.to_root(),
            Website::Pages(pages) => match self.read(pages, routing, notes).await {
                Ok(reply) => reply,
                Err(error) => self.fail(pages, &error, routing, notes).await,
            },
        }
    }

    /// The client's headers of these names.
    fn sent(&self, names: &[HeaderName]) -> HeaderMap {
        let sent = &self.request.head.parts().headers;
        let found = names.iter().filter_map(|name| Some((name.clone(), sent.get(name)?.clone())));
        found.collect()
    }

    /// The key of the page that is asked for (semantics 6.7.3).
    fn named(&self, pages: &WebsitePages) -> String {
        if self.key.is_empty() || self.key.ends_with('/') {
            return format!("{}{}", self.key, pages.index_suffix);
        }
        self.key.clone()
    }

    /// The object at the key, or the redirection that stands in its place.
    async fn read(
        &self,
        pages: &WebsitePages,
        routing: Routing<'_>,
        notes: &mut RequestNotes,
    ) -> Result<Reply, S3Error> {
        if let Some(rule) = routing::rule_for(&pages.rules, &self.key, None) {
            return Ok(routing.redirect(rule, &self.key));
        }
        let method = self.request.head.method();
        let named = self.named(pages);
        notes.key = route::parse_key(named.as_bytes()).ok();
        let sent = self.sent(&OF_READS);
        let is_conditional = !sent.is_empty();
        match self.ask(method, &named, sent).await {
            Ok(mut reply) => {
                let place = reply.headers.remove(WEBSITE_REDIRECT);
                Ok(place.map_or(reply, |place| routing.to_place(&place)))
            }
            Err(error) => {
                // Whoever is sent on need not hold what stands here, nor is a part of it wanted.
                if is_conditional
                    && OF_CONDITIONS.contains(&error.code().status())
                    && let Some(place) = self.place_of(&named).await
                {
                    return Ok(routing.to_place(&place));
                }
                let is_missing =
                    [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN].contains(&error.code().status());
                let index = format!("{}/{}", self.key, pages.index_suffix);
                if is_missing
                    && named == self.key
                    && self.ask(&Method::HEAD, &index, HeaderMap::new()).await.is_ok()
                {
                    return Ok(routing.to_folder(&self.key));
                }
                Err(error)
            }
        }
    }

    /// Where an object sends those who ask for it, whatever they hold of it.
    async fn place_of(&self, key: &str) -> Option<HeaderValue> {
        let found = self.ask(&Method::HEAD, key, HeaderMap::new()).await;
        found.ok()?.headers.remove(WEBSITE_REDIRECT)
    }

    /// What stands in the place of an error: a redirection, the website's own page, or a page that tells the error.
    async fn fail(
        &self,
        pages: &WebsitePages,
        error: &S3Error,
        routing: Routing<'_>,
        notes: &mut RequestNotes,
    ) -> Reply {
        note(error, self.request.ids, notes);
        let status = error.code().status();
        if let Some(rule) = routing::rule_for(&pages.rules, &self.key, Some(status.as_u16())) {
            return routing.redirect(rule, &self.key);
        }
        let error_key = pages.error_key.as_deref().filter(|_| status.is_client_error());
        let Some(error_key) = error_key else {
            return ErrorPage::of(error, Some(&self.named(pages))).reply(self.request.ids);
        };
        match self.ask(self.request.head.method(), error_key, HeaderMap::new()).await {
            Ok(mut reply) => {
                if let Some(place) = reply.headers.remove(WEBSITE_REDIRECT) {
                    return routing.to_place(&place);
                }
                reply.status = status;
                page::describe(&mut reply, error);
                reply
            }
            Err(of_page) => {
                log_cause(&LoggedRefusal::from(&of_page), self.request.ids, notes);
                ErrorPage::of(error, Some(&self.named(pages)))
                    .without(error_key, &of_page)
                    .reply(self.request.ids)
            }
        }
    }

    /// What everybody is answered who asks for an object.
    async fn ask(&self, method: &Method, key: &str, headers: HeaderMap) -> Result<Reply, S3Error> {
        let WebsiteRequest { services, context, .. } = self.request;
        // A key that no object can have would name the bucket itself.
        let key = route::parse_key(key.as_bytes())?;
        let target = format!("/{}/{}", self.bucket, encode_path(key.as_bytes()));
        let config = if self.route.is_of_server {
            &services.config
        } else {
            // At a host of its own a website is what its owner made it.
            services.distributions.origin_config()
        };
        let mut headers = headers;
        headers.extend(self.sent(&OF_POLICIES));
        let inner = InnerRequest {
            gate: Arc::clone(&services.gate),
            config: Arc::clone(config),
            context: Arc::clone(context),
            caller: Arc::new(Caller::Anonymous),
            target,
            headers,
            client: context.client,
            tls: context.tls,
            secure: context.secure,
            begun: Instant::now(),
        };
        let mut nothing = RequestBody::from_memory(Bytes::new(), &HeaderMap::new());
        inner.ask(method, HeaderMap::new(), &mut nothing).await
    }
}

/// Notes why a request was refused, and logs the cause.
fn note(error: &S3Error, ids: &Ids, notes: &mut RequestNotes) {
    notes.code = Some(error.code().wire());
    log_cause(&LoggedRefusal::from(error), ids, notes);
}

/// An answer that sends the client elsewhere.
fn redirection(status: StatusCode, location: &str) -> Reply {
    let mut reply = Reply::new(status);
    match HeaderValue::from_str(location) {
        Ok(location) => reply.set(LOCATION, location),
        // No configuration and no object has such text.
        Err(_) => reply.status = StatusCode::INTERNAL_SERVER_ERROR,
    }
    reply
}
