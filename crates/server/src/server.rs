//! One request in, one response out: errors become responses here, and are logged here, once.

use std::sync::Arc;

use hyper::header::{CONNECTION, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response};
use jiff::Timestamp;
use store::{AccessKey, KeyOwner, KeyStatus, Store};

use crate::api::ApiCall;
use crate::audit::{RequestLog, Stopwatch, log_cause};
use crate::body::RequestBody;
use crate::config::ServerConfig;
use crate::context::RequestContext;
use crate::error::{Code, S3Error, refusal};
use crate::form::Posted;
use crate::gate::{Asked, Caller, Gate, refuse_link_conditions};
use crate::head::{Head, Peer, waits_to_send};
use crate::metrics::{DroppedLines, Metrics};
use crate::operation::Operation;
use crate::own::OwnRoute;
use crate::query::{self, QueryAsked, rooms::Rooms};
use crate::reading::Reading;
use crate::request::{Query, S3Request, Site};
use crate::respond::{IdSource, Ids, Reply, ResponseBody, finish_headers};
use crate::route::{self, Call, Target};
use crate::seen::{Claimed, Seen};
use crate::unsent::{Unsent, bound, bound_refusal};
use crate::uploads::{UPLOADS_MAX, Uploads};
use crate::{cors, own, room::Room, s3};

/// Of the reason of a refusal the log shows so much.
const REASON_CHARS_MAX: usize = 512;

/// The whole service behind the sockets.
#[derive(Debug)]
pub struct Server {
    config: Arc<ServerConfig>,
    store: Store,
    gate: Gate,
    ids: IdSource,
    metrics: Metrics,
    rooms: Rooms,
    uploads: Arc<Room>,
}

/// A request's head, from whom, and when.
#[derive(Clone, Copy, Debug)]
struct Arrival<'r> {
    parts: &'r Arc<Parts>,
    peer: Peer,
    now: Timestamp,
    ids: &'r Ids,
}

