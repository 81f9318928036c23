//! The only file that opens listening sockets. Here stand TLS, the limits and timeouts of connections, and a
//! stop that lets requests under way finish.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::ProtocolVersion;
use store::Swept;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::server::TlsStream;

use crate::body::RequestBody;
use crate::clock;
use crate::config::ServerConfig;
use crate::handlers::Handlers;
use crate::head::{Peer, TlsVersion, waits_to_send};
use crate::own::OwnRoute;
use crate::respond::{Reply, ResponseBody};
use crate::server::Server;
use crate::shares::{Share, Shares};
use crate::timed::{Activity, Patience, Socket, TimedIo};
use crate::tls::{Tls, TlsError};
use crate::unsent::{Unsent, UnsentOfAll};
use crate::uploads::UPLOADS_MAX;

/// Connections open at once, if the system allows so many files; further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 8192;
/// Open files that are neither connections nor bodies: the database, the log, the listening sockets.
const FILES_RESERVED: u64 = 256;
/// The least number of connections, however few files the system allows.
const CONNECTIONS_MIN: usize = 16;
/// The least number of uploads at once, however few files the system allows.
const UPLOADS_MIN: usize = 16;
/// How long a connection may stand still before it is closed.
const PATIENCE: Patience =
    Patience { head: Duration::from_secs(30), idle: Duration::from_mins(2), bytes_min: 512 };
/// How often an HTTP/2 client is asked whether it is still there.
const PING_PERIOD: Duration = Duration::from_secs(30);
/// Time for a TLS handshake, counted from the first byte of the connection.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// The longest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// The most header lines of a request. This is hyper's default; for any other number hyper would allocate
/// memory with every request.
const HEADERS_MAX: usize = 100;
/// Requests that an HTTP/2 client may cancel before the server has looked at them; one more ends the
/// connection. This bounds the "rapid reset" attack.
const RESETS_WAITING_MAX: usize = 20;
/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 128;
/// The most bytes of answers that one HTTP/2 stream may have waiting to be sent, beyond the buffers of the
/// kernel.
const SEND_BUFFER_BYTES_MAX: usize = 256 * 1024;
/// The answer to plain HTTP on a port that speaks TLS.
const SPEAKS_TLS: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/xml\r\nConnection: close\r\n\r\n\
    <?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>InvalidRequest</Code>\
    <Message>This port speaks TLS: use https://</Message></Error>";
/// After that answer: how many reads the server waits for the client to close its side.
const PLAIN_READS_MAX: usize = 64;
/// The pause after a failed accept. Most often file descriptors have run out, and an immediate retry would only
/// spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often the server looks whether the certificate's files have changed.
const TLS_RELOAD_PERIOD: Duration = Duration::from_secs(5);
/// How often the ledger drops what it need not remember any more.
const LEDGER_PERIOD: Duration = Duration::from_hours(1);
/// How often notices are looked for whose next try is due.
const NOTICES_PERIOD: Duration = Duration::from_secs(5);
/// The pause after notices could not be written.
const NOTICES_PAUSE: Duration = Duration::from_secs(2);
/// The pause between two rounds of the store's maintenance.
const MAINTENANCE_PERIOD: Duration = Duration::from_secs(2);

/// Why the server could not start to listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address of the configuration.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Sockets that are bound but not yet served. A client that connects now waits in the kernel's queue.
#[derive(Debug)]
pub struct Listener {
    sockets: Vec<TcpListener>,
    metrics: Option<TcpListener>,
    addresses: Vec<SocketAddr>,
    tls: Option<Arc<Tls>>,
}

impl Listener {
    /// Binds every address of the configuration and answers nothing yet. It takes no [`Server`], so an address
    /// that is already taken ends the start before a store was opened.
    pub async fn bind(config: &ServerConfig) -> Result<Self, ListenError> {
        let tls = config.tls.clone().map(Tls::load).transpose()?.map(Arc::new);
        let (mut sockets, mut addresses) = (Vec::new(), Vec::new());
        for &address in &config.listen {
            let socket = bind(address).await?;
            addresses.push(socket.local_addr().unwrap_or(address));
            sockets.push(socket);
        }
        let metrics = match config.metrics_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        Ok(Self { sockets, metrics, addresses, tls })
    }

