//! Turns one request into one response. Errors of all layers become responses here, and are logged here, once.

use std::path::Path;
use std::sync::Arc;

use hyper::header::{CONNECTION, HeaderName, HeaderValue, USER_AGENT};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};
use jiff::Timestamp;
use ledger::Ledger;
use store::{AccessKey, KeyOwner, KeyStatus, Store};

use crate::api::{ApiCaller, ApiRoute};
use crate::audit::{LoggedRefusal, RequestLog, Stopwatch, log_cause};
use crate::authentication::AuthenticationError;
use crate::body::RequestBody;
use crate::cloudfront::ControlArrival;
use crate::config::ServerConfig;
use crate::context::RequestContext;
use crate::cors;
use crate::distribution::{self, DistributionRoute, ViewerRequest};
use crate::error::{S3Error, refusal};
use crate::form::FormPost;
use crate::gate::{Caller, Gate, refuse_link_conditions_in};
use crate::head::{Head, Peer, waits_to_send};
use crate::metrics::{DroppedLines, Metrics};
use crate::notes::{ClaimedSender, OPEN_LINK, RequestNotes};
use crate::outgoing::{bound, bound_refusal, finish_headers};
use crate::own::{OwnRoute, ReadMetrics};
use crate::query::QueryRequest;
use crate::refused_link;
use crate::request::Site;
use crate::respond::{Ids, Reply, ResponseBody};
use crate::room::Room;
use crate::route::{self, Call};
use crate::s3::routed::{Signed, with_bucket_region};
use crate::services::Services;
use crate::short::{self, ShortRequest};
use crate::surface::Surface;
use crate::unsent::Unsent;
use crate::uploads::Uploads;
use crate::website::{self, WebsiteRequest, WebsiteRoute};

/// How much of a refusal's reason the log shows.
const REASON_CHARS_MAX: usize = 512;

/// The header that names the version of an object.
const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");

/// The whole service without its sockets.
#[derive(Debug)]
pub struct Server {
    services: Services,
}

/// A request's head, its sender's address, and the time.
#[derive(Clone, Copy, Debug)]
struct Arrival<'r> {
    parts: &'r Arc<Parts>,
    peer: Peer,
    now: Timestamp,
    ids: &'r Ids,
}

impl Server {
    /// Builds the service over an open store.
    pub fn new(config: ServerConfig, store: Store, now: Timestamp) -> Self {
        let root = config.root.as_ref().map(|root| AccessKey {
            id: root.access_key_id.clone(),
            secret: root.secret_access_key.clone(),
            account: config.account.clone(),
            owner: KeyOwner::Root,
            status: KeyStatus::Active,
            created_at: now,
        });
        let config = Arc::new(config);
        let gate = Gate::new(store.clone(), Arc::clone(&config), root);
        Self { services: Services::new(config, store, gate) }
    }

    /// Sets how many bodies may be received at once, counting those that need a file or take longer than a
    /// second.
    #[must_use]
    pub fn with_uploads_max(mut self, most: usize) -> Self {
        self.services.uploads = Arc::new(Room::new(most));
        self
    }

    /// Gives the cache of distributions so many bytes of the disk of a folder, which exists. An error is that there can be
    /// no files in it.
    pub fn add_cache_disk(&self, folder: &Path, bytes: u64) -> std::io::Result<()> {
        self.services.distributions.cache().add_disk(folder, bytes)
    }

    /// Keeps a ledger of what becomes of links.
    #[must_use]
    pub fn keeping(mut self, ledger: Ledger) -> Self {
        let Services { gate, metrics, .. } = &mut self.services;
        metrics.count_ledger(&ledger);
        gate.keep_ledger(ledger);
        self
    }

    /// Adds the count of lines that the log has lost to the metrics.
    #[must_use]
    pub fn telling_of_lost_lines(mut self, dropped: &DroppedLines) -> Self {
        self.services.metrics.count_lost_lines(dropped);
        self
    }

