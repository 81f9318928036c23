//! One request of a viewer: is it allowed, what is read for it, and how is it dressed.

use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use edge::{
    CacheOutcome, Coding, Codings, EdgeAnswer, EdgeBody, EdgeRequest, Origin, ResourceKey,
    is_compressible,
};
use hyper::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, COOKIE, HeaderName, HeaderValue, LOCATION,
    ORIGIN, RANGE, VARY,
};
use hyper::{HeaderMap, Method, StatusCode};
use presign::{CloudFrontPresented, CloudFrontRefusal, decode_component, encode_path};
use sha2::{Digest, Sha256};
use store::ObjectKey;
use tokio::time::Instant;

use super::origin::{BucketOrigin, OF_WRITES};
use super::{DistributionRoute, ViewerRequest, bad_request, refusal, with_outcome};
use crate::body::RequestBody;
use crate::config::name_of;
use crate::cors;
use crate::distributions::{Behavior, Distribution, Methods, ViewerProtocol};
use crate::error::S3Error;
use crate::gate::{Caller, DistributionCaller};
use crate::inner_request::InnerRequest;
use crate::notes::RequestNotes;
use crate::respond::{Reply, ReplyBody};
use crate::route::Level;
use crate::services::Services;

/// What a bucket may be asked about an object beside the object: parameters of the viewer's query that reach it.
const OF_OBJECTS: [&str; 7] = [
    "versionId",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
];

/// One request of a viewer, and the behaviour that answers it.
#[derive(Clone, Copy)]
pub(super) struct View<'v> {
    pub(super) request: ViewerRequest<'v>,
    pub(super) route: &'v DistributionRoute<'v>,
    pub(super) distribution: &'v Arc<Distribution>,
    pub(super) behavior: &'v Behavior,
    /// Decoded: what behaviours and invalidations are compared with, and what the key is made of.
    pub(super) path: &'v str,
    /// As it was sent, without what signs it.
    pub(super) query: &'v str,
}

