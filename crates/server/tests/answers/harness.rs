//! One server over a fresh store, requests as text, answers as text.

use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, Response};
use iam::AccountId;
use iam::MasterKey;
use jiff::Timestamp;
use ledger::Ledger;
use presign::{
    Addressing, ChunkEncoder, Credentials, Endpoint, ExpiresIn, Presign, Presigner, RequestHead,
    SecretAccessKey, SessionToken, SigV2Use, SignedPayload, Signer, StreamingMode, sign_request,
};
use server::{
    ActiveContent, LinkCaching, Peer, RequestBody, ResponseBody, RootKey, Server, ServerConfig,
    SseC,
};
use store::{Encryption, Store, StoreConfig};
use tokio::sync::mpsc;

pub(crate) const HOST: &str = "valet.test:9000";
pub(crate) const KEY_ID: &str = "AKIAVALETROOTEXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub(crate) const NOW: &str = "2026-06-15T12:00:00Z";

/// Less than what stands behind the first byte of a form's file.
const TAIL_BYTES: usize = 50;

/// A server, its store, and a clock that stands still.
pub(crate) struct World {
    server: Arc<Server>,
    pub(crate) store: Store,
    region: String,
    pub(crate) now: Timestamp,
    pub(crate) peer: Peer,
    dir: Arc<tempfile::TempDir>,
}

/// A request as a client would write it.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

/// Where a link is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    pub(crate) endpoint: &'a str,
    pub(crate) addressing: Addressing,
    pub(crate) v2: bool,
}

impl<'a> At<'a> {
    pub(crate) fn path(endpoint: &'a str) -> Self {
        Self { endpoint, addressing: Addressing::Path, v2: false }
    }

    pub(crate) fn virtual_host(endpoint: &'a str) -> Self {
        Self { addressing: Addressing::VirtualHost, ..Self::path(endpoint) }
    }

    pub(crate) fn bucket_host(endpoint: &'a str) -> Self {
        Self { addressing: Addressing::BucketHost, ..Self::path(endpoint) }
    }

