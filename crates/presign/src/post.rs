//! POST policies: what a browser form may upload, as the one who signed it said
//! (semantics 3.3).

mod condition;
mod document;
pub(crate) mod json;

pub use document::{PostPolicy, PostPolicyError, PostRefusal};
pub(crate) use json::push_ascii_string;
