//! The views, one a page: what a page shows, and how.

pub(crate) mod buckets;
pub(crate) mod explain;
pub(crate) mod links;
pub(crate) mod notice;
pub(crate) mod object;
pub(crate) mod objects;
pub(crate) mod sign_in;
