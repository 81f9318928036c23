//! `valet account`: accounts, through Valet's own paths.

use std::fmt;

use anyhow::{Context as _, anyhow};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::args::identities as args;
use crate::args::identities::AccountCommand;
use crate::failure::Failure;
use crate::identities::GivenKey;
use crate::output::{self, Form};
use crate::remote::{self, Remote};
use crate::{table, transfer};

const PATH: &str = "/_valet/api/v1/accounts";
/// The most pages of a list. A list with more pages is taken for one without an end.
const PAGES_MAX: usize = 10_000;

/// An account as the server answers it, and as `--json` prints it.
#[derive(Debug, Deserialize, Serialize)]
struct Account {
    id: String,
    name: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    created_at: Option<String>,
}

/// An account with its root key, which is shown only once.
#[derive(Deserialize, Serialize)]
struct NewAccount {
    #[serde(flatten)]
    account: Account,
    access_key_id: String,
    secret_access_key: String,
}

#[derive(Deserialize)]
struct Accounts {
    accounts: Vec<Account>,
    next: Option<String>,
}

/// The body of the request that creates an account.
#[derive(Serialize)]
struct AccountRequest<'w> {
    name: &'w str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_access_key: Option<&'w str>,
}

pub(crate) fn run(arguments: &args::Account) -> Result<(), Failure> {
    let form = arguments.remote.form();
    transfer::block_on(async {
        let remote = Remote::connect(&arguments.remote.aws).await?;
        match &arguments.command {
            AccountCommand::Create { name, id, email, given } => {
                let given = GivenKey::read(given)?;
                let (access_key_id, secret_access_key) = given.pair().unzip();
                let (id, email) = (id.as_deref(), email.as_deref());
                let wanted = AccountRequest { name, id, email, access_key_id, secret_access_key };
                create(&remote, &wanted, form).await
            }
            AccountCommand::Ls => list(&remote, form).await,
            AccountCommand::Show { id } => show(&remote, id, form).await,
            AccountCommand::RenewKey { id } => {
                let path = format!("{}/root-key", path_of(id));
                let renewed =
                    remote::parse(&remote.send_json(&Method::POST, &path, "", "").await?)?;
                tell_key(&renewed, form)
            }
            AccountCommand::Delete { id } => {
                remote.send_json(&Method::DELETE, &path_of(id), "", "").await.map(drop)
            }
        }
    })
}

async fn create(remote: &Remote, wanted: &AccountRequest<'_>, form: Form) -> Result<(), Failure> {
    let body = serde_json::to_string(wanted).context("cannot write JSON")?;
    let made: NewAccount = remote::parse(&remote.send_json(&Method::POST, PATH, "", &body).await?)?;
    if wanted.access_key_id.is_some() {
        // A caller who brought the key knows it already.
        return output::answer(form, &made, [made.account.id.clone()]);
    }
    tell_key(&made, form)
}

fn tell_key(made: &NewAccount, form: Form) -> Result<(), Failure> {
    output::note(format_args!("this is the root key of the account {}", made.account.id));
    let lines = [
        output::export("AWS_ACCESS_KEY_ID", &made.access_key_id),
        output::export("AWS_SECRET_ACCESS_KEY", &made.secret_access_key),
    ];
    output::answer(form, made, lines)
}

async fn list(remote: &Remote, form: Form) -> Result<(), Failure> {
    let mut accounts = Vec::new();
    let mut query = String::new();
    for _ in 0..PAGES_MAX {
        let page: Accounts =
            remote::parse(&remote.send_json(&Method::GET, PATH, &query, "").await?)?;
        accounts.extend(page.accounts);
        let Some(next) = page.next else {
            let rows: Vec<_> = accounts.iter().map(row).collect();
            let lines = table::lines(["ID", "NAME", "EMAIL", "CREATED"], &rows);
            return output::answer(form, &json!({ "accounts": accounts }), lines);
        };
        query = format!("after={}", presign::encode_component(next.as_bytes()));
    }
    Err(Failure::failed(anyhow!("the list of accounts does not end")))
}

fn row(account: &Account) -> [String; 4] {
    let Account { id, name, email, created_at } = account;
    let or_nothing = |text: &Option<String>| text.clone().unwrap_or_default();
    [id.clone(), name.clone(), or_nothing(email), or_nothing(created_at)]
}

async fn show(remote: &Remote, id: &str, form: Form) -> Result<(), Failure> {
    let account: Account =
        remote::parse(&remote.send_json(&Method::GET, &path_of(id), "", "").await?)?;
    let [id, name, email, created] = row(&account);
    let mut lines = vec![format!("account  {id}"), format!("name     {name}")];
    lines.extend((!email.is_empty()).then(|| format!("email    {email}")));
    lines.extend((!created.is_empty()).then(|| format!("created  {created}")));
    output::answer(form, &account, lines)
}

fn path_of(id: &str) -> String {
    format!("{PATH}/{}", presign::encode_component(id.as_bytes()))
}

impl fmt::Debug for NewAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewAccount({}, ..)", self.account.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_given_is_sent() {
        let wanted = AccountRequest {
            name: "n",
            id: None,
            email: None,
            access_key_id: Some("AK"),
            secret_access_key: Some("SK"),
        };
        let found = serde_json::to_string(&wanted).unwrap();
        assert_eq!(found, r#"{"name":"n","access_key_id":"AK","secret_access_key":"SK"}"#);
    }

    #[test]
    fn an_id_is_one_segment() {
        assert_eq!(path_of("../x"), "/_valet/api/v1/accounts/..%2Fx");
    }
}
