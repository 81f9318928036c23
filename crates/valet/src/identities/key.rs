//! `valet key`: access keys.

use std::io;

use anyhow::{Context as _, anyhow};
use serde_json::json;

use crate::args::identities::GivenKey;
use crate::aws::Api;
use crate::failure::Failure;
use crate::identities::wire::{KeyMetadata, KeyUse, Keys, NewKey, OneKey};
use crate::output::{self, Form};
use crate::remote::Remote;
use crate::{query, table};

/// The argument that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// A key that exists already and is to be taken over.
pub(crate) struct Given(Option<(String, String)>);

impl Given {
    pub(crate) fn read(given: &GivenKey) -> Result<Self, Failure> {
        let GivenKey { access_key_id, secret_access_key } = given;
        // clap guarantees that either both are there or none.
        let (Some(id), Some(secret)) = (access_key_id, secret_access_key) else {
            return Ok(Self(None));
        };
        if secret != STANDARD_INPUT {
            return Ok(Self(Some((id.clone(), secret.clone()))));
        }
        let mut line = String::new();
        io::stdin().read_line(&mut line).context("cannot read the secret")?;
        let secret = line.trim_end_matches(['\r', '\n']);
        if secret.is_empty() {
            return Err(Failure::usage(anyhow!("standard input holds no secret")));
        }
        Ok(Self(Some((id.clone(), secret.to_owned()))))
    }

    /// The id and the secret, if a key was given.
    pub(crate) fn pair(&self) -> Option<(&str, &str)> {
        self.0.as_ref().map(|(id, secret)| (&**id, &**secret))
    }
}

/// Creates a key for a user, or takes the given one over.
pub(crate) async fn create(remote: &Remote, user: &str, given: &Given) -> Result<NewKey, Failure> {
    let mut parameters = vec![("UserName", user)];
    if let Some((id, secret)) = given.pair() {
        // These two parameters are Valet's own; IAM has none.
        parameters.extend([("AccessKeyId", id), ("SecretAccessKey", secret)]);
    }
    let one: OneKey = query::call(remote, Api::Iam, "CreateAccessKey", &parameters).await?;
    let key = one.item;
    match given.pair() {
        Some((id, _)) if key.access_key_id != id => Err(Failure::failed(anyhow!(
            "the server made the key {} instead of taking {id} over; delete it",
            key.access_key_id
        ))),
        _ => Ok(key),
    }
}

impl NewKey {
    pub(crate) fn print(&self, form: Form) -> Result<(), Failure> {
        output::answer(form, self, self.exports())
    }

    /// The shell commands that make programs use the key.
    pub(crate) fn exports(&self) -> [String; 2] {
        [
            output::export("AWS_ACCESS_KEY_ID", &self.access_key_id),
            output::export("AWS_SECRET_ACCESS_KEY", &self.secret_access_key),
        ]
    }
}

pub(crate) async fn of_user(
    remote: &Remote,
    user: Option<&str>,
) -> Result<Vec<KeyMetadata>, Failure> {
    let parameters: Vec<_> = user.map(|user| ("UserName", user)).into_iter().collect();
    query::list::<Keys>(remote, "ListAccessKeys", &parameters).await
}

pub(crate) async fn list(remote: &Remote, user: Option<&str>, form: Form) -> Result<(), Failure> {
    let keys = of_user(remote, user).await?;
    let row = |key: &KeyMetadata| {
        let user = key.user.clone().unwrap_or_default();
        [key.id.clone(), user, key.status.clone(), key.created_at.clone()]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    let lines = table::lines(["KEY", "USER", "STATUS", "CREATED"], &rows);
    output::answer(form, &json!({ "keys": keys }), lines)
}

pub(crate) async fn set_status(remote: &Remote, id: &str, status: &str) -> Result<(), Failure> {
    let owner = owner(remote, id).await?;
    let mut parameters = vec![("AccessKeyId", id), ("Status", status)];
    parameters.extend(owner.as_deref().map(|user| ("UserName", user)));
    query::run(remote, "UpdateAccessKey", &parameters).await
}

pub(crate) async fn delete(remote: &Remote, id: &str) -> Result<(), Failure> {
    let owner = owner(remote, id).await?;
    let mut parameters = vec![("AccessKeyId", id)];
    parameters.extend(owner.as_deref().map(|user| ("UserName", user)));
    query::run(remote, "DeleteAccessKey", &parameters).await
}

/// The user that a key belongs to, which IAM wants beside the id. `None`: it is the key of a root.
async fn owner(remote: &Remote, id: &str) -> Result<Option<String>, Failure> {
    let parameters = [("AccessKeyId", id)];
    let found: KeyUse = query::call(remote, Api::Iam, "GetAccessKeyLastUsed", &parameters).await?;
    Ok(found.user_name.filter(|name| !name.is_empty()))
}
