//! The table of API routes. A path without a row does not exist.

use hyper::{Method, StatusCode};
use schemars::{Schema, SchemaGenerator};

use super::accounts::{CreateAccount, DeleteAccount, GetAccount, ListAccounts, RenewRootKey};
use super::document::{AnswerDocument as _, RequestDocument as _};
use super::expiry::TellExpiry;
use super::explain::ExplainLink;
use super::links::{ChangeLink, CreateLink, GetLink, ListLinks, RevokeLink};
use super::operation::{Answering, ApiOperation, SignedBy, SignedCall, execute};
use super::parts::RenewParts;
use super::revocations::{ListRevoked, RevokeLinks, UndoRevocation};
use super::uses::ListUses;
use crate::body::RequestBody;
use crate::notes::RequestNotes;

/// One operation of the API, and the method and path by which it is called.
pub(super) struct ApiRow {
    pub(super) method: Method,
    /// The path below `/_valet/api/v1`; a segment in braces is a parameter.
    pub(super) path: &'static str,
    /// The name of the operation, also in logs and metrics.
    pub(super) operation: &'static str,
    /// What the operation does, in one sentence.
    pub(super) summary: &'static str,
    pub(super) signed: SignedBy,
    pub(super) pages: Option<&'static str>,
    /// The query parameters that a call may have, besides those of its signature.
    pub(super) parameters: &'static [&'static str],
    /// The status of an answer that is no refusal.
    pub(super) status: StatusCode,
    pub(super) documents: Documents,
    pub(super) execute: Execute,
}

/// The function that describes the documents of a row's operation.
type Documents = fn(&mut SchemaGenerator) -> DocumentSchemas;

/// The documents of an operation.
pub(super) struct DocumentSchemas {
    /// That of a call, and whether there must be one.
    pub(super) request: Option<(Schema, bool)>,
    pub(super) answer: Option<Schema>,
}

/// The function that reads, admits and runs the operation of a row.
type Execute =
    for<'r> fn(SignedCall<'r>, &'r mut RequestBody, &'r mut RequestNotes) -> Answering<'r>;

impl std::fmt::Debug for ApiRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.operation)
    }
}

/// The row of an operation.
const fn row<O: ApiOperation>(
    method: Method,
    path: &'static str,
    operation: &'static str,
    summary: &'static str,
) -> ApiRow {
    ApiRow {
        method,
        path,
        operation,
        summary,
        signed: O::SIGNED,
        pages: O::PAGES,
        parameters: O::PARAMETERS,
        status: O::STATUS,
        documents: documents::<O>,
        execute: execute::<O>,
    }
}

fn documents<O: ApiOperation>(generator: &mut SchemaGenerator) -> DocumentSchemas {
    DocumentSchemas { request: O::Request::schema(generator), answer: O::Answer::schema(generator) }
}

/// Every operation of the API.
#[rustfmt::skip]
pub(super) static ROUTES: [ApiRow; 17] = [
    row::<ListAccounts>(Method::GET, "/accounts", "ListAccounts", "Lists the accounts of the server, a page at a time."),
    row::<CreateAccount>(Method::POST, "/accounts", "CreateAccount", "Makes an account, and shows the key of its root this once."),
    row::<GetAccount>(Method::GET, "/accounts/{id}", "GetAccount", "Shows an account."),
    row::<DeleteAccount>(Method::DELETE, "/accounts/{id}", "DeleteAccount", "Deletes an account that has no buckets and no identities."),
    row::<RenewRootKey>(Method::POST, "/accounts/{id}/root-key", "RenewRootKey", "Gives the root of an account another key, and ends the one that it had."),
    row::<TellExpiry>(Method::POST, "/expiry", "TellExpiry", "Tells how long a link will hold that the caller is about to sign."),
    row::<ExplainLink>(Method::POST, "/explain", "ExplainLink", "Says of a link what it allows, until when, and why it does not work."),
    row::<ListLinks>(Method::GET, "/links", "ListLinks", "Lists managed links, the newest first, a page at a time."),
    row::<CreateLink>(Method::POST, "/links", "CreateLink", "Makes a managed link: to an object, to a folder, or a request for files."),
    row::<GetLink>(Method::GET, "/links/{name}", "GetLink", "Shows a managed link, by its id or its fingerprint."),
    row::<ChangeLink>(Method::PATCH, "/links/{name}", "ChangeLink", "Changes when a managed link ends, what it is called, and who is told of it."),
    row::<RevokeLink>(Method::DELETE, "/links/{name}", "RevokeLink", "Takes a managed link back. The revocation can be undone."),
    row::<ListRevoked>(Method::GET, "/revocations", "ListRevocations", "Lists what was revoked and has not ended, a page at a time."),
    row::<RevokeLinks>(Method::POST, "/revocations", "RevokeLinks", "Takes links back: one, or all of an access key, an object or a prefix."),
    row::<UndoRevocation>(Method::DELETE, "/revocations/{id}", "UndoRevocation", "Takes a revocation back, so that the links work again."),
    row::<ListUses>(Method::GET, "/uses", "ListUses", "Lists uses of links out of the ledger, a page at a time."),
    row::<RenewParts>(Method::POST, "/uploads/{id}/parts", "RenewParts", "Signs fresh links for the parts of an upload, and tells which parts are there."),
];

#[cfg(test)]
mod tests {
    use super::super::path::parameter;
    use super::*;

    #[test]
    fn no_two_templates_fit_one_path() {
        let differ = |one: &str, other: &str| {
            let (mut ones, mut others) = (one.split('/'), other.split('/'));
            let literal = |segment: &str| parameter(segment).is_none();
            one.split('/').count() != other.split('/').count()
                || ones
                    .by_ref()
                    .zip(others.by_ref())
                    .any(|(a, b)| literal(a) && literal(b) && a != b)
        };
        for (at, row) in ROUTES.iter().enumerate() {
            for other in &ROUTES[..at] {
                let same = row.path == other.path && row.method != other.method;
                assert!(same || differ(row.path, other.path), "{row:?} {other:?}");
            }
        }
    }

    /// How a call is signed is checked before its method is, so all methods of a path must agree.
    #[test]
    fn all_calls_of_a_path_are_signed_alike() {
        for row in &ROUTES {
            let signed = ROUTES.iter().filter(|other| other.path == row.path);
            assert!(signed.into_iter().all(|other| other.signed == row.signed), "{row:?}");
        }
    }

    #[test]
    fn templates_are_spelt_plainly() {
        for row in &ROUTES {
            assert!(row.path.starts_with('/') && !row.path.ends_with('/'), "{row:?}");
            assert!(!row.path.contains("//") && !row.path.contains('%'), "{row:?}");
        }
    }

    /// The page of the API lists every operation, and no other.
    #[test]
    fn the_page_of_the_api_is_this_table() {
        let page = include_str!("../../../../docs/api.md");
        let (table, _) = page.split_once("\n## ").unwrap();
        let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
        let expected = ROUTES.iter().map(|row| {
            let ApiRow { method, path, operation, summary, .. } = row;
            format!("| `{operation}` | `{method} {path}` | {summary} |")
        });
        assert_eq!(rows, expected.collect::<Vec<_>>());
    }
}