impl Server {
    /// Puts the service together over an open store.
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
        let uploads = Arc::new(Room::new(UPLOADS_MAX));
        let (ids, metrics, rooms) = (IdSource::new(), Metrics::new(), Rooms::default());
        Self { config, store, gate, ids, metrics, rooms, uploads }
    }

    /// Takes no more bodies in at once than these, of those that have a file or take their time.
    #[must_use]
    pub fn with_uploads_max(self, most: usize) -> Self {
        Self { uploads: Arc::new(Room::new(most)), ..self }
    }

    /// Has its metrics tell of lines that the log has lost.
    #[must_use]
    pub fn telling_of_lost_lines(mut self, dropped: &DroppedLines) -> Self {
        self.metrics.count_lost_lines(dropped);
        self
    }

    pub(crate) fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
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

    /// As [`handle`](Self::handle), on a connection that may hold so much of what it does not take.
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
        let ids = self.ids.next();
        let mut seen = Seen { operation: "-", client: Some(peer.address), ..Seen::default() };
        let arrival = Arrival { parts: &parts, peer, now, ids: &ids };
        let outcome = self.answer(arrival, &mut body, &mut seen).await;
        let outcome = outcome.and_then(|reply| bound(reply, unsent, &ids, &mut seen));
        let (mut reply, code) = match outcome {
            Ok(reply) => (reply, seen.code),
            Err(error) => {
                log_cause(&error, &ids, &seen);
                seen.reason = Some(error.message().chars().take(REASON_CHARS_MAX).collect());
                (bound_refusal(&error, unsent, &ids), Some(error.code().wire()))
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
        finish_headers(&mut reply, &parts.method, &ids);
        if let Some(cors) = seen.cors.take() {
            cors.add_to(&mut reply.headers);
        }
        let log = RequestLog {
            server: self,
            stopwatch,
            ids,
            seen,
            method: parts.method.clone(),
            status: reply.status,
            code,
            bytes_in,
        };
        let mut response = Response::new(ResponseBody::new(reply.body, unsent, Box::new(log)));
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        response
    }

    async fn answer(
        &self,
        arrival: Arrival<'_>,
        body: &mut RequestBody,
        seen: &mut Seen,
    ) -> Result<Reply, S3Error> {
        let Arrival { parts, peer, now, ids } = arrival;
        let head = Head::read(parts, peer, &self.config)?;
        seen.client = Some(head.client());
        let reading = head.reading();
        let own_route = reading.own_path().and_then(|path| own::route(&parts.method, path));
        if let Some(route) = own_route.as_ref().filter(|route| route.is_open()) {
            seen.operation = route.name();
            return Ok(route.answer(self));
        }
        let of_bucket = || route::bucket(reading.place());
        let place = || own::page_place(own_route.as_ref(), of_bucket, head.query());
        if let Some(place) = cors::concerns(parts).then(place).flatten() {
            if parts.method == Method::OPTIONS {
                return Box::pin(self.preflight(parts, place, seen)).await;
            }
            seen.cors = cors::headers_for(&self.gate, parts, place.0.as_ref()).await;
        }
        let context = Arc::new(self.context(arrival, &head));
        if let Some(front) = query::front(&head) {
            let asked = QueryAsked { head: &head, context: &context, ids };
            return Ok(Box::pin(front.answer(self, asked, body, seen)).await);
        }
        let routed = Routed::read(parts, reading, head.query());
        if let Ok(routed) = &routed {
            routed.note(seen);
        }
        if let Ok(Routed { target: Target::Bucket(bucket), query, call: Call::PostObject }) =
            &routed
        {
            let posted = Posted { head: &head, context: &context, bucket, query };
            return Box::pin(self.post(posted, body, seen)).await;
        }
        let caller = match self.gate.authenticate(&head, now).await {
            Ok(caller) => Arc::new(caller),
            Err(error) => {
                seen.claimed = Some(Claimed::by_request(&head));
                let refused = refusal::of_authentication(error);
                return Err(with_bucket_region(refused, &routed, &self.config));
            }
        };
        seen.caller = Some(Arc::clone(&caller));
        if let Some(route) = own_route {
            seen.operation = route.name();
            let call = ApiCall {
                server: self,
                method: &parts.method,
                caller: &caller,
                context: &context,
                ids,
            };
            if let OwnRoute::Api(path) = &route {
                return Ok(Box::pin(call.answer(path, body, seen)).await);
            }
            self.gate.operator(&caller, &context, "valet:ReadMetrics").await?;
            return Ok(route.answer(self));
        }
        let routed = routed?;
        routed.refuse_unsigned_meaning(&caller)?;
        let site = Site { config: &self.config, host: head.named_host() };
        let request = routed.request(&parts.headers).on(site);
        refuse_link_conditions(request.query.iter())?;
        refuse_anonymous_overrides(&routed, &caller)?;
        let asked = Asked { request: &request, caller: &caller, context: &context };
        let answered = self.dispatch(routed.call, asked, body).await;
        answered.map_err(|error| tell_region(error, &routed, &self.config))
    }

    /// Answers what a browser asks on behalf of a page, before anybody is authenticated.
    async fn preflight(
        &self,
        parts: &Parts,
        (bucket, level): (Option<store::BucketName>, route::Level),
        seen: &mut Seen,
    ) -> Result<Reply, S3Error> {
        seen.operation = "Preflight";
        seen.bucket.clone_from(&bucket);
        cors::preflight(&self.gate, parts, bucket.as_ref(), level).await
    }

    fn context(&self, arrival: Arrival<'_>, head: &Head<'_>) -> RequestContext {
        RequestContext {
            config: Arc::clone(&self.config),
            parts: Arc::clone(arrival.parts),
            now: arrival.now,
            client: head.client(),
            tls: head.tls(),
            secure: head.secure(),
            host: head.named_host().to_owned(),
            prefix: head.named_prefix().to_owned(),
            virtual_hosted: head.reading().is_virtual_hosted(),
            work: Arc::default(),
            uploads: Uploads::of(head.client(), &self.uploads, &self.config),
        }
    }

    /// Reads, admits and runs one operation.
    async fn execute<O: Operation>(
        &self,
        asked: Asked<'_>,
        body: &mut RequestBody,
    ) -> Result<Reply, S3Error> {
        let operation = O::read(asked.request)?;
        let call = self.gate.admit(operation, asked).await?;
        O::run(call, body).await
    }

    #[expect(clippy::too_many_lines, reason = "a table, a row an operation")]
    pub(crate) async fn dispatch(
        &self,
        call: Call,
        asked: Asked<'_>,
        body: &mut RequestBody,
    ) -> Result<Reply, S3Error> {
        /// Boxed, so that one large operation does not make every request's future large.
        macro_rules! run {
            ($($call:ident => $operation:ty,)*) => {
                match call {
                    $(Call::$call => {
                        Box::pin(self.execute::<$operation>(asked, body)).await
                    })*
                }
            };
        }
        run! {
            ListBuckets => s3::bucket::ListBuckets,
            CreateBucket => s3::bucket::CreateBucket,
            HeadBucket => s3::bucket::HeadBucket,
            DeleteBucket => s3::bucket::DeleteBucket,
            GetBucketLocation => s3::bucket::GetBucketLocation,
            GetBucketVersioning => s3::versioning::GetBucketVersioning,
            PutBucketVersioning => s3::versioning::PutBucketVersioning,
            PutBucketOwnershipControls => s3::settings::PutBucketOwnershipControls,
            DeleteBucketOwnershipControls => s3::settings::DeleteBucketOwnershipControls,
            PutBucketCors => s3::cors::PutBucketCors,
            DeleteBucketCors => s3::cors::DeleteBucketCors,
            PutBucketPolicy => s3::policy::PutBucketPolicy,
            DeleteBucketPolicy => s3::policy::DeleteBucketPolicy,
            PutPublicAccessBlock => s3::settings::PutPublicAccessBlock,
            DeletePublicAccessBlock => s3::settings::DeletePublicAccessBlock,
            PutBucketTagging => s3::tagging::PutBucketTagging,
            DeleteBucketTagging => s3::tagging::DeleteBucketTagging,
            PutBucketAcl => s3::settings::PutBucketAcl,
            PutObjectAcl => s3::settings::PutObjectAcl,
            ListObjects => s3::list::ListObjects,
            ListObjectsV2 => s3::list::ListObjectsV2,
            ListObjectVersions => s3::list_versions::ListObjectVersions,
            DeleteObjects => s3::delete::DeleteObjects,
            DeleteObject => s3::delete::DeleteObject,
            GetObject => s3::get::GetObject,
            HeadObject => s3::get::HeadObject,
            GetObjectAttributes => s3::attributes::GetObjectAttributes,
            PutObject => s3::put::PutObject,
            PostObject => s3::post::PostObject,
            CopyObject => s3::copy::CopyObject,
            CreateMultipartUpload => s3::multipart::CreateMultipartUpload,
            UploadPart => s3::multipart::UploadPart,
            UploadPartCopy => s3::copy::UploadPartCopy,
            CompleteMultipartUpload => s3::complete::CompleteMultipartUpload,
            AbortMultipartUpload => s3::multipart::AbortMultipartUpload,
            ListParts => s3::list_uploads::ListParts,
            ListMultipartUploads => s3::list_uploads::ListMultipartUploads,
            GetBucketAccelerateConfiguration => s3::unconfigured::GetBucketAccelerateConfiguration,
            GetBucketAcl => s3::unconfigured::GetBucketAcl,
            GetBucketAnalyticsConfiguration => s3::unconfigured::GetBucketAnalyticsConfiguration,
            ListBucketAnalyticsConfigurations => s3::unconfigured::ListBucketAnalyticsConfigurations,
            GetBucketCors => s3::cors::GetBucketCors,
            GetBucketEncryption => s3::encryption::GetBucketEncryption,
            PutBucketEncryption => s3::encryption::PutBucketEncryption,
            DeleteBucketEncryption => s3::encryption::DeleteBucketEncryption,
            GetBucketIntelligentTieringConfiguration => s3::unconfigured::GetBucketIntelligentTieringConfiguration,
            ListBucketIntelligentTieringConfigurations => s3::unconfigured::ListBucketIntelligentTieringConfigurations,
            GetBucketInventoryConfiguration => s3::unconfigured::GetBucketInventoryConfiguration,
            ListBucketInventoryConfigurations => s3::unconfigured::ListBucketInventoryConfigurations,
            GetBucketLifecycleConfiguration => s3::unconfigured::GetBucketLifecycleConfiguration,
            GetBucketLogging => s3::unconfigured::GetBucketLogging,
            GetBucketMetricsConfiguration => s3::unconfigured::GetBucketMetricsConfiguration,
            ListBucketMetricsConfigurations => s3::unconfigured::ListBucketMetricsConfigurations,
            GetBucketNotificationConfiguration => s3::unconfigured::GetBucketNotificationConfiguration,
            GetObjectLockConfiguration => s3::unconfigured::GetObjectLockConfiguration,
            GetBucketOwnershipControls => s3::settings::GetBucketOwnershipControls,
            GetBucketPolicy => s3::policy::GetBucketPolicy,
            GetBucketPolicyStatus => s3::policy::GetBucketPolicyStatus,
            GetPublicAccessBlock => s3::settings::GetPublicAccessBlock,
            GetBucketReplication => s3::unconfigured::GetBucketReplication,
            GetBucketRequestPayment => s3::unconfigured::GetBucketRequestPayment,
            GetBucketTagging => s3::tagging::GetBucketTagging,
            GetBucketWebsite => s3::unconfigured::GetBucketWebsite,
            GetObjectAcl => s3::unconfigured::GetObjectAcl,
            GetObjectTagging => s3::tagging::GetObjectTagging,
            PutObjectTagging => s3::tagging::PutObjectTagging,
            DeleteObjectTagging => s3::tagging::DeleteObjectTagging,
            GetObjectLegalHold => s3::unconfigured::GetObjectLegalHold,
            GetObjectRetention => s3::unconfigured::GetObjectRetention,
        }
    }
}

