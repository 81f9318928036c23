//! A service that makes links for its users: each may upload and download files of their own.
//!
//! ```sh
//! export AWS_ACCESS_KEY_ID=.. AWS_SECRET_ACCESS_KEY=.. SIGN_SERVICE_USERS=alice=token1,bob=token2
//! cargo run --example sign_service -- http://127.0.0.1:9000 files 127.0.0.1:9020
//!
//! curl -H 'Authorization: Bearer token1' http://127.0.0.1:9020/downloads/a.png
//! curl -H 'Authorization: Bearer token1' http://127.0.0.1:9020/uploads/a.png \
//!      -d '{"type": "image/png", "size": 20480}'
//! ```
//!
//! The service sees no byte of any file, and needs no connection to the store: to sign is to compute. What it decides is
//! who its users are, and which keys are theirs.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, serve};
use jiff::Timestamp;
use presign::{Credentials, Endpoint, ExpiresIn, Presign, Presigned, Presigner, SecretAccessKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

type AnyError = Box<dyn std::error::Error>;

/// The longest file that a user may upload: 100 MiB.
const SIZE_BYTES_MAX: u64 = 100 * 1024 * 1024;
/// The longest name of a file, in bytes.
const NAME_BYTES_MAX: usize = 200;
/// Types that a browser would not run as a page of the store's.
const TYPES: [&str; 4] = ["image/png", "image/jpeg", "application/pdf", "text/plain"];

/// What makes links, and for whom.
struct Service {
    endpoint: Endpoint,
    bucket: String,
    /// Keeps the signing key of the day; to make a link takes microseconds, so one lock is enough.
    presigner: Mutex<Presigner>,
    users: Vec<User>,
    expires_in: ExpiresIn,
    now: fn() -> Timestamp,
}

/// Somebody who may ask, known by the hash of a token.
struct User {
    name: String,
    token_sha256: [u8; 32],
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let mut arguments = std::env::args().skip(1);
    let endpoint = arguments.next().unwrap_or_else(|| "http://127.0.0.1:9000".to_owned());
    let bucket = arguments.next().unwrap_or_else(|| "files".to_owned());
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:9020".to_owned());
    let credentials = Credentials {
        access_key_id: environment("AWS_ACCESS_KEY_ID")?,
        secret_access_key: SecretAccessKey::new(environment("AWS_SECRET_ACCESS_KEY")?),
        session_token: None,
    };
    let service = Service {
        endpoint: Endpoint::parse(&endpoint)?,
        bucket,
        presigner: Mutex::new(Presigner::new(credentials, "us-east-1")),
        users: users(&environment("SIGN_SERVICE_USERS")?)?,
        expires_in: ExpiresIn::parse("15m")?,
        now: clock,
    };
    let listener = tokio::net::TcpListener::bind(listen).await?;
    Ok(serve(listener, router(service)).await?)
}

fn router(service: Service) -> Router {
    Router::new()
        .route("/downloads/{name}", get(download))
        .route("/uploads/{name}", post(upload))
        .with_state(Arc::new(service))
}

/// A link for 15 minutes to a file of the user's own. Whether there is such a file, the store will say.
async fn download(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let key = service.user(&headers)?.key(&name)?;
    // A browser saves the file, and never shows it as a page.
    let query = [("response-content-disposition", "attachment")];
    service.link("GET", &key, &[], &query)
}

/// A link to upload a file of exactly the type and the length that the user has announced: both are signed, so the store
/// refuses another.
async fn upload(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let key = service.user(&headers)?.key(&name)?;
    let asked: Value = serde_json::from_slice(&body).map_err(|_| Refusal::Malformed)?;
    let content_type = asked.get("type").and_then(Value::as_str).ok_or(Refusal::Malformed)?;
    let size = asked.get("size").and_then(Value::as_u64).ok_or(Refusal::Malformed)?;
    if !TYPES.contains(&content_type) || size > SIZE_BYTES_MAX {
        return Err(Refusal::NotAllowed);
    }
    let size = size.to_string();
    let signed = [("content-type", content_type), ("content-length", size.as_str())];
    service.link("PUT", &key, &signed, &[])
}

impl Service {
    /// Whose token came with the request. Every token is compared, each in constant time, so the time that the answer
    /// takes tells nothing.
    fn user(&self, headers: &HeaderMap) -> Result<&User, Refusal> {
        let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        let sha256 = Sha256::digest(token);
        let mut found = None;
        for user in &self.users {
            if bool::from(user.token_sha256.ct_eq(&sha256)) {
                found = Some(user);
            }
        }
        found.ok_or(Refusal::UnknownUser)
    }

    fn link(
        &self,
        method: &str,
        key: &str,
        headers: &[(&str, &str)],
        query: &[(&str, &str)],
    ) -> Result<Response, Refusal> {
        let presign =
            Presign::new(method, &self.endpoint, &self.bucket, key.as_bytes(), self.expires_in)
                .with_headers(headers)
                .with_query(query);
        let mut presigner = self.presigner.lock().unwrap_or_else(PoisonError::into_inner);
        let link = presigner.presign(&presign, (self.now)()).map_err(|_| Refusal::Malformed)?;
        Ok(answer(&link))
    }
}

impl User {
    /// The key of a user's file: what stands before the first `/` is nobody else's. To the store `..` is a name like
    /// any other, but most HTTP clients fold it away before they send a link.
    fn key(&self, name: &str) -> Result<String, Refusal> {
        let fits = !matches!(name, "" | "." | "..") && name.len() <= NAME_BYTES_MAX;
        if !fits || name.contains('/') || name.chars().any(char::is_control) {
            return Err(Refusal::Malformed);
        }
        Ok(format!("{}/{name}", self.name))
    }
}

/// All that the client needs to use the link. The URL is a credential: no cache may keep it.
fn answer(link: &Presigned) -> Response {
    let headers: serde_json::Map<_, _> =
        link.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let body = json!({
        "method": link.method,
        "url": link.url,
        "headers": headers,
        "expires_at": link.expires_at.to_string(),
    });
    let heads = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (heads, body.to_string()).into_response()
}

/// Why there is no link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    UnknownUser,
    Malformed,
    NotAllowed,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::UnknownUser => (StatusCode::UNAUTHORIZED, "an unknown token\n"),
            Self::Malformed => (StatusCode::BAD_REQUEST, "a malformed name, type or size\n"),
            Self::NotAllowed => (StatusCode::FORBIDDEN, "a type or size that is not allowed\n"),
        }
        .into_response()
    }
}

