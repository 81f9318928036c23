//! A verifier in front of a file server: whoever has a presigned GET gets the file, and nobody else.
//!
//! ```sh
//! export AWS_ACCESS_KEY_ID=.. AWS_SECRET_ACCESS_KEY=..
//! cargo run --features http --example verify_files -- add ./store files alice/a.png a.png
//! cargo run --features http --example verify_files -- serve ./store 127.0.0.1:9010
//!
//! aws --endpoint-url http://127.0.0.1:9010 s3 presign s3://files/alice/a.png
//! ```
//!
//! A file rests under the SHA-256 of its bucket and key, so a key is never a path: `..` or a NUL in it leads nowhere but to
//! another hash. TLS ends before this server; whoever ends it must leave the `Host` header as it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, serve};
use jiff::Timestamp;
use presign::{
    ClaimError, ExpectedScope, HttpHeadError, HttpRequestHead, Mechanism, RequestHead,
    SecretAccessKey, SignatureClaim, TokenClaim, VerifyError, VerifyingKey, decode_component,
    decode_query_component, payload_hash,
};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

type AnyError = Box<dyn std::error::Error>;

const REGION: &str = "us-east-1";

/// The parameters of a link that this server understands, in lower case. Another one, for instance `versionId`, would
/// mean something that it does not do, so it is refused rather than overlooked.
const PARAMETERS: [&str; 8] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signedheaders",
    "x-amz-signature",
    // The name of the operation, which SDKs add.
    "x-id",
    DISPOSITION,
];

/// What the signer wants a browser to do with the file.
const DISPOSITION: &str = "response-content-disposition";

/// The files, and the one key that opens them.
struct Files {
    folder: PathBuf,
    access_key_id: String,
    secret: SecretAccessKey,
    now: fn() -> Timestamp,
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        ["add", folder, bucket, key, file] => {
            if bucket.is_empty() || bucket.contains('/') {
                return Err("the name of a bucket has no slash".into());
            }
            let name = file_name(bucket.as_bytes(), key.as_bytes());
            tokio::fs::create_dir_all(folder).await?;
            tokio::fs::copy(file, Path::new(folder).join(name)).await?;
            Ok(())
        }
        ["serve", folder, listen] => {
            let files = Files {
                folder: folder.into(),
                access_key_id: environment("AWS_ACCESS_KEY_ID")?,
                secret: SecretAccessKey::new(environment("AWS_SECRET_ACCESS_KEY")?),
                now: clock,
            };
            let router = Router::new().fallback(answer).with_state(Arc::new(files));
            Ok(serve(tokio::net::TcpListener::bind(listen).await?, router).await?)
        }
        _ => Err("expected `add FOLDER BUCKET KEY FILE` or `serve FOLDER ADDRESS:PORT`".into()),
    }
}

/// Every request ends here. Nothing of the disk is touched before the signature has been verified.
async fn answer(State(files): State<Arc<Files>>, request: Request) -> Response {
    match files.allowed(&request) {
        Ok(download) => files.send(download).await,
        Err(refusal) => refusal.into_response(),
    }
}