/// What a request names, before anybody is known to have signed it.
#[derive(Debug)]
struct Routed<'r> {
    target: Target,
    query: Query<'r>,
    call: Call,
}

impl<'r> Routed<'r> {
    fn read(parts: &Parts, reading: &Reading<'_>, query: &'r str) -> Result<Self, S3Error> {
        let target = route::target(reading.place())?;
        let query = Query::parse(query)?;
        let headers = &parts.headers;
        let request = S3Request::new(&query, headers);
        let copies = parts.method == Method::PUT && request.has_header("x-amz-copy-source");
        let call = route::call(&parts.method, &target, &query, copies).map_err(|refused| {
            // Whoever makes or removes what has the prefix's name means a bucket.
            let is_prefix = matches!(target, Target::Service) && !reading.prefix().is_empty();
            if is_prefix && refused.code() == Code::MethodNotAllowed {
                return route::is_prefix(&parts.method, reading.prefix());
            }
            refused
        })?;
        Ok(Self { target, query, call })
    }

    /// A sub-resource decides what the request means, so the signature must cover it.
    fn refuse_unsigned_meaning(&self, caller: &Caller) -> Result<(), S3Error> {
        let Some(signature) = caller.signature() else { return Ok(()) };
        let unsigned = |name: &&str| {
            route::SUB_RESOURCES.binary_search(name).is_ok() && !signature.covers_query(name)
        };
        match self.query.iter().map(|(name, _)| name).find(unsigned) {
            None => Ok(()),
            Some(name) => Err(S3Error::with_message(
                Code::AccessDenied,
                format!("The signature does not cover the query parameter {name}"),
            )),
        }
    }