    /// The URLs of the bound sockets, in the order of the configuration. Where the configuration says port 0,
    /// the URL has the port that was taken.
    pub fn urls(&self) -> Vec<String> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        self.addresses.iter().map(|address| format!("{scheme}://{address}")).collect()
    }

    /// The address of the separate port for metrics.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().and_then(|socket| socket.local_addr().ok())
    }

    /// Serves until `stop` resolves. Requests under way then have the configured grace period to finish.
    pub async fn serve(self, server: Server, stop: impl Future<Output = ()>) {
        let Self { sockets, metrics, addresses: _, tls } = self;
        let files = open_files_max();
        let uploads = body_files_max(files).clamp(UPLOADS_MIN, UPLOADS_MAX);
        let server = Arc::new(server.with_uploads_max(uploads));
        let unsent = UnsentOfAll::new(body_files_max(files));
        let grace = server.config().shutdown_grace;
        let graceful = Arc::new(GracefulShutdown::new());
        let connections = Arc::new(Semaphore::new(connections_max(files)));
        let shares = Arc::new(Shares::new(server.config().connections_per_address));
        let mut tasks = tokio::task::JoinSet::new();
        for socket in sockets {
            let accept_loop = AcceptLoop {
                server: Arc::clone(&server),
                tls: tls.clone(),
                connections: Arc::clone(&connections),
                shares: Arc::clone(&shares),
                graceful: Arc::clone(&graceful),
                unsent: unsent.clone(),
            };
            tasks.spawn(accept_loop.run(socket));
        }
        if let Some(socket) = metrics {
            tasks.spawn(serve_metrics(Arc::clone(&server), socket));
        }
        if let Some(tls) = tls {
            tasks.spawn(reload_tls(tls));
        }
        let maintenance = tokio::spawn(maintain(Arc::clone(&server)));
        let notices = [
            tokio::spawn(write_notices(Arc::clone(&server))),
            tokio::spawn(deliver_notices(Arc::clone(&server))),
        ];
        stop.await;
        tasks.shutdown().await;
        // The accept loops have ended, and nobody else shared `graceful`.
        if let Some(graceful) = Arc::into_inner(graceful)
            && tokio::time::timeout(grace, graceful.shutdown()).await.is_err()
        {
            tracing::warn!("connections still open after the grace period were cut");
        }
        maintenance.abort();
        notices.iter().for_each(tokio::task::JoinHandle::abort);
        if let Err(error) = server.services().close().await {
            tracing::error!(%error, "the store could not be closed cleanly");
        }
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError::Bind { address, source })
}

/// Accepts the connections of one listening socket. Its fields are what each of these connections needs.
#[derive(Debug)]
struct AcceptLoop {
    server: Arc<Server>,
    tls: Option<Arc<Tls>>,
    connections: Arc<Semaphore>,
    shares: Arc<Shares>,
    graceful: Arc<GracefulShutdown>,
    unsent: UnsentOfAll,
}

impl AcceptLoop {
    async fn run(self, socket: TcpListener) {
        loop {
            let Ok(permit) = Arc::clone(&self.connections).acquire_owned().await else { return };
            let (stream, peer) = match socket.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let server = Arc::clone(&self.server);
            let Some(share) = self.share(peer) else {
                server.metrics().connection_refused();
                continue;
            };
            let tls = self.tls.clone();
            let watcher = self.graceful.watcher();
            let unsent = self.unsent.of_connection(&share);
            tokio::spawn(async move {
                server.metrics().connection_opened();
                let service = ConnectionService { server: &server, watcher, unsent };
                converse(service, tls, stream, peer).await;
                server.metrics().connection_closed();
                drop((permit, share));
            });
        }
    }

    /// One connection of those that the peer's address may have. A trusted proxy speaks for many clients, so it
    /// has no limit.
    fn share(&self, peer: SocketAddr) -> Option<Share> {
        let address = peer.ip().to_canonical();
        if self.server.config().trusts(address) {
            return Some(Share::unlimited());
        }
        self.shares.take(address)
    }
}