    pub(crate) fn v2(self) -> Self {
        Self { v2: true, ..self }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A request that has begun.
pub(crate) struct Begun {
    answer: tokio::task::JoinHandle<Answer>,
    pieces: mpsc::Sender<Bytes>,
    rest: Bytes,
}

impl Begun {
    /// What is answered though no more comes.
    pub(crate) async fn answer(self) -> Answer {
        let Self { answer, pieces: _open, rest: _ } = self;
        answer.await.unwrap()
    }

    /// Sends what is missing.
    pub(crate) async fn end(self) -> Answer {
        let Self { answer, pieces, rest } = self;
        // Whoever has answered already reads no more.
        let _ = pieces.send(rest).await;
        drop(pieces);
        answer.await.unwrap()
    }
}

pub(crate) fn config() -> ServerConfig {
    ServerConfig {
        listen: Vec::new(),
        metrics_listen: None,
        region: "us-east-1".into(),
        account: AccountId::parse("000000000000").unwrap(),
        public_urls: Vec::new(),
        console_url: None,
        active_content: ActiveContent::Sandbox,
        link_caching: LinkCaching::Capped,
        website_domain: None,
        distribution_domain: None,
        bucket_domains: Vec::new(),
        domains: Vec::new(),
        trusted_proxies: Vec::new(),
        outbound_allow: vec!["127.0.0.0/8".parse().unwrap()],
        smtp: None,
        tls: None,
        sigv2: SigV2Use::Allow,
        sse_c: SseC::Tls,
        connections_per_address: 0,
        root: Some(RootKey {
            access_key_id: KEY_ID.into(),
            secret_access_key: SecretAccessKey::new(SECRET),
        }),
        abort_uploads_after: None,
        cache_memory_bytes: 16 << 20,
        shutdown_grace: std::time::Duration::from_secs(1),
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(config(), Encryption::On).await
    }

    /// With one bucket, `bucket`, already there.
    pub(crate) async fn with_bucket() -> Self {
        let world = Self::new().await;
        assert_eq!(world.send(put("/bucket", "")).await.status, 200);
        world
    }

    pub(crate) async fn with(config: ServerConfig, encryption: Encryption) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now: Timestamp = NOW.parse().unwrap();
        let store = open(dir.path(), encryption, now);
        let region = config.region.clone();
        let server = Arc::new(Server::new(config, store.clone(), now));
        let peer = Peer { address: "192.0.2.7".parse().unwrap(), tls: None };
        Self { server, store, region, now, peer, dir: Arc::new(dir) }
    }

    /// Another server over the same store.
    pub(crate) fn under(&self, config: ServerConfig) -> Self {
        let region = config.region.clone();
        let server = Arc::new(Server::new(config, self.store.clone(), self.now));
        let Self { store, now, peer, dir, .. } = self;
        Self { server, store: store.clone(), region, now: *now, peer: *peer, dir: Arc::clone(dir) }
    }

    /// The same store under a server that takes so many bodies in at once.
    pub(crate) fn with_uploads_max(self, most: usize, config: ServerConfig) -> Self {
        let server = Server::new(config, self.store.clone(), self.now).with_uploads_max(most);
        Self { server: Arc::new(server), ..self }
    }

    /// The same server, as a client at another address finds it.
    pub(crate) fn at(&self, address: &str) -> Self {
        let peer = Peer { address: address.parse().unwrap(), ..self.peer };
        let Self { server, store, region, now, dir, .. } = self;
        let (server, dir) = (Arc::clone(server), Arc::clone(dir));
        Self { server, store: store.clone(), region: region.clone(), now: *now, peer, dir }
    }

    /// The same store under a server that keeps a ledger.
    pub(crate) fn keeping_ledger(self) -> (Self, Ledger) {
        let ledger = Ledger::open(&self.dir.path().join("ledger.sqlite"), 90, self.now).unwrap();
        let server = Server::new(config(), self.store.clone(), self.now).keeping(ledger.clone());
        (Self { server: Arc::new(server), ..self }, ledger)
    }

    /// What a running server does every few seconds.
    pub(crate) async fn close_ended_links(&self) {
        self.server.close_ended_links(self.now).await.unwrap();
    }

    /// What a running server does all the time.
    pub(crate) async fn deliver_notices(&self) {
        self.server.deliver_notices(self.now).await.unwrap();
    }

    /// The same server, so much later.
    pub(crate) fn later(&self, by: jiff::SignedDuration) -> Self {
        let Self { server, store, region, now, peer, dir } = self;
        let (server, dir) = (Arc::clone(server), Arc::clone(dir));
        let now = now.checked_add(by).unwrap();
        Self { server, store: store.clone(), region: region.clone(), now, peer: *peer, dir }
    }

    /// Where the store's files are.
    pub(crate) fn data_dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// The same store under a server that was started anew.
    pub(crate) fn restarted(self, config: ServerConfig) -> Self {
        let server = Arc::new(Server::new(config, self.store.clone(), self.now));
        Self { server, ..self }
    }

    /// The same data directory, after the process that had it open has ended.
    pub(crate) async fn reopened(self, config: ServerConfig) -> Self {
        let Self { server, store, region, now, peer, dir } = self;
        store.close().await.unwrap();
        drop((server, store));
        let store = open(dir.path(), Encryption::On, now);
        let server = Arc::new(Server::new(config, store.clone(), now));
        Self { server, store, region, now, peer, dir }
    }

    /// Signs with the root key, by header, and sends.
    pub(crate) async fn send(&self, ask: Ask) -> Answer {
        self.send_raw(self.sign(ask)).await
    }

    /// Sends as it is.
    pub(crate) async fn send_raw(&self, ask: Ask) -> Answer {
        let parts = Self::head(&ask);
        let body = RequestBody::from_memory(ask.body, &parts.headers);
        let request = Request::from_parts(parts, body);
        Answer::read(Arc::clone(&self.server).handle(request, self.peer, self.now).await).await
    }

    /// Sends as it is, and goes after the answer was asked for so often. `None`: it was not there by then.
    pub(crate) async fn send_polling(&self, ask: Ask, polls: usize) -> Option<Answer> {
        let parts = Self::head(&ask);
        let body = RequestBody::from_memory(ask.body, &parts.headers);
        let request = Request::from_parts(parts, body);
        let answering = Arc::clone(&self.server).handle(request, self.peer, self.now);
        let (mut answering, mut left) = (Box::pin(answering), polls);
        let answer = std::future::poll_fn(move |context| {
            left -= 1;
            match answering.as_mut().poll(context) {
                Poll::Pending if left > 0 => Poll::Pending,
                Poll::Pending => Poll::Ready(None),
                Poll::Ready(response) => Poll::Ready(Some(response)),
            }
        });
        Some(Answer::read(answer.await?).await)
    }

    /// Sends as it is, takes so many bytes of the answer's body, and goes.
    pub(crate) async fn take_some(&self, ask: Ask, bytes: usize) -> (u16, usize) {
        let parts = Self::head(&ask);
        let body = RequestBody::from_memory(ask.body, &parts.headers);
        let request = Request::from_parts(parts, body);
        let response = Arc::clone(&self.server).handle(request, self.peer, self.now).await;
        let status = response.status().as_u16();
        let (mut body, mut taken) = (response.into_body(), 0);
        while taken < bytes
            && let Some(frame) = body.frame().await
        {
            taken += frame.unwrap().into_data().unwrap().len();
        }
        (status, taken)
    }

    /// Sends as it is. The body is taken as it is asked for.
    pub(crate) async fn begin_answer(&self, ask: Ask) -> Response<ResponseBody> {
        let parts = Self::head(&ask);
        let body = RequestBody::from_memory(ask.body, &parts.headers);
        let request = Request::from_parts(parts, body);
        Arc::clone(&self.server).handle(request, self.peer, self.now).await
    }

    /// Signs and sends as [`Self::send`], but does `meanwhile` when all but the body's end is read.
    pub(crate) async fn send_halting(&self, ask: Ask, meanwhile: impl Future) -> Answer {
        self.send_raw_halting(self.sign(ask), meanwhile).await
    }

    /// The same of what is signed already.
    pub(crate) async fn send_raw_halting(&self, ask: Ask, meanwhile: impl Future) -> Answer {
        let parts = Self::head(&ask);
        let (pieces, receiver) = mpsc::channel(1);
        let body = RequestBody::from_pieces(receiver, &parts.headers);
        let request = Request::from_parts(parts, body);
        let answer = Box::pin(Arc::clone(&self.server).handle(request, self.peer, self.now));
        let sending = async {
            let mut first = ask.body.clone();
            let mut second = first.split_off(first.len() - TAIL_BYTES.min(first.len() - 1));
            let last = second.split_off(second.len() / 2);
            pieces.send(first).await.unwrap();
            pieces.send(second).await.unwrap();
            // There is room again when the second piece was taken. Nothing is before a request is
            // admitted, but the first piece of a form.
            drop(pieces.reserve().await);
            meanwhile.await;
            // Whoever has answered already reads no more.
            let _ = pieces.send(last).await;
            drop(pieces);
        };
        let (answer, ()) = tokio::join!(answer, sending);
        Answer::read(answer).await
    }

    /// Begins a request of which some bytes come, and are read, and then no more until somebody ends it.
    pub(crate) async fn begin(&self, ask: Ask, bytes: usize) -> Begun {
        let parts = Self::head(&ask);
        let (pieces, receiver) = mpsc::channel(1);
        let body = RequestBody::from_pieces(receiver, &parts.headers);
        let request = Request::from_parts(parts, body);
        let answering = Arc::clone(&self.server).handle(request, self.peer, self.now);
        let answer = tokio::spawn(async move { Answer::read(answering.await).await });
        let mut first = ask.body;
        let mut second = first.split_off(bytes / 2);
        let rest = second.split_off(bytes - bytes / 2);
        pieces.send(first).await.unwrap();
        // There is room for it when the first was taken, and for more when it was taken.
        pieces.send(second).await.unwrap();
        drop(pieces.reserve().await);
        Begun { answer, pieces, rest }
    }

    fn head(ask: &Ask) -> Parts {
        let mut request = Request::builder().method(ask.method.as_str()).uri(&ask.target);
        if !ask.headers.iter().any(|(name, _)| matches!(name.as_str(), "host" | "no-host")) {
            request = request.header("host", HOST);
        }
        let has_length = ask.headers.iter().any(|(name, _)| name == "content-length");
        if !has_length && (!ask.body.is_empty() || ask.method == "PUT") {
            request = request.header("content-length", ask.body.len());
        }
        let is_sent = |name: &str| !matches!(name, "no-length" | "no-host");
        for (name, value) in ask.headers.iter().filter(|(name, _)| is_sent(name)) {
            request = request.header(name, value.as_bytes());
        }
        let mut request = request.body(()).unwrap();
        if ask.headers.iter().any(|(name, _)| name == "no-length") {
            request.headers_mut().remove("content-length");
        }
        request.into_parts().0
    }

    pub(crate) fn sign(&self, ask: Ask) -> Ask {
        let hash = SignedPayload::Sha256(sha256(&ask.body));
        self.sign_payload(ask, hash)
    }

    /// Signs as the holder of a session would.
    pub(crate) fn sign_with_token(&self, ask: Ask, token: &str) -> Ask {
        let session_token = Some(SessionToken::new(token));
        let hash = SignedPayload::Sha256(sha256(&ask.body));
        self.sign_as(&Credentials { session_token, ..credentials() }, ask, hash)
    }

    /// Signs by header, for whatever the body is to be.
    pub(crate) fn sign_payload(&self, ask: Ask, payload: SignedPayload) -> Ask {
        self.sign_as(&credentials(), ask, payload)
    }

    /// Signs by header a body in chunks, and gives what encodes it.
    pub(crate) fn sign_streaming(&self, ask: Ask, mode: StreamingMode) -> (Ask, ChunkEncoder) {
        let payload = SignedPayload::Streaming(mode);
        let (ask, encoder) = self.sign_with(&credentials(), ask, payload);
        (ask, encoder.unwrap())
    }

    fn sign_as(&self, credentials: &Credentials, ask: Ask, payload: SignedPayload) -> Ask {
        self.sign_with(credentials, ask, payload).0
    }

    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// Signs by header for any service.
    pub(crate) fn sign_for(
        &self,
        credentials: &Credentials,
        service: &'static str,
        ask: Ask,
        payload: SignedPayload,
    ) -> Ask {
        let signer = Signer { credentials, region: &self.region, service };
        self.sign_by(&signer, ask, payload).0
    }

    fn sign_with(
        &self,
        credentials: &Credentials,
        ask: Ask,
        payload: SignedPayload,
    ) -> (Ask, Option<ChunkEncoder>) {
        let signer = Signer { credentials, region: &self.region, service: "s3" };
        self.sign_by(&signer, ask, payload)
    }

    pub(crate) fn sign_by(
        &self,
        signer: &Signer<'_>,
        mut ask: Ask,
        payload: SignedPayload,
    ) -> (Ask, Option<ChunkEncoder>) {
        let mut headers = ask.headers.clone();
        if !headers.iter().any(|(name, _)| name == "host") {
            headers.push(("host".into(), HOST.into()));
        }
        let lines: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let (path, query) = ask.target.split_once('?').unwrap_or((&ask.target, ""));
        let head = RequestHead { method: &ask.method, path, query, headers: &lines };
        let signed = sign_request(&head, payload, signer, self.now).unwrap();
        let added = signed.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        ask.headers.extend(added);
        (ask, signed.chunk_encoder())
    }

    /// A SigV4 link for an hour, as path and query.
    pub(crate) fn link(&self, method: &str, key: &str) -> Ask {
        self.link_with(method, key, &[], &[])
    }

    pub(crate) fn link_with(
        &self,
        method: &str,
        key: &str,
        headers: &[(&str, &str)],
        query: &[(&str, &str)],
    ) -> Ask {
        let mut presigner = Presigner::new(credentials(), &self.region);
        let endpoint = Endpoint::parse(&format!("http://{HOST}")).unwrap();
        let presign = presign(method, key, headers, query, &endpoint);
        let link = presigner.presign(&presign, self.now).unwrap();
        ask_of(method, &link.url, headers)
    }

    /// A link for an hour under any endpoint, and so with a `host` header.
    pub(crate) fn link_at(&self, at: &At<'_>, method: &str, key: &str) -> Ask {
        self.link_to(at, method, "bucket", key)
    }

    /// The same to any bucket.
    pub(crate) fn link_to(&self, at: &At<'_>, method: &str, bucket: &str, key: &str) -> Ask {
        let endpoint = Endpoint::parse(at.endpoint).unwrap();
        let mut presign = presign(method, key, &[], &[], &endpoint).with_addressing(at.addressing);
        presign.bucket = bucket;
        let mut presigner = Presigner::new(credentials(), &self.region);
        let link = if at.v2 {
            presigner.presign_v2(&presign, self.now).unwrap()
        } else {
            presigner.presign(&presign, self.now).unwrap()
        };
        let (_, rest) = link.url.split_once("://").unwrap();
        let (host, target) = rest.split_once('/').unwrap();
        ask(method, &format!("/{target}")).header("host", host)
    }

    /// A SigV2 link for an hour.
    pub(crate) fn link_v2(&self, method: &str, key: &str) -> Ask {
        let endpoint = Endpoint::parse(&format!("http://{HOST}")).unwrap();
        let presign = presign(method, key, &[], &[], &endpoint);
        let link = Presigner::new(credentials(), &self.region).presign_v2(&presign, self.now);
        ask_of(method, &link.unwrap().url, &[])
    }
}

fn open(data_dir: &std::path::Path, encryption: Encryption, now: Timestamp) -> Store {
    let config = StoreConfig {
        data_dir: data_dir.to_path_buf(),
        master_key: MasterKey::from_bytes([7; 32]),
        encryption,
        cache_bytes_max: 1 << 20,
    };
    Store::open(config, now).unwrap()
}

fn presign<'p>(
    method: &'p str,
    key: &'p str,
    headers: &'p [(&'p str, &'p str)],
    query: &'p [(&'p str, &'p str)],
    endpoint: &'p Endpoint,
) -> Presign<'p> {
    Presign::new(method, endpoint, "bucket", key.as_bytes(), ExpiresIn::from_seconds(3600).unwrap())
        .with_headers(headers)
        .with_query(query)
}

