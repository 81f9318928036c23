//! Accounts: who owns buckets and identities. Only the operator manages them.

use hyper::StatusCode;
use iam::AccountId;
use serde::{Deserialize, Serialize};
use store::{AccessKey, Account, CreateAccount, DeleteAccount, NewAccount, RenewRootKey};

use super::document::{account as named_account, json};
use crate::error::{Code, S3Error, refusal};
use crate::gate::Door;
use crate::given_key::given_key;
use crate::respond::Reply;

/// Accounts on one page.
const PAGE_MAX: usize = 1000;
/// Characters of a name, and of an address.
const NAME_CHARS_MAX: usize = 128;
/// What an account is to be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    name: String,
    id: Option<String>,
    email: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    created_at: String,
}

#[derive(Serialize)]
struct Created<'a> {
    #[serde(flatten)]
    account: Shown<'a>,
    access_key_id: &'a str,
    secret_access_key: &'a str,
}

#[derive(Serialize)]
struct Page<'a> {
    accounts: Vec<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
}

fn shown(account: &Account) -> Shown<'_> {
    Shown {
        id: account.id.as_str(),
        name: &account.name,
        email: account.email.as_deref(),
        created_at: account.created_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }
}

pub(super) async fn create(door: &Door, asked: Asked) -> Result<Reply, S3Error> {
    let Asked { name, id, email, access_key_id, secret_access_key } = asked;
    let named = |text: &str| !text.is_empty() && text.chars().count() <= NAME_CHARS_MAX;
    if !named(&name) || !email.as_deref().is_none_or(named) {
        return Err(S3Error::invalid_request("A name has 1 to 128 characters."));
    }
    let id = id.map(|id| named_account(&id)).transpose()?;
    if id.as_ref() == Some(&door.context().config.account) {
        return Err(conflict("There is an account of that id."));
    }
    let root = match (access_key_id, secret_access_key) {
        (None, None) => None,
        (Some(id), Some(secret)) => Some(given_key(id, &secret)?),
        (Some(_), None) | (None, Some(_)) => {
            return Err(S3Error::invalid_request(
                "access_key_id and secret_access_key are given together or not at all.",
            ));
        }
    };
    let new = NewAccount { id, name, email, root };
    let outcome = door.store().create_account(new, door.now()).await.map_err(refusal::of_store)?;
    match outcome {
        CreateAccount::Created { account, root } => Ok(with_key(&account, &root)),
        CreateAccount::AlreadyExists => Err(conflict("There is an account of that id.")),
        CreateAccount::KeyExists => Err(conflict("There is an access key of that id.")),
    }
}

/// An account with the key of its root, which is shown this once.
fn with_key(account: &Account, root: &AccessKey) -> Reply {
    let created = Created {
        account: shown(account),
        access_key_id: &root.id,
        secret_access_key: root.secret.expose(),
    };
    json(StatusCode::CREATED, &created)
}

/// What is answered to whoever looks here for a new root key of the first account, which is no record.
const FIRST_ROOT_KEY: &str = "The root key of the first account is not renewed here: it is VALET_ROOT_ACCESS_KEY_ID, or was made at the first start. Restart the server with another VALET_ROOT_ACCESS_KEY_ID and VALET_ROOT_SECRET_ACCESS_KEY.";

/// Gives the root another key; the one that it had ends, and what that signed and opened with it.
pub(super) async fn renew_root_key(door: &Door, id: &AccountId) -> Result<Reply, S3Error> {
    if *id == door.context().config.account {
        return Err(conflict(FIRST_ROOT_KEY));
    }
    let outcome = door.store().renew_root_key(id, door.now()).await.map_err(refusal::of_store)?;
    match outcome {
        RenewRootKey::Renewed { account, root } => Ok(with_key(&account, &root)),
        RenewRootKey::NotFound => Err(missing()),
        RenewRootKey::KeyExists => Err(conflict("There is an access key of that id.")),
    }
}

fn conflict(message: &'static str) -> S3Error {
    S3Error::with_message(Code::AccountConflict, message)
}

/// A page of the accounts: behind the one that `after` names in the query, which `next` of another page did.
pub(super) async fn list(door: &Door, query: Option<&str>) -> Result<Reply, S3Error> {
    let after = match query.unwrap_or_default() {
        "" => None,
        query => {
            let after = query.strip_prefix("after=").ok_or_else(|| {
                S3Error::invalid_request("The list of accounts has one parameter, after.")
            })?;
            Some(named_account(after)?)
        }
    };
    let page = door.store().accounts(after, PAGE_MAX).await.map_err(refusal::of_store)?;
    let next = page.next.as_ref().map(AccountId::as_str);
    let accounts = page.accounts.iter().map(|account| shown(account)).collect();
    Ok(json(StatusCode::OK, &Page { accounts, next }))
}

pub(super) async fn show(door: &Door, id: &AccountId) -> Result<Reply, S3Error> {
    let found = door.store().account(id).await.map_err(refusal::of_store)?;
    let found = found.ok_or_else(missing)?;
    Ok(json(StatusCode::OK, &shown(&found)))
}

pub(super) async fn delete(door: &Door, id: &AccountId) -> Result<Reply, S3Error> {
    let outcome = door.store().delete_account(id, door.now()).await.map_err(refusal::of_store)?;
    match outcome {
        DeleteAccount::Deleted => Ok(Reply::new(StatusCode::NO_CONTENT)),
        DeleteAccount::NotFound => Err(missing()),
        DeleteAccount::NotEmpty => Err(S3Error::with_message(
            Code::AccountConflict,
            "The account still has buckets or identities: delete them first.",
        )),
    }
}

fn missing() -> S3Error {
    S3Error::with_message(Code::NoSuchAccount, "There is no account of that id.")
}
