//! Valet over HTTP: the sockets, the gate, and behind it the operations of S3, IAM and STS.
//!
//! [`Server::handle`] is the whole service as a function of one request and a time; [`Listener`] puts sockets
//! in front of it.

mod api;
mod audit;
mod authentication;
mod body;
mod clock;
mod cloudfront;
mod config;
mod context;
mod cors;
pub mod disposition;
mod distribution;
mod distributions;
mod error;
mod explained;
mod fields;
mod form;
mod gate;
mod given_key;
mod handlers;
mod head;
mod iam;
mod inner_request;
mod issuers;
mod link_ledger;
mod link_proof;
mod link_rate;
mod link_uses;
mod listen;
mod made;
mod metadata;
mod metrics;
mod notes;
mod notices;
mod operation;
mod origin;
mod outbound;
mod outgoing;
mod own;
mod own_request;
mod page;
mod parts;
mod passphrase;
mod permission;
mod place;
mod principals;
mod query;
mod reading;
mod refused_link;
mod request;
mod respond;
mod room;
mod rooms;
mod route;
mod s3;
mod server;
mod services;
mod shares;
mod short;
mod signed_call;
mod smtp;
mod sts;
mod surface;
mod timed;
mod tls;
mod unsent;
mod uploads;
mod website;
mod xml;
mod zip_places;

// The public interface is:
pub use body::RequestBody;
pub use config::{
    ActiveContent, LinkCaching, PUBLIC_URLS_MAX, PublicUrl, PublicUrlError, RootKey, ServerConfig,
    SseC, TlsFiles,
};
pub use explained::{ExplainedCause, ExplainedGrant, ExplainedLink, ExplainedVerdict};
pub use head::{Peer, TlsVersion};
pub use listen::{ListenError, Listener};
pub use metrics::DroppedLines;
pub use parts::{PART_SIZE_MAX, PartPlan, PartPlanError, PlannedPart, UploadLinks};
pub use place::BucketDomain;
pub use respond::ResponseBody;
pub use server::Server;
pub use smtp::{SmtpUrl, SmtpUrlError};
pub use tls::TlsError;