/// How many files this process may have open; `None` means any number.
fn open_files_max() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Half of the files go to connections, so that the other half is left for bodies.
fn connections_max(files: Option<u64>) -> usize {
    half_of_files(files).clamp(CONNECTIONS_MIN, CONNECTIONS_MAX)
}

/// How many files of bodies that are being sent may stay open between two pieces. The same number holds for
/// files of bodies that are being received. Together with the connections they stay below what the system
/// allows.
fn body_files_max(files: Option<u64>) -> usize {
    half_of_files(files) / 2
}

fn half_of_files(files: Option<u64>) -> usize {
    let half = files.map_or(u64::MAX, |files| files.saturating_sub(FILES_RESERVED) / 2);
    usize::try_from(half).unwrap_or(usize::MAX)
}

/// What answers the requests of one connection: the server, the signal to stop, and a bound on unsent answers.
struct ConnectionService<'s> {
    server: &'s Arc<Server>,
    watcher: Watcher,
    unsent: Unsent,
}

/// Serves one connection from its first byte to its last.
async fn converse(
    service: ConnectionService<'_>,
    tls: Option<Arc<Tls>>,
    stream: TcpStream,
    peer: SocketAddr,
) {
    // Without this, a small answer would wait for the client's delayed acknowledgement (Nagle's algorithm).
    let _ = stream.set_nodelay(true);
    let peer = Peer { address: peer.ip().to_canonical(), tls: None };
    let Some(tls) = tls else {
        return answer(service, TimedIo::new(stream, PATIENCE), peer).await;
    };
    let handshake = async {
        if speaks_plainly(&stream).await? {
            refuse_plain(stream).await?;
            return Err(io::Error::other("plain HTTP where TLS is spoken"));
        }
        tls.acceptor().accept(stream).await
    };
    match tokio::time::timeout(HANDSHAKE_TIME_MAX, handshake).await {
        Ok(Ok(stream)) => {
            let peer = Peer { tls: Some(tls_version(&stream)), ..peer };
            answer(service, TimedIo::new(stream, PATIENCE), peer).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_elapsed) => tracing::debug!("a TLS handshake took too long"),
    }
}

/// Whether the client speaks plain HTTP. A method begins with an upper-case letter, and no TLS record does.
async fn speaks_plainly(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    Ok(stream.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase())
}

/// Answers a client that speaks plain HTTP to a TLS port, then reads until the client has closed its side. If
/// the server closed first, the kernel would reset the connection and the client would never see the answer.
async fn refuse_plain(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(SPEAKS_TLS).await?;
    stream.shutdown().await?;
    let mut rest = [0; 4096];
    for _ in 0..PLAIN_READS_MAX {
        if stream.read(&mut rest).await? == 0 {
            break;
        }
    }
    Ok(())
}

fn tls_version<S>(stream: &TlsStream<S>) -> TlsVersion {
    match stream.get_ref().1.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => TlsVersion::V1_2,
        // Nothing older than TLS 1.2 is enabled, and TLS 1.3 is the newest version there is.
        Some(_) | None => TlsVersion::V1_3,
    }
}

async fn answer<S>(service: ConnectionService<'_>, stream: TimedIo<S>, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Socket + Unpin + Send + 'static,
{
    let ConnectionService { server, watcher, unsent } = service;
    let activity = stream.activity();
    let handlers = Handlers::default();
    let service = service_fn(|request: Request<Incoming>| {
        let server = Arc::clone(server);
        let activity = Arc::clone(&activity);
        let answering = activity.answering();
        let unsent = unsent.clone();
        let handlers = handlers.clone();
        async move {
            if request.headers().len() > HEADERS_MAX {
                return Ok(too_many_headers());
            }
            let is_multiplexed = request.version() == Version::HTTP_2;
            let request = take_body(request, &activity);
            let handling = async move {
                let mut response: Response<ResponseBody> =
                    server.handle_on(request, peer, Some(&unsent), clock::now()).await;
                response.body_mut().hold(answering);
                response
            };
            if is_multiplexed {
                return handlers.run(handling).await;
            }
            Ok(handling.await)
        }
    });
    let builder = builder();
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(error, "a connection ended early");
    }
}