impl Files {
    /// The file that a request may have.
    fn allowed(&self, request: &Request) -> Result<Download, Refusal> {
        // A signature covers the method, so a link for PUT would verify here too, as one for PUT.
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Refusal::Method);
        }
        let arrived = HttpRequestHead::from_request(request).map_err(Refusal::Head)?;
        let head = arrived.head();
        let claim = SignatureClaim::from_request(&head).map_err(Refusal::Claim)?;
        let claim = claim.filter(|claim| claim.mechanism() == Mechanism::V4Query);
        let claim = claim.ok_or(Refusal::NotALink)?;
        let expected = ExpectedScope::new(REGION, "s3");
        let claim = claim.admit(&expected, (self.now)()).map_err(Refusal::Verify)?;
        // A server of many keys looks the secret up by this id. This one has long-term credentials alone, with which no
        // session token can come.
        if claim.access_key_id() != self.access_key_id
            || claim.session_token() != TokenClaim::Absent
        {
            return Err(Refusal::UnknownKey);
        }
        let key = VerifyingKey::derive(&claim, &self.secret);
        claim.verify(&[arrived.signed_host()], &key).map_err(|_| Refusal::Signature)?;
        understood(&head)?;
        Ok(Download { file_name: object(head.path)?, disposition: disposition(&head)? })
    }

    /// Sends a file as what no browser runs.
    async fn send(&self, download: Download) -> Response {
        let Download { file_name, disposition } = download;
        let opened = async {
            let file = File::open(self.folder.join(file_name)).await?;
            let bytes = file.metadata().await?.len();
            Ok::<_, std::io::Error>((file, bytes))
        };
        let Ok((file, bytes)) = opened.await else { return Refusal::NoFile.into_response() };
        let heads: [(HeaderName, HeaderValue); 5] = [
            // A cache would give the file to whoever has the link, after its end too.
            (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
            (header::CONTENT_LENGTH, bytes.into()),
            (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
            (header::CONTENT_DISPOSITION, disposition),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ];
        (heads, Body::from_stream(ReaderStream::new(file.take(bytes)))).into_response()
    }
}

/// A file that was asked for by a link that holds.
#[derive(Debug, PartialEq, Eq)]
struct Download {
    file_name: String,
    disposition: HeaderValue,
}

/// The disposition that the signer chose, or that of a file to be saved. It is covered by the signature, as the whole
/// query is, so whoever has the link cannot change it.
fn disposition(head: &RequestHead<'_>) -> Result<HeaderValue, Refusal> {
    match head.query_value(DISPOSITION) {
        Some(value) => HeaderValue::from_bytes(&value).map_err(|_| Refusal::NotUnderstood),
        None => Ok(HeaderValue::from_static("attachment")),
    }
}

/// Refuses a verified link that asks for something which this server does not do.
fn understood(head: &RequestHead<'_>) -> Result<(), Refusal> {
    let mut parameters = head.query_pairs().map(|(name, _)| decode_query_component(name));
    if parameters
        .any(|name| !PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())))
    {
        return Err(Refusal::NotUnderstood);
    }
    let mut names = head.headers.iter().map(|(name, _)| *name);
    if names.any(|name| name.starts_with("x-amz-") && name != "x-amz-content-sha256") {
        return Err(Refusal::NotUnderstood);
    }
    Ok(())
}

/// The name of the file of the object that a path in wire form names.
///
/// The path is decoded first and then cut: to a signature `/files/a%2Fb` and `/files/a/b` are one path, so they must be one
/// object here, whoever respelled it on the way.
fn object(path: &str) -> Result<String, Refusal> {
    let decoded = decode_component(path);
    let rest = decoded.strip_prefix(b"/").ok_or(Refusal::NoFile)?;
    let slash = rest.iter().position(|byte| *byte == b'/').ok_or(Refusal::NoFile)?;
    let (bucket, key) = rest.split_at_checked(slash).ok_or(Refusal::NoFile)?;
    let key = key.strip_prefix(b"/").unwrap_or_default();
    Ok(file_name(bucket, key))
}

/// Where an object rests: the SHA-256 of bucket, `/` and key, in hex. No bucket's name has a `/`, so no two objects
/// share one.
fn file_name(bucket: &[u8], key: &[u8]) -> String {
    payload_hash(&[bucket, b"/", key].concat())
}

/// Why there is no file.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    Method,
    Head(HttpHeadError),
    NotALink,
    Claim(ClaimError),
    Verify(VerifyError),
    UnknownKey,
    Signature,
    NotUnderstood,
    NoFile,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, why) = match self {
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "only links for GET and HEAD".into()),
            Self::Head(error) => (StatusCode::BAD_REQUEST, error.to_string()),
            Self::NotALink => (StatusCode::FORBIDDEN, "this is no presigned URL".into()),
            Self::Claim(error) => (StatusCode::BAD_REQUEST, error.to_string()),
            Self::Verify(error) => (StatusCode::FORBIDDEN, error.to_string()),
            Self::UnknownKey => (StatusCode::FORBIDDEN, "an unknown access key".into()),
            Self::Signature => (StatusCode::FORBIDDEN, "the signature does not match".into()),
            Self::NotUnderstood => {
                (StatusCode::NOT_IMPLEMENTED, "a parameter or header is not supported".into())
            }
            Self::NoFile => (StatusCode::NOT_FOUND, "there is no such file".into()),
        };
        (status, format!("{why}\n")).into_response()
    }
}

#[expect(clippy::disallowed_methods, reason = "the environment of the example is read here alone")]
fn environment(name: &str) -> Result<String, AnyError> {
    std::env::var(name).map_err(|_| format!("{name} is not set").into())
}