    /// Makes the role that signs for managed links, where the first account has none.
    ///
    /// # Errors
    ///
    /// Why the role could not be made, in words. Without it, managed links are refused.
    pub async fn make_link_signer(&self, now: Timestamp) -> Result<(), String> {
        let Services { gate, config, .. } = &self.services;
        let made = gate.link_signer(&config.account, now).await;
        made.map(drop).map_err(|error| error.message().to_owned())
    }

    /// Does what is to be done at the end of managed links, as a running server does every few seconds.
    ///
    /// # Errors
    ///
    /// Why it could not be done, in words.
    pub async fn close_ended_links(&self, now: Timestamp) -> Result<(), String> {
        let closed = self.services.close_ended_links(now).await;
        closed.map_err(|error| error.message().to_owned())
    }

    /// Writes what has happened to links and tries to deliver the notices that are due, as a running server does all the
    /// time.
    ///
    /// # Errors
    ///
    /// Why it could not be done, in words.
    pub async fn deliver_notices(&self, now: Timestamp) -> Result<(), String> {
        let notices = &self.services.notices;
        notices.write().await.map_err(|error| error.to_string())?;
        notices.deliver(now).await.map(drop).map_err(|error| error.to_string())
    }

    pub(crate) fn config(&self) -> &Arc<ServerConfig> {
        &self.services.config
    }

    pub(crate) fn services(&self) -> &Services {
        &self.services
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.services.metrics
    }

    /// Answers one request; never fails.
    pub async fn handle(
        self: Arc<Self>,
        request: Request<RequestBody>,
        peer: Peer,
        now: Timestamp,
    ) -> Response<ResponseBody> {
        self.handle_on(request, peer, None, now).await
    }

    /// Like [`handle`](Self::handle), for a connection with a bound on the bytes that its client has not taken.
    pub(crate) async fn handle_on(
        self: Arc<Self>,
        request: Request<RequestBody>,
        peer: Peer,
        unsent: Option<&Unsent>,
        now: Timestamp,
    ) -> Response<ResponseBody> {
        let stopwatch = Stopwatch::start();
        let (parts, mut body) = request.into_parts();
        let parts = Arc::new(parts);
        let ids = self.services.ids.next();
        let mut notes =
            RequestNotes { operation: "-", client: Some(peer.address), ..RequestNotes::default() };
        let arrival = Arrival { parts: &parts, peer, now, ids: &ids };
        let outcome = self.answer(arrival, &mut body, &mut notes).await;
        let outcome = outcome.and_then(|reply| bound(reply, unsent, &ids, &mut notes));
        let (mut reply, code) = match outcome {
            Ok(reply) => (reply, notes.code),
            Err(error) => {
                log_cause(&LoggedRefusal::from(&error), &ids, &notes);
                notes.reason = Some(error.message().chars().take(REASON_CHARS_MAX).collect());
                let mut reply = bound_refusal(&error, unsent, &ids);
                let is_short = is_of_short_link(&notes);
                refused_link::tell(&mut reply, &error, (&parts, is_short), &ids);
                (reply, Some(error.code().wire()))
            }
        };
        let bytes_in = body.received();
        if reply.status.is_success() {
            body.tell_to_go_on().await;
        }
        let untold = !body.has_ended() && waits_to_send(&parts) && bytes_in == 0;
        if untold || body.is_waited_with() {
            reply.set(CONNECTION, HeaderValue::from_static("close"));
        }
        if !body.has_ended() {
            tokio::spawn(body.drain());
        }
        if is_of_short_link(&notes) {
            short::keep_from_others(&mut reply);
        }
        finish_headers(&mut reply, &parts.method, &ids);
        if let Some(cors) = notes.cors.take() {
            cors.add_to(&mut reply.headers);
            refused_link::expose_hint(&mut reply.headers);
        }
        let log = RequestLog {
            requests: Arc::clone(self.services.metrics.requests()),
            ledger: Arc::clone(&self.services.ledger),
            notices: self.services.notices.clone(),
            stopwatch,
            ids,
            notes,
            method: parts.method.clone(),
            status: reply.status,
            code,
            bytes_in,
            agent: parts.headers.get(USER_AGENT).cloned(),
            version: reply.headers.get(VERSION_ID).cloned(),
            at: now,
        };
        let mut response =
            Response::new(ResponseBody::new(reply.take_flowing(), unsent, Box::new(log)));
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        response
    }