fn ask_of(method: &str, url: &str, headers: &[(&str, &str)]) -> Ask {
    let target = url.strip_prefix(&format!("http://{HOST}")).unwrap();
    let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    Ask { method: method.into(), target: target.into(), headers, body: Bytes::new() }
}

pub(crate) fn credentials() -> Credentials {
    Credentials {
        access_key_id: KEY_ID.into(),
        secret_access_key: SecretAccessKey::new(SECRET),
        session_token: None,
    }
}

pub(crate) fn ask(method: &str, target: &str) -> Ask {
    Ask { method: method.into(), target: target.into(), headers: Vec::new(), body: Bytes::new() }
}

pub(crate) fn get(target: &str) -> Ask {
    ask("GET", target)
}

pub(crate) fn put(target: &str, body: &str) -> Ask {
    ask("PUT", target).body(body.to_owned())
}

impl Ask {
    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Replaces a header, or adds it.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.header(name, value)
    }

    /// Replaces text in the target, which must be there.
    pub(crate) fn tamper(mut self, from: &str, to: &str) -> Self {
        assert!(self.target.contains(from), "{from} is not in {}", self.target);
        self.target = self.target.replacen(from, to, 1);
        self
    }
}

impl Answer {
    async fn read(response: Response<ResponseBody>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The text of the first element of that name.
    pub(crate) fn element(&self, name: &str) -> String {
        let text = self.text();
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let Some((_, rest)) = text.split_once(&open) else { return String::new() };
        rest.split_once(&close).map_or(String::new(), |(value, _)| value.to_owned())
    }

    /// All texts of elements of that name.
    pub(crate) fn elements(&self, name: &str) -> Vec<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let pieces = self.text().split(&open).skip(1);
        pieces.filter_map(|piece| Some(piece.split_once(&close)?.0.to_owned())).collect()
    }