#[expect(clippy::disallowed_methods, reason = "the clock of the example is read here alone")]
fn clock() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use presign::{Credentials, Endpoint, ExpiresIn, Presign, Presigner};

    fn signed_at() -> Timestamp {
        "2026-06-15T12:00:00Z".parse().unwrap()
    }

    fn files(folder: &str) -> Files {
        Files {
            folder: folder.into(),
            access_key_id: "AKID".to_owned(),
            secret: SecretAccessKey::new("secret"),
            now: signed_at,
        }
    }

    /// The path and query of a link for a minute.
    fn link(method: &str, key: &str, query: &[(&str, &str)]) -> String {
        let endpoint = Endpoint::parse("http://h").unwrap();
        let life = ExpiresIn::from_seconds(60).unwrap();
        let presign = Presign::new(method, &endpoint, "files", key.as_bytes(), life);
        let credentials = Credentials {
            access_key_id: "AKID".to_owned(),
            secret_access_key: SecretAccessKey::new("secret"),
            session_token: None,
        };
        let mut presigner = Presigner::new(credentials, REGION);
        let link = presigner.presign(&presign.with_query(query), signed_at()).unwrap();
        link.url.strip_prefix("http://h").unwrap().to_owned()
    }

    fn ask(method: &str, target: &str) -> Request {
        let request = http::Request::builder().method(method).uri(target);
        request.header("host", "h").body(Body::empty()).unwrap()
    }

    fn allowed(method: &str, target: &str) -> Result<String, Refusal> {
        files("none").allowed(&ask(method, target)).map(|download| download.file_name)
    }

    #[test]
    fn a_link_opens_its_own_object() {
        for key in ["a.png", "alice/a b.png", "../../etc/passwd", "a//b/", "\0", "é"] {
            let name = allowed("GET", &link("GET", key, &[])).unwrap();
            assert_eq!(name, file_name(b"files", key.as_bytes()), "{key:?}");
            assert!(name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
        let target = link("GET", "a", &[("x-id", "GetObject")]);
        assert_eq!(allowed("GET", &target), Ok(file_name(b"files", b"a")));
        assert!(allowed("HEAD", &link("HEAD", "a", &[])).is_ok());
        let target = link("GET", "a", &[(DISPOSITION, "attachment; filename=\"b\"")]);
        let download = files("none").allowed(&ask("GET", &target)).unwrap();
        assert_eq!(download.disposition, "attachment; filename=\"b\"");
    }

    #[test]
    fn another_spelling_of_the_path_is_the_same_object() {
        let target = link("GET", "a/b", &[]);
        for spelling in ["/files/a%2Fb?", "/files%2Fa/b?", "/files/%61/b?"] {
            let target = target.replacen("/files/a/b?", spelling, 1);
            assert_eq!(allowed("GET", &target), Ok(file_name(b"files", b"a/b")), "{spelling}");
        }
    }

    #[test]
    fn nothing_else_is_opened() {
        let target = link("GET", "a", &[]);
        assert_eq!(allowed("HEAD", &target), Err(Refusal::Signature));
        assert_eq!(allowed("PUT", &link("PUT", "a", &[])), Err(Refusal::Method));
        assert_eq!(allowed("GET", "/files/a"), Err(Refusal::NotALink));
        assert_eq!(allowed("GET", &target.replacen("/a?", "/b?", 1)), Err(Refusal::Signature));
        assert_eq!(allowed("GET", &format!("{target}&x-id=GetObject")), Err(Refusal::Signature));
        let versioned = link("GET", "a", &[("versionId", "1")]);
        assert_eq!(allowed("GET", &versioned), Err(Refusal::NotUnderstood));

        let other = Files { access_key_id: "OTHER".to_owned(), ..files("none") };
        assert_eq!(other.allowed(&ask("GET", &target)), Err(Refusal::UnknownKey));
        let later = Files { now: || "2026-06-15T12:01:01Z".parse().unwrap(), ..files("none") };
        let late = later.allowed(&ask("GET", &target));
        assert!(matches!(late, Err(Refusal::Verify(VerifyError::Expired { .. }))), "{late:?}");

        let mut elsewhere = ask("GET", &target);
        elsewhere.headers_mut().insert("host", HeaderValue::from_static("other"));
        assert_eq!(files("none").allowed(&elsewhere), Err(Refusal::Signature));
    }

    #[tokio::test]
    async fn what_is_verified_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(file_name(b"files", b"a")), "hello").unwrap();
        let files = Arc::new(files(folder.path().to_str().unwrap()));
        let send =
            |key: &str| answer(State(Arc::clone(&files)), ask("GET", &link("GET", key, &[])));
        let sent = send("a").await;
        assert_eq!(sent.status(), StatusCode::OK);
        assert_eq!(sent.headers()["content-length"], "5");
        assert_eq!(axum::body::to_bytes(sent.into_body(), 10).await.unwrap(), "hello");
        assert_eq!(send("b").await.status(), StatusCode::NOT_FOUND);
    }
}
