//! The cache of distributions: what an origin has answered, kept for as long as its headers and a policy say.
//!
//! [`EdgeCache::get`] answers a viewer from what is there, and asks the [`Origin`] for what is not: once for all who ask at
//! the same time, and by pieces, so that memory stays flat however large a body is and a range needs no more than its
//! pieces. What may be asked for, and by whom, is for the caller to say: nothing here knows of permissions, and a caller
//! asks only once it knows that the viewer may have the answer.
//!
//! Nothing here reads the clock: `now` comes in with every request.

mod answer;
mod cache;
mod compress;
mod disk;
mod entry;
mod flight;
mod freshness;
mod keep;
mod lookup;
mod origin;
mod range;
mod reader;
mod run;
mod stats;

pub use cache::{CacheOutcome, EdgeAnswer, EdgeBody, EdgeCache, EdgeRequest};
pub use compress::{Coding, Codings, is_compressible};
pub use entry::{CHUNK_BYTES, ResourceKey};
pub use freshness::{ErrorTtls, Ttls};
pub use origin::{Origin, OriginAnswer, OriginBody, OriginFailure, OriginFuture, OriginRequest};
pub use reader::EdgeReader;
pub use stats::{EdgeCounts, EdgeStats};