/// Reads `alice=token1,bob=token2`.
fn users(text: &str) -> Result<Vec<User>, AnyError> {
    let users = text.split(',').map(|pair| {
        let (name, token) =
            pair.split_once('=').ok_or("SIGN_SERVICE_USERS: expected name=token")?;
        if name.is_empty() || name.contains('/') || token.is_empty() {
            return Err("SIGN_SERVICE_USERS: expected name=token".into());
        }
        Ok(User { name: name.to_owned(), token_sha256: Sha256::digest(token).into() })
    });
    users.collect()
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
    use axum::http::HeaderValue;

    fn service() -> Arc<Service> {
        let credentials = Credentials {
            access_key_id: "AKID".to_owned(),
            secret_access_key: SecretAccessKey::new("secret"),
            session_token: None,
        };
        Arc::new(Service {
            endpoint: Endpoint::parse("http://h:9000").unwrap(),
            bucket: "files".to_owned(),
            presigner: Mutex::new(Presigner::new(credentials, "us-east-1")),
            users: users("alice=one,bob=two").unwrap(),
            expires_in: ExpiresIn::parse("15m").unwrap(),
            now: || "2026-06-15T12:00:00Z".parse().unwrap(),
        })
    }

    fn bearer(token: &str) -> HeaderMap {
        let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        HeaderMap::from_iter([(header::AUTHORIZATION, value)])
    }

    async fn told(answer: Result<Response, Refusal>) -> Result<Value, Refusal> {
        let body = axum::body::to_bytes(answer?.into_body(), 65_536).await.unwrap();
        Ok(serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn users_get_links_to_keys_of_their_own() {
        let ask = |token: &'static str, name: &'static str| async move {
            told(download(State(service()), Path(name.to_owned()), bearer(token)).await).await
        };
        let link = ask("two", "a b.png").await.unwrap();
        let url = link["url"].as_str().unwrap();
        assert!(url.starts_with("http://h:9000/files/bob/a%20b.png?response-content"), "{url}");
        assert_eq!(link["expires_at"], "2026-06-15T12:15:00Z");
        assert_eq!(ask("three", "a.png").await, Err(Refusal::UnknownUser));
        assert_eq!(ask("", "a.png").await, Err(Refusal::UnknownUser));
        assert_eq!(ask("two", "../alice/a.png").await, Err(Refusal::Malformed));
        assert_eq!(ask("two", "..").await, Err(Refusal::Malformed));
        assert_eq!(ask("two", "").await, Err(Refusal::Malformed));
    }

    #[tokio::test]
    async fn an_upload_is_of_the_announced_type_and_length() {
        let ask = |body: &'static str| async move {
            let name = Path("a.png".to_owned());
            let body = Bytes::from_static(body.as_bytes());
            told(upload(State(service()), name, bearer("one"), body).await).await
        };
        let link = ask(r#"{"type": "image/png", "size": 20480}"#).await.unwrap();
        assert_eq!(link["method"], "PUT");
        let sent = json!({"content-type": "image/png", "content-length": "20480"});
        assert_eq!(link["headers"], sent);
        let url = link["url"].as_str().unwrap();
        assert!(url.contains("X-Amz-SignedHeaders=content-length%3Bcontent-type%3Bhost"), "{url}");
        let refused = ask(r#"{"type": "text/html", "size": 1}"#).await;
        assert_eq!(refused, Err(Refusal::NotAllowed));
        let refused = ask(r#"{"type": "image/png", "size": 104857601}"#).await;
        assert_eq!(refused, Err(Refusal::NotAllowed));
        assert_eq!(ask(r#"{"type": "image/png", "size": -1}"#).await, Err(Refusal::Malformed));
        assert_eq!(ask("").await, Err(Refusal::Malformed));
    }
}