    fn request<'a>(&'a self, headers: &'a HeaderMap) -> S3Request<'a> {
        S3Request::new(&self.query, headers).about(self.bucket(), self.key())
    }

    fn bucket(&self) -> Option<&store::BucketName> {
        match &self.target {
            Target::Service => None,
            Target::Bucket(bucket) | Target::Object(bucket, _) => Some(bucket),
        }
    }

    fn key(&self) -> Option<&store::ObjectKey> {
        match &self.target {
            Target::Service | Target::Bucket(_) => None,
            Target::Object(_, key) => Some(key),
        }
    }

    fn note(&self, seen: &mut Seen) {
        seen.operation = self.call.name();
        seen.bucket = self.bucket().cloned();
        seen.key = self.key().cloned();
    }
}

/// Whoever is not signed reads what is there as it is.
fn refuse_anonymous_overrides(routed: &Routed<'_>, caller: &Caller) -> Result<(), S3Error> {
    let reads = matches!(routed.call, Call::GetObject | Call::HeadObject);
    let anonymous = matches!(caller, Caller::Anonymous);
    if anonymous && reads && routed.query.iter().any(|(name, _)| name.starts_with("response-")) {
        return Err(S3Error::invalid_request(
            "Request specific response headers cannot be used for anonymous GET requests.",
        ));
    }
    Ok(())
}

/// A refused scope on a bucket's own path tells the bucket's region (semantics 1.4.24a): SDKs sign again with it.
fn with_bucket_region(
    error: S3Error,
    routed: &Result<Routed<'_>, S3Error>,
    config: &ServerConfig,
) -> S3Error {
    let on_bucket = matches!(routed, Ok(Routed { target: Target::Bucket(_), .. }));
    if !on_bucket || !error.names_scope() {
        return error;
    }
    match HeaderValue::from_str(&config.region) {
        Ok(region) => error.header(s3::BUCKET_REGION, region),
        Err(_) => error,
    }
}

/// Who may not list a bucket is still told its region: SDKs look for it there (semantics 1.4.24a).
fn tell_region(error: S3Error, routed: &Routed<'_>, config: &ServerConfig) -> S3Error {
    let lists = matches!(routed.call, Call::ListObjects | Call::ListObjectsV2 | Call::HeadBucket);
    match HeaderValue::from_str(&config.region) {
        Ok(region) if lists && error.code() == Code::AccessDenied => {
            error.header(s3::BUCKET_REGION, region)
        }
        Ok(_) | Err(_) => error,
    }
}