    /// Status, code and message, then every element between the message and the request id.
    pub(crate) fn refusal(&self) -> String {
        let text = self.text();
        let inner = text
            .strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>")
            .unwrap_or_else(|| panic!("not an error: {} {text}", self.status));
        let (facts, ids) = inner.split_once("<RequestId>").unwrap();
        assert!(ids.contains("</RequestId><HostId>") && ids.ends_with("</HostId></Error>"));
        assert_eq!(self.header("content-type"), "application/xml");
        format!("{} {facts}", self.status)
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let hex = presign::payload_hash(bytes);
    let mut out = [0; 32];
    for (at, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap();
    }
    out
}

/// A whole result document: declaration, root in the namespace of S3, content.
pub(crate) fn result(root: &str, content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{content}</{root}>"
    )
}

/// 404 for a bucket that is not there.
pub(crate) fn no_such_bucket(name: &str) -> String {
    format!(
        "404 <Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message><BucketName>{name}</BucketName>"
    )
}

/// 404 for a key that is not there.
pub(crate) fn no_such_key(key: &str) -> String {
    format!(
        "404 <Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>{key}</Key>"
    )
}

/// `InvalidArgument` with its two elements.
pub(crate) fn invalid_argument(message: &str, name: &str, value: &str) -> String {
    format!(
        "400 <Code>InvalidArgument</Code><Message>{message}</Message><ArgumentName>{name}</ArgumentName><ArgumentValue>{value}</ArgumentValue>"
    )
}

/// `InvalidRequest` with its text.
pub(crate) fn invalid_request(message: &str) -> String {
    format!("400 <Code>InvalidRequest</Code><Message>{message}</Message>")
}

/// 501 naming what is not served.
pub(crate) fn not_implemented(header: &str) -> String {
    format!(
        "501 <Code>NotImplemented</Code><Message>A header you provided implies functionality that is not implemented</Message><Header>{header}</Header>"
    )
}

impl World {
    /// Turns the versions of `bucket` on, or suspends them.
    pub(crate) async fn versioning(&self, status: &str) {
        let document = format!(
            "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>{status}</Status></VersioningConfiguration>"
        );
        let answer = self.send(put("/bucket?versioning", &document)).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0));
    }

    /// Signs, sends, and expects a refusal.
    pub(crate) async fn refused(&self, ask: Ask) -> String {
        self.send(ask).await.refusal()
    }
}