impl View<'_> {
    pub(super) async fn answer(
        self,
        body: &mut RequestBody,
        notes: &mut RequestNotes,
    ) -> Result<Reply, S3Error> {
        let Self { request, behavior, .. } = self;
        let ViewerRequest { services, head, ids, .. } = request;
        if !head.secure() && behavior.protocol != ViewerProtocol::Any {
            return Ok(self.refuse_protocol());
        }
        let method = head.method();
        let is_preflight = *method == Method::OPTIONS;
        let allowed = match *method {
            Method::GET | Method::HEAD => Methods::Reads,
            Method::OPTIONS => Methods::Asks,
            _ => Methods::All,
        };
        if allowed > behavior.methods {
            let why = "This distribution is not configured to allow the HTTP request method that was used for this request.";
            return Ok(with_outcome(
                refusal::page(StatusCode::FORBIDDEN, why, ids),
                CacheOutcome::Error,
            ));
        }
        // A browser asks without cookies what a page may do; what it may read is asked for with them.
        if is_preflight {
            return self.preflight(services).await;
        }
        if let Err(refused) = self.judge() {
            notes.code = Some(refused.code());
            notes.reason = Some(format!("{refused}: {refused:?}").chars().take(200).collect());
            return Ok(self.dressed(refusal::of_signature(refused), CacheOutcome::Error));
        }
        let key = self.key();
        let Ok(key) = ObjectKey::parse(&key) else {
            return Ok(bad_request(ids, "The path is no key of an object."));
        };
        notes.bucket = Some(behavior.origin.bucket.clone());
        notes.key = Some(key.clone());
        if behavior.headers.contains(&ORIGIN)
            && behavior.answer_headers.as_ref().is_none_or(|it| !it.has_cors())
        {
            let bucket = Some(&behavior.origin.bucket);
            notes.cors = cors::headers_for(&services.gate, head.parts(), bucket).await;
        }
        let origin = self.origin(&key);
        if allowed == Methods::All {
            let headers = self.viewer_headers(&OF_WRITES);
            let reply = origin.ask(method, headers, body).await;
            let failed = reply.status.is_client_error() || reply.status.is_server_error();
            let outcome = if failed { CacheOutcome::Error } else { CacheOutcome::Miss };
            return Ok(self.dressed(reply, outcome));
        }
        self.read(origin).await
    }

    /// Reads an object, and sends the distribution's own page in the place of an error that has one.
    async fn read(self, origin: BucketOrigin) -> Result<Reply, S3Error> {
        let (reply, outcome) = self.cached(origin, &self.request.head.parts().headers).await;
        let page = self.distribution.error_pages.get(&reply.status.as_u16());
        let Some((page, status)) = page.filter(|_| outcome == CacheOutcome::Error) else {
            return Ok(self.dressed(reply, outcome));
        };
        Ok(self.error_page(page, *status).await.unwrap_or(self.dressed(reply, outcome)))
    }

    /// The page that stands for errors. It is the distribution's to show, so nobody must have signed for it; but it is
    /// read only from where everybody may read.
    async fn error_page(self, page: &str, status: u16) -> Option<Reply> {
        let path = String::from_utf8(decode_component(page).into_owned()).ok()?;
        let behavior =
            self.distribution.behavior(&path).filter(|behavior| behavior.keys.is_none())?;
        let of_page = View { behavior, path: &path, ..self };
        let key = ObjectKey::parse(&of_page.key()).ok()?;
        // Ranges and conditions of the viewer are about what was asked for.
        let codings = self.viewer_headers(&[ACCEPT_ENCODING]);
        let (mut reply, outcome) = of_page.cached(of_page.origin(&key), &codings).await;
        if outcome == CacheOutcome::Error || !reply.status.is_success() {
            return None;
        }
        reply.status = StatusCode::from_u16(status).ok()?;
        Some(self.dressed(reply, CacheOutcome::Error))
    }

    /// The answer out of the cache, or of the origin alone where it may not be kept.
    ///
    /// `sent`: the headers of the viewer that count.
    async fn cached(self, origin: BucketOrigin, sent: &HeaderMap) -> (Reply, CacheOutcome) {
        let Self { request, distribution, behavior, .. } = self;
        let ViewerRequest { services, head, context, ids } = request;
        let is_head = *head.method() == Method::HEAD;
        let now_ms = u64::try_from(context.now.as_millisecond()).unwrap_or(0);
        // A range is of the body as it is stored; and for a head alone nobody compresses.
        let codes = !sent.contains_key(RANGE) && !is_head;
        let coding = Coding::choose(sent, behavior.codings).filter(|_| codes);
        let asked = EdgeRequest {
            key: self.resource_key(&origin, coding),
            is_head,
            coding,
            headers: sent,
            ttls: &behavior.ttls,
            forgotten_until_ms: distribution.forgotten_until_ms(self.path),
            now_ms,
        };
        let shared: Arc<dyn Origin> = Arc::new(origin.clone());
        match services.distributions.cache().get(&asked, &shared).await {
            Ok(Some(answer)) => reply_of(answer),
            Ok(None) => {
                let headers = named(sent, &OF_READS);
                let mut nothing = RequestBody::from_memory(Bytes::new(), &headers);
                let reply = origin.ask(head.method(), headers, &mut nothing).await;
                let failed = reply.status.is_client_error() || reply.status.is_server_error();
                (reply, if failed { CacheOutcome::Error } else { CacheOutcome::Miss })
            }
            Err(failure) => {
                tracing::debug!(request_id = ids.request_id, %failure, "the origin of a distribution failed");
                let why = "The origin of the distribution does not answer. Try again in a moment.";
                (refusal::page(StatusCode::BAD_GATEWAY, why, ids), CacheOutcome::Error)
            }
        }
    }

    /// Whether the viewer may have the resource.
    fn judge(self) -> Result<(), CloudFrontRefusal> {
        let Self { request, route, behavior, .. } = self;
        let ViewerRequest { services, head, context, .. } = request;
        let Some(keys) = &behavior.keys else { return Ok(()) };
        let cookies = head.parts().headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
        let presented = match route.token {
            Some(token) => CloudFrontPresented::from_path_token(token)?,
            None => CloudFrontPresented::from_request(head.query(), cookies)?,
        };
        let key = presented.key_pair_id().and_then(|id| keys.get(id));
        let (mut urls, by_sent_host) = self.urls();
        let policy = services.distributions.proven().prove(presented, &urls, key)?;
        // Whoever asks may name any host: a policy for all of another one, which may well be that of another distribution,
        // is about this one only if it says so.
        if !policy.names(&format!("{}/", route.base)) {
            urls.drain(by_sent_host);
        }
        policy.judge(&urls, context.client, context.now)
    }

    /// The URL that the viewer asked for, without what signs it, by every name under which it may have been signed; and
    /// which of these name a host that is neither the distribution's nor declared as the server's.
    fn urls(self) -> (Vec<String>, Range<usize>) {
        let Self { request, route, .. } = self;
        let ViewerRequest { services, head, .. } = request;
        let path = if route.path.is_empty() { "/" } else { route.path };
        let target = |prefix: &str| match self.query {
            "" => format!("{prefix}{}{path}", route.base),
            query => format!("{prefix}{}{path}?{query}", route.base),
        };
        let scheme = if head.secure() { "https" } else { "http" };
        let mut urls = Vec::new();
        let mut add = |url: String| {
            if !urls.contains(&url) {
                urls.push(url);
            }
        };
        let config = &services.config;
        // A proxy may end TLS without saying so: what is declared to be reached over HTTPS is signed so.
        let declared = config.public_urls.iter().map(|url| url.scheme.as_str());
        let schemes =
            std::iter::once(scheme).chain(declared.filter(|declared| *declared == "https"));
        let hosts = self.hosts();
        for scheme in schemes {
            let prefix = if route.base.is_empty() { "" } else { head.named_prefix() };
            for host in &hosts {
                add(format!("{scheme}://{host}{}", target(prefix)));
            }
        }
        let is_own = route.base.is_empty() || config.declares(name_of(head.named_host()));
        let by_sent_host = 0..if is_own { 0 } else { urls.len() };
        let mut add = |url: String| {
            if !urls.contains(&url) {
                urls.push(url);
            }
        };
        if !route.base.is_empty() {
            for url in &config.public_urls {
                add(format!("{}://{}{}", url.scheme, url.host, target(&url.prefix)));
            }
        }
        (urls, by_sent_host)
    }

    /// The host, in the ways in which it may have been written by whoever signed: browsers send it in small letters, and the
    /// id of a distribution has capitals.
    fn hosts(self) -> Vec<String> {
        let host = self.request.head.named_host();
        let small = host.to_ascii_lowercase();
        let id = &self.distribution.id;
        let behind_id = small.strip_prefix(&id.to_ascii_lowercase());
        let with_id = behind_id.filter(|rest| rest.starts_with('.'));
        let with_id = with_id.map(|rest| format!("{id}{rest}"));
        let mut hosts = vec![host.to_owned(), small.clone()];
        hosts.extend(with_id);
        hosts.dedup();
        hosts
    }

    /// The key of the object at the path.
    fn key(self) -> String {
        let path = self.path.strip_prefix('/').unwrap_or(self.path);
        let path = if path.is_empty() { &self.distribution.root } else { path };
        format!("{}{path}", self.behavior.origin.prefix)
    }

    fn origin(self, key: &ObjectKey) -> BucketOrigin {
        let Self { request, distribution, behavior, .. } = self;
        let ViewerRequest { services, head, context, ids } = request;
        let place = &behavior.origin;
        let caller = if place.signs {
            let (arn, account) = (Arc::clone(&distribution.arn), distribution.account.clone());
            Caller::Distribution(DistributionCaller::new(arn, account))
        } else {
            Caller::Anonymous
        };
        let mut target = format!("/{}/{}", place.bucket, encode_path(key.as_bytes()));
        // Who reads as anybody reads objects as they are.
        let pairs = self.query.split('&').filter(|pair| {
            let name = name_in(pair);
            place.signs && OF_OBJECTS.contains(&&*name) && behavior.query.has(&name)
        });
        for (place, pair) in pairs.enumerate() {
            target.push(if place == 0 { '?' } else { '&' });
            target.push_str(pair);
        }
        let mut headers = HeaderMap::new();
        for name in &behavior.headers {
            if let Some(value) = head.parts().headers.get(name) {
                headers.insert(name, value.clone());
            }
        }
        let request = InnerRequest {
            gate: Arc::clone(&services.gate),
            config: Arc::clone(services.distributions.origin_config()),
            context: Arc::clone(context),
            caller: Arc::new(caller),
            target,
            headers,
            // An answer is for all viewers: no policy of the bucket sees who asked first, and by what connection. Between
            // the distribution and its origin there is no wire.
            client: Ipv4Addr::UNSPECIFIED.into(),
            tls: None,
            secure: true,
            begun: Instant::now(),
        };
        BucketOrigin { request, ids: ids.clone() }
    }

    /// Names all on which the answer depends.
    fn resource_key(self, origin: &BucketOrigin, coding: Option<Coding>) -> ResourceKey {
        let Self { distribution, behavior, .. } = self;
        let mut digest = Sha256::new();
        let mut add = |part: &[u8]| {
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(part);
        };
        add(distribution.id.as_bytes());
        add(if behavior.origin.signs { b"signed" } else { b"" });
        add(origin.request.target.as_bytes());
        add(coding.map_or("", Coding::name).as_bytes());
        let pairs = self.query.split('&');
        let pairs = pairs.filter(|pair| !pair.is_empty() && behavior.query.has(&name_in(pair)));
        let pairs: Vec<_> = pairs.collect();
        // How many there are, so that no parameter is taken for a header.
        add(&pairs.len().to_be_bytes());
        for pair in pairs {
            add(pair.as_bytes());
        }
        for (name, value) in &origin.request.headers {
            add(name.as_str().as_bytes());
            add(value.as_bytes());
        }
        ResourceKey(digest.finalize().into())
    }

    /// The viewer's headers of these names.
    fn viewer_headers(self, names: &[HeaderName]) -> HeaderMap {
        named(&self.request.head.parts().headers, names)
    }

    fn refuse_protocol(self) -> Reply {
        let ViewerRequest { services, head, ids, .. } = self.request;
        let declared = services.config.public_urls.iter().any(|url| url.scheme == "https");
        let has_https = declared || services.config.tls.is_some();
        if self.behavior.protocol == ViewerProtocol::Redirect && has_https {
            let mut reply = Reply::new(StatusCode::MOVED_PERMANENTLY);
            let target = head.parts().uri.path_and_query().map_or("/", |target| target.as_str());
            let location = format!("https://{}{target}", head.named_host());
            reply.set_text(LOCATION, &location);
            return with_outcome(reply, CacheOutcome::Error);
        }
        let why = "This distribution is reached over HTTPS alone.";
        with_outcome(refusal::page(StatusCode::FORBIDDEN, why, ids), CacheOutcome::Error)
    }

    /// Answers what a page may do, by the policy of the behaviour or by the rules of the bucket.
    async fn preflight(self, services: &Services) -> Result<Reply, S3Error> {
        let (head, behavior) = (self.request.head, self.behavior);
        let asked = &head.parts().headers;
        let policy = behavior.answer_headers.as_ref().filter(|it| it.has_cors());
        let Some(policy) = policy else {
            let bucket = Some(&behavior.origin.bucket);
            let reply =
                cors::preflight(&services.gate, head.parts(), bucket, Level::Object).await?;
            return Ok(with_outcome(reply, CacheOutcome::Miss));
        };
        let Some(headers) = policy.preflight(asked) else {
            let why = "The response headers policy does not allow this page what it wants to do.";
            let refused = refusal::page(StatusCode::FORBIDDEN, why, self.request.ids);
            return Ok(with_outcome(refused, CacheOutcome::Error));
        };
        let mut reply = Reply::new(StatusCode::OK);
        reply.headers = headers;
        Ok(with_outcome(reply, CacheOutcome::Miss))
    }

    /// The answer with what the behaviour's policy adds.
    fn dressed(self, mut reply: Reply, outcome: CacheOutcome) -> Reply {
        let is_coded = reply.headers.contains_key(CONTENT_ENCODING);
        if self.behavior.codings != Codings::default()
            && !is_coded
            && is_compressible(&reply.headers)
        {
            reply.headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        if let Some(policy) = &self.behavior.answer_headers {
            policy.apply(&mut reply.headers, &self.request.head.parts().headers);
        }
        with_outcome(reply, outcome)
    }
}