/// The answer that hyper itself gives over HTTP/1. Over HTTP/2 hyper limits only the bytes of a head.
fn too_many_headers() -> Response<ResponseBody> {
    Reply::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE).into_plain_response()
}

fn take_body(request: Request<Incoming>, activity: &Arc<Activity>) -> Request<RequestBody> {
    let (parts, body) = request.into_parts();
    let mut body = RequestBody::from_wire(body, &parts.headers);
    if waits_to_send(&parts) {
        body = body.expected_to_go_on(activity);
    }
    Request::from_parts(parts, body)
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        // `TimedIo` limits this time itself, and does so at no cost per request.
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES_MAX)
        .half_close(true)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_WAITING_MAX)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
        .keep_alive_interval(Some(PING_PERIOD));
    builder
}

/// The separate port for metrics: `/metrics` and nothing else, without credentials.
async fn serve_metrics(server: Arc<Server>, socket: TcpListener) {
    let connections = Arc::new(Semaphore::new(16));
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
        let Ok((stream, _)) = socket.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let stream = TimedIo::new(stream, PATIENCE);
            let activity = stream.activity();
            let service = service_fn(|request: Request<Incoming>| {
                let known = matches!(request.uri().path(), "/metrics" | "/_valet/metrics");
                let route = if known { OwnRoute::Metrics } else { OwnRoute::Unknown };
                let mut response = route.answer(server.services()).into_plain_response();
                response.body_mut().hold(activity.answering());
                async move { Ok::<_, std::convert::Infallible>(response) }
            });
            // A scraper that disconnects early is no failure of the server.
            let _ = builder().serve_connection(TokioIo::new(stream), service).await;
            drop(permit);
        });
    }
}

async fn reload_tls(tls: Arc<Tls>) {
    loop {
        tokio::time::sleep(TLS_RELOAD_PERIOD).await;
        match tls.reload_if_changed() {
            Ok(true) => tracing::info!("the TLS certificate was read again"),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%error, "the changed TLS certificate cannot be used, so the old one stays");
            }
        }
    }
}

/// Writes what has happened to links as soon as it has.
async fn write_notices(server: Arc<Server>) {
    let notices = &server.services().notices;
    loop {
        if let Err(error) = notices.write().await {
            tracing::error!(%error, "notices of links cannot be written, and wait");
            tokio::time::sleep(NOTICES_PAUSE).await;
        } else {
            notices.arrival().await;
        }
    }
}

/// Delivers notices once they are written, and again when their next try is due.
async fn deliver_notices(server: Arc<Server>) {
    let notices = &server.services().notices;
    loop {
        match notices.deliver(clock::now()).await {
            Ok(1..) => continue,
            Ok(0) => {}
            Err(error) => tracing::error!(%error, "notices of links cannot be delivered"),
        }
        let _ = tokio::time::timeout(NOTICES_PERIOD, notices.written()).await;
    }
}

async fn maintain(server: Arc<Server>) {
    let mut maintenance = server.services().maintenance();
    if let Some(idle) = server.config().abort_uploads_after {
        maintenance = maintenance.aborting_uploads_after(idle);
    }
    let started = tokio::time::Instant::now();
    let mut ledger_kept_at = started;
    loop {
        tokio::time::sleep(MAINTENANCE_PERIOD).await;
        if let Err(error) = server.services().close_ended_links(clock::now()).await {
            tracing::error!(
                message = error.message(),
                "managed links that have ended could not be closed"
            );
        }
        if ledger_kept_at.elapsed() >= LEDGER_PERIOD {
            ledger_kept_at = tokio::time::Instant::now();
            server.services().maintain_ledger(clock::now()).await;
        }
        match maintenance.run_once(clock::now(), started.elapsed()).await {
            Ok(Swept { uploads: 0, .. }) => {}
            Ok(Swept { uploads, .. }) => {
                tracing::info!(uploads, "uploads that nobody went on with were aborted");
            }
            Err(error) => tracing::error!(%error, "the store's maintenance failed"),
        }
    }
}

#[cfg(test)]
mod tests;