    async fn answer(
        &self,
        arrival: Arrival<'_>,
        body: &mut RequestBody,
        notes: &mut RequestNotes,
    ) -> Result<Reply, S3Error> {
        let Arrival { parts, ids, .. } = arrival;
        let services = &self.services;
        let head = Head::read(parts, arrival.peer, &services.config)?;
        notes.client = Some(head.client());
        if let Some(route) = distribution::route(services, &head) {
            return Box::pin(self.view(route, (arrival, &head), body, notes)).await;
        }
        if let Some(route) = website::route(services, &head).await {
            return Box::pin(self.visit(route, (arrival, &head), notes)).await;
        }
        let surface = Surface::of(&head);
        if let Some(place) = cors::concerns(parts).then(|| surface.page_place(&head)).flatten() {
            if parts.method == Method::OPTIONS {
                return Box::pin(self.preflight(parts, place, notes)).await;
            }
            notes.cors = cors::headers_for(&services.gate, parts, place.0.as_ref()).await;
        }
        let context = Arc::new(self.context(arrival, &head));
        if surface.takes_no_conditions() {
            refuse_link_conditions_in(head.query())?;
        }
        match surface {
            Surface::Open(route) => {
                notes.operation = route.name();
                Ok(route.answer(services))
            }
            Surface::Short(route) => {
                notes.operation = OPEN_LINK;
                let request = ShortRequest { services, head: &head, context: &context };
                Box::pin(route.answer(request, body, notes)).await
            }
            Surface::Metrics => Box::pin(self.answer_metrics(&head, &context, notes)).await,
            Surface::Api(route) => {
                Ok(Box::pin(self.answer_api(route, (&head, &context, ids), body, notes)).await)
            }
            Surface::Query(endpoint) => {
                let asked = QueryRequest { head: &head, context: &context, ids };
                Ok(Box::pin(endpoint.answer(services, asked, body, notes)).await)
            }
            Surface::Control(route) => {
                let call = ControlArrival { services, head: &head, context: &context, ids };
                Ok(Box::pin(route.answer(call, body, notes)).await)
            }
            Surface::Form { bucket, query } => {
                let posted =
                    FormPost { head: &head, context: &context, bucket: &bucket, query: &query };
                notes.operation = Call::PostObject.name();
                notes.bucket = Some(bucket.clone());
                Box::pin(posted.answer(&services.gate, body, notes)).await
            }
            Surface::S3(routed) => {
                if let Ok(routed) = &routed {
                    routed.note(notes);
                }
                let caller = self.caller(&head, &context, notes).await.map_err(|error| {
                    let refused = refusal::of_authentication(error);
                    with_bucket_region(refused, &routed, &services.config)
                })?;
                if let Ok(routed) = &routed {
                    routed.note_label(&caller, notes);
                }
                let site = Site { config: &services.config, host: head.named_host() };
                let signed = Signed { caller: &caller, context: &context, site };
                routed?.answer(&services.gate, signed, body).await
            }
        }
    }

    /// Answers a visitor of a website.
    async fn visit(
        &self,
        route: WebsiteRoute<'_>,
        (arrival, head): (Arrival<'_>, &Head<'_>),
        notes: &mut RequestNotes,
    ) -> Result<Reply, S3Error> {
        let Arrival { parts, ids, .. } = arrival;
        if parts.method == Method::OPTIONS && cors::concerns(parts) {
            let place = (route.named_bucket(), route::Level::Object);
            return Box::pin(self.preflight(parts, place, notes)).await;
        }
        let context = Arc::new(self.context(arrival, head));
        let request = WebsiteRequest { services: &self.services, head, context: &context, ids };
        Ok(route.answer(request, notes).await)
    }