/// The headers of these names.
fn named(sent: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let found = names.iter().filter_map(|name| Some((name.clone(), sent.get(name)?.clone())));
    found.collect()
}

/// The name of a parameter, decoded as the bucket will decode it: policies name no other spelling.
fn name_in(pair: &str) -> String {
    let name = pair.split_once('=').map_or(pair, |(name, _)| name);
    String::from_utf8_lossy(&decode_component(name)).into_owned()
}

/// Headers of a viewer that decide what is read of an object.
const OF_READS: [HeaderName; 6] = [
    RANGE,
    hyper::header::IF_RANGE,
    hyper::header::IF_MATCH,
    hyper::header::IF_NONE_MATCH,
    hyper::header::IF_MODIFIED_SINCE,
    hyper::header::IF_UNMODIFIED_SINCE,
];

fn reply_of(answer: EdgeAnswer) -> (Reply, CacheOutcome) {
    let EdgeAnswer { status, headers, body, outcome } = answer;
    let mut reply = Reply::new(status);
    reply.headers = headers;
    reply.body = match body {
        EdgeBody::Empty => ReplyBody::Empty,
        EdgeBody::Full(bytes) => ReplyBody::Full(bytes),
        EdgeBody::Read(reader) => ReplyBody::Edge(reader),
    };
    if matches!(reply.body, ReplyBody::Empty) && status.is_client_error() {
        reply.headers.remove(CONTENT_LENGTH);
    }
    (reply, outcome)
}
