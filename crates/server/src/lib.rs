//! Valet over HTTP: the sockets, the gate, and the S3 operations behind it.
//!
//! [`Server::handle`] is the whole service as a function of one request and a time; [`Listener`] puts
//! sockets in front of it.

mod audit;
mod body;
mod clock;
mod config;
mod error;
mod gate;
mod head;
mod listen;
mod metrics;
mod operation;
mod own;
mod request;
mod respond;
mod route;
mod s3;
mod server;
mod timed;
mod tls;
mod xml;

// The public interface is:
pub use body::RequestBody;
pub use config::{PUBLIC_URLS_MAX, PublicUrl, PublicUrlError, RootKey, ServerConfig, TlsFiles};
pub use head::Peer;
pub use listen::{ListenError, Listener};
pub use respond::ResponseBody;
pub use server::Server;
pub use tls::TlsError;