    /// Answers a viewer of a distribution.
    async fn view(
        &self,
        route: DistributionRoute<'_>,
        (arrival, head): (Arrival<'_>, &Head<'_>),
        body: &mut RequestBody,
        notes: &mut RequestNotes,
    ) -> Result<Reply, S3Error> {
        let context = Arc::new(self.context(arrival, head));
        let (services, ids) = (&self.services, arrival.ids);
        let request = ViewerRequest { services, head, context: &context, ids };
        route.answer(request, body, notes).await
    }

    async fn answer_api(
        &self,
        route: ApiRoute,
        (head, context, ids): (&Head<'_>, &Arc<RequestContext>, &Ids),
        body: &mut RequestBody,
        notes: &mut RequestNotes,
    ) -> Reply {
        notes.operation = route.operation();
        match self.caller(head, context, notes).await {
            Ok(caller) => {
                let caller = ApiCaller { caller: &caller, context, ids };
                route.answer(&self.services.gate, caller, body, notes).await
            }
            // Refusals of the API are JSON, these too.
            Err(error) => route.refuse(refusal::of_authentication(error), ids, notes),
        }
    }

    async fn answer_metrics(
        &self,
        head: &Head<'_>,
        context: &Arc<RequestContext>,
        notes: &mut RequestNotes,
    ) -> Result<Reply, S3Error> {
        notes.operation = OwnRoute::Metrics.name();
        let caller = self.caller(head, context, notes).await;
        let caller = caller.map_err(refusal::of_authentication)?;
        self.services.gate.admit_api_call(ReadMetrics, &caller, context).await?;
        Ok(OwnRoute::Metrics.answer(&self.services))
    }

    /// Authenticates the sender, and notes it for the log. Where this fails, the log shows who the request
    /// claims to be from.
    async fn caller(
        &self,
        head: &Head<'_>,
        context: &RequestContext,
        notes: &mut RequestNotes,
    ) -> Result<Arc<Caller>, AuthenticationError> {
        let caller = self.services.gate.authenticate(head, context.now).await;
        if caller.is_err() {
            notes.claimed = Some(ClaimedSender::by_request(head));
        }
        let caller = Arc::new(caller?);
        notes.caller = Some(Arc::clone(&caller));
        Ok(caller)
    }

    /// Answers a preflight, which a browser sends for a page. Nobody is authenticated.
    async fn preflight(
        &self,
        parts: &Parts,
        (bucket, level): (Option<store::BucketName>, route::Level),
        notes: &mut RequestNotes,
    ) -> Result<Reply, S3Error> {
        notes.operation = "Preflight";
        notes.bucket.clone_from(&bucket);
        cors::preflight(&self.services.gate, parts, bucket.as_ref(), level).await
    }

    fn context(&self, arrival: Arrival<'_>, head: &Head<'_>) -> RequestContext {
        RequestContext {
            config: Arc::clone(&self.services.config),
            parts: Arc::clone(arrival.parts),
            now: arrival.now,
            client: head.client(),
            tls: head.tls(),
            secure: head.secure(),
            host: head.named_host().to_owned(),
            prefix: head.named_prefix().to_owned(),
            virtual_hosted: head.reading().is_virtual_hosted(),
            work: Arc::default(),
            uploads: Uploads::of(head.client(), &self.services.uploads, &self.services.config),
        }
    }
}

/// Whether the request was for a path below `/_valet/s/`.
fn is_of_short_link(notes: &RequestNotes) -> bool {
    notes.opened.is_some() || notes.operation == OPEN_LINK
}
