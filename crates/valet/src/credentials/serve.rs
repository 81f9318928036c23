//! `valet credentials serve`: the metadata service and the container endpoint over HTTP.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue, ORIGIN};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

use crate::args::Aws;
use crate::args::credentials::ServeCredentials;
use crate::credentials::document;
use crate::credentials::metadata::{
    CONTAINER_PATH, MetadataGuard, MetadataRequest, Refusal, TOKEN_HEADER, TOKEN_LIFE_HEADER,
    Verdict,
};
use crate::credentials::rotation::Rotation;
use crate::failure::Failure;
use crate::remote::Remote;
use crate::{clock, output, sts};

/// The most connections; programs of one machine need no more.
const CONNECTIONS_MAX: usize = 64;
/// How long a connection may take over a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const HEAD_BYTES_MAX: usize = 16 * 1024;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What all connections share.
#[derive(Debug)]
struct Service {
    guard: MetadataGuard,
    role_name: String,
    rotation: Rotation,
}

pub(crate) async fn run(arguments: &ServeCredentials, aws: &Aws) -> Result<(), Failure> {
    let ServeCredentials { role, listen, session } = arguments;
    if !listen.ip().is_loopback() {
        let why =
            "--listen: a loopback address, such as 127.0.0.1:1338; whoever reaches it has the role";
        return Err(Failure::usage(anyhow!(why)));
    }
    let remote = Remote::connect(aws).await?;
    let role_arn = sts::role_arn(&remote, role).await?;
    let role_name = role_arn.rsplit('/').next().unwrap_or(role).to_owned();
    let rotation = Rotation::start(remote, role_arn, session.clone()).await?;
    let guard = MetadataGuard::new(&role_name, [random()?, random()?]);
    let cannot_listen = || format!("cannot listen on {listen}");
    let listener = TcpListener::bind(listen).await.with_context(cannot_listen)?;
    let address = listener.local_addr().with_context(cannot_listen)?;
    let url = format!("http://{address}");
    for (name, value) in [
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*url),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{url}{CONTAINER_PATH}")),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", guard.container_token()),
    ] {
        output::result(&output::export(name, value))?;
    }
    output::note(format_args!(
        "serving {} until Ctrl-C; programs that have AWS_ACCESS_KEY_ID use that instead",
        rotation.role_arn()
    ));
    accept(&listener, &Arc::new(Service { guard, role_name, rotation })).await
}

fn random() -> Result<[u8; 32], Failure> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Failure::failed(anyhow!("the machine gives no random numbers")))?;
    Ok(bytes)
}

async fn accept(listener: &TcpListener, service: &Arc<Service>) -> Result<(), Failure> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
        };
        // A broken connection, or one too many, is dropped; it is no failure of the service.
        let (Ok((stream, _)), Ok(slot)) = (accepted, Arc::clone(&slots).try_acquire_owned()) else {
            continue;
        };
        let service = Arc::clone(service);
        tokio::spawn(async move {
            serve(stream, &service).await;
            drop(slot);
        });
    }
}

async fn serve(stream: TcpStream, service: &Arc<Service>) {
    let handler = service_fn(async |request| Ok::<_, Infallible>(answer(&request, service).await));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), handler);
    // The client that broke the connection knows about it.
    drop(connection.await);
}

async fn answer(request: &Request<Incoming>, service: &Service) -> Response<Full<Bytes>> {
    let header = |name: &str| {
        let value = request.headers().get(name);
        // A value that is not text must not count as missing.
        value.map(|value| value.to_str().unwrap_or("\u{0}"))
    };
    let metadata_request = MetadataRequest {
        method: request.method().as_str(),
        path: request.uri().path(),
        host: header(HOST.as_str()),
        origin: header(ORIGIN.as_str()),
        forwarded_for: header("x-forwarded-for"),
        token: header(TOKEN_HEADER),
        token_life: header(TOKEN_LIFE_HEADER),
        authorization: header(AUTHORIZATION.as_str()),
    };
    let region = || service.rotation.region();
    match service.guard.judge(&metadata_request, clock::now()) {
        Verdict::Token { token, seconds } => {
            let mut response = respond(StatusCode::OK, TEXT, token);
            response.headers_mut().insert(TOKEN_LIFE_HEADER, HeaderValue::from(seconds));
            response
        }
        Verdict::RoleName => respond(StatusCode::OK, TEXT, service.role_name.clone()),
        Verdict::Region => respond(StatusCode::OK, TEXT, region().to_owned()),
        Verdict::Zone => respond(StatusCode::OK, TEXT, format!("{}a", region())),
        Verdict::InstanceCredentials => credentials(service, Kind::Instance).await,
        Verdict::ContainerCredentials => credentials(service, Kind::Container).await,
        Verdict::Refused(refusal) => refuse(refusal),
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Instance,
    Container,
}

async fn credentials(service: &Service, kind: Kind) -> Response<Full<Bytes>> {
    let document = service.rotation.current().await.and_then(|served| match kind {
        Kind::Instance => document::instance(&served.assumed, served.assumed_at),
        Kind::Container => document::container(&served.assumed, service.rotation.role_arn()),
    });
    // The reason was printed to standard error, for the user who runs this command.
    let unavailable = r#"{"code":"RenewalFailed","message":"the role could not be assumed"}"#;
    document.map_or_else(
        |_| respond(StatusCode::SERVICE_UNAVAILABLE, JSON, unavailable.to_owned()),
        |document| respond(StatusCode::OK, JSON, document),
    )
}

fn refuse(refusal: Refusal) -> Response<Full<Bytes>> {
    let status = match refusal {
        Refusal::Malformed => StatusCode::BAD_REQUEST,
        Refusal::NoToken => StatusCode::UNAUTHORIZED,
        Refusal::Foreign => StatusCode::FORBIDDEN,
        Refusal::Absent => StatusCode::NOT_FOUND,
        Refusal::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
    };
    respond(status, TEXT, String::new())
}

fn respond(status: StatusCode, content_type: HeaderValue, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
