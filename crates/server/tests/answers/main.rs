//! The whole service in process: a request and a time in, the exact answer out. No sockets, no sleeps.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::type_complexity,
    clippy::unused_async,
    reason = "tests"
)]

mod api;
mod authentication;
mod buckets;
mod closed;
mod copies;
mod cors;
mod crowded;
mod customer_keys;
mod damage;
mod dead_links;
mod deletions;
mod distributions;
mod documents;
mod encryption;
mod explain;
mod folder_links;
mod foresight;
mod form_permission;
mod forms;
mod harness;
mod hosts;
mod identities;
mod ledger;
mod link_conditions;
mod link_makers;
mod link_uses;
mod listing;
mod managed_links;
mod moved;
mod moved_property;
mod multipart;
mod notices;
mod objects;
mod people;
mod permission;
mod post;
mod readings;
mod renewal;
mod replaced;
mod request_links;
mod revocations;
mod secrets;
mod serving;
mod sessions;
mod sts;
mod surfaces;
mod tagging;
mod uploads;
mod warm;
mod web_identity;
mod websites;
mod weights;
