//! Accounts: who owns buckets and identities. Only the operator manages them.

use hyper::StatusCode;
use iam::AccountId;
use presign::SecretAccessKey;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use store::{AccessKey, Account, NewAccount};

use super::document::{Json, NoDocument};
use super::error::{ApiCode, ApiError};
use super::operation::{ApiOperation, ApiPermission, ApiRequest};
use crate::error::refusal;
use crate::gate::{Authorized, StoreAccess};
use crate::given_key::given_key;

/// The most accounts on one page.
const PAGE_MAX: usize = 1000;
/// The longest name and the longest e-mail address, in characters.
const NAME_CHARS_MAX: usize = 128;
/// The permission of every call about accounts.
const MANAGE_ACCOUNTS: ApiPermission<'static> = ApiPermission::Operator("valet:ManageAccounts");
/// The only parameter of the list.
const AFTER: &str = "after";

/// `GET /accounts`: a page of them.
pub(super) struct ListAccounts {
    /// The page begins after this account. An earlier page named it as `next`.
    after: Option<AccountId>,
}

/// `POST /accounts`
pub(super) struct CreateAccount;

/// `GET /accounts/{id}`
pub(super) struct GetAccount {
    id: AccountId,
}

/// `DELETE /accounts/{id}`
pub(super) struct DeleteAccount {
    id: AccountId,
}

/// `POST /accounts/{id}/root-key`: gives the root another key. The old key ends, and with it the links that it
/// signed and the sessions that it opened.
pub(super) struct RenewRootKey {
    id: AccountId,
}

/// The account that a call asks for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedAccount {
    name: String,
    id: Option<String>,
    email: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
}

/// An account in an answer.
#[derive(Serialize, JsonSchema)]
pub(super) struct ShownAccount {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    created_at: String,
}

/// An account with its root key, which is shown only once.
#[derive(Serialize, JsonSchema)]
pub(super) struct AccountWithKey {
    #[serde(flatten)]
    account: ShownAccount,
    access_key_id: String,
    #[serde(serialize_with = "exposed")]
    #[schemars(with = "String")]
    secret_access_key: SecretAccessKey,
}

/// One page of accounts, sorted by id.
#[derive(Serialize, JsonSchema)]
pub(super) struct AccountPage {
    accounts: Vec<ShownAccount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl ApiOperation for ListAccounts {
    const PARAMETERS: &'static [&'static str] = &[AFTER];
    const STATUS: StatusCode = StatusCode::OK;
    type Request = NoDocument;
    type Answer = Json<AccountPage>;

    fn read(request: &ApiRequest<'_>) -> Result<Self, ApiError> {
        let after = request.parameter(AFTER).map(account_id).transpose()?;
        Ok(Self { after })
    }

    fn permission(&self) -> ApiPermission<'_> {
        MANAGE_ACCOUNTS
    }

    async fn run(
        call: Authorized<Self>,
        NoDocument: NoDocument,
    ) -> Result<Json<AccountPage>, ApiError> {
        let (Self { after }, access) = call.split();
        let page = access.store().accounts(after, PAGE_MAX).await.map_err(refusal::of_store)?;
        let next = page.next.as_ref().map(|id| id.as_str().to_owned());
        let accounts = page.accounts.iter().map(shown).collect();
        Ok(Json(AccountPage { accounts, next }))
    }
}

impl ApiOperation for CreateAccount {
    const STATUS: StatusCode = StatusCode::CREATED;
    type Request = Json<WantedAccount>;
    type Answer = Json<AccountWithKey>;

    fn read(_request: &ApiRequest<'_>) -> Result<Self, ApiError> {
        Ok(Self)
    }

    fn permission(&self) -> ApiPermission<'_> {
        MANAGE_ACCOUNTS
    }

    async fn run(
        call: Authorized<Self>,
        Json(wanted): Json<WantedAccount>,
    ) -> Result<Json<AccountWithKey>, ApiError> {
        use store::CreateAccount as Outcome;
        let access = call.access();
        let new = wanted.check(access)?;
        let outcome = access.store().create_account(new, access.now()).await;
        match outcome.map_err(refusal::of_store)? {
            Outcome::Created { account, root } => Ok(Json(with_key(&account, &root))),
            Outcome::AlreadyExists => Err(conflict("There is an account of that id.")),
            Outcome::KeyExists => Err(conflict("There is an access key of that id.")),
        }
    }
}

impl WantedAccount {
    fn check(self, access: &StoreAccess) -> Result<NewAccount, ApiError> {
        let Self { name, id, email, access_key_id, secret_access_key } = self;
        let named = |text: &str| !text.is_empty() && text.chars().count() <= NAME_CHARS_MAX;
        if !named(&name) || !email.as_deref().is_none_or(named) {
            return Err(ApiError::invalid_request("A name has 1 to 128 characters."));
        }
        let id = id.map(|id| account_id(&id)).transpose()?;
        if id.as_ref() == Some(&access.context().config.account) {
            return Err(conflict("There is an account of that id."));
        }
        let root = match (access_key_id, secret_access_key) {
            (None, None) => None,
            (Some(id), Some(secret)) => Some(given_key(id, &secret)?),
            (Some(_), None) | (None, Some(_)) => {
                return Err(ApiError::invalid_request(
                    "access_key_id and secret_access_key are given together or not at all.",
                ));
            }
        };
        Ok(NewAccount { id, name, email, root })
    }
}

impl ApiOperation for GetAccount {
    const STATUS: StatusCode = StatusCode::OK;
    type Request = NoDocument;
    type Answer = Json<ShownAccount>;

    fn read(request: &ApiRequest<'_>) -> Result<Self, ApiError> {
        Ok(Self { id: named_account(request)? })
    }

    fn permission(&self) -> ApiPermission<'_> {
        MANAGE_ACCOUNTS
    }

    async fn run(
        call: Authorized<Self>,
        NoDocument: NoDocument,
    ) -> Result<Json<ShownAccount>, ApiError> {
        let found = call.access().store().account(&call.operation().id).await;
        let found = found.map_err(refusal::of_store)?;
        found.map(|account| Json(shown(&account))).ok_or_else(missing)
    }
}

impl ApiOperation for DeleteAccount {
    const STATUS: StatusCode = StatusCode::NO_CONTENT;
    type Request = NoDocument;
    type Answer = NoDocument;

    fn read(request: &ApiRequest<'_>) -> Result<Self, ApiError> {
        Ok(Self { id: named_account(request)? })
    }

    fn permission(&self) -> ApiPermission<'_> {
        MANAGE_ACCOUNTS
    }

    async fn run(call: Authorized<Self>, NoDocument: NoDocument) -> Result<NoDocument, ApiError> {
        use store::DeleteAccount as Outcome;
        let (Self { id }, access) = call.split();
        let outcome = access.store().delete_account(&id, access.now()).await;
        match outcome.map_err(refusal::of_store)? {
            Outcome::Deleted => Ok(NoDocument),
            Outcome::NotFound => Err(missing()),
            Outcome::NotEmpty => {
                Err(conflict("The account still has buckets or identities: delete them first."))
            }
        }
    }
}

/// The answer to a call for a new root key of the first account. That account is configured, and has no record.
const FIRST_ROOT_KEY: &str = "The root key of the first account is not renewed here: it is VALET_ROOT_ACCESS_KEY_ID, or was made at the first start. Restart the server with another VALET_ROOT_ACCESS_KEY_ID and VALET_ROOT_SECRET_ACCESS_KEY.";

impl ApiOperation for RenewRootKey {
    const STATUS: StatusCode = StatusCode::CREATED;
    type Request = NoDocument;
    type Answer = Json<AccountWithKey>;

    fn read(request: &ApiRequest<'_>) -> Result<Self, ApiError> {
        Ok(Self { id: named_account(request)? })
    }

    fn permission(&self) -> ApiPermission<'_> {
        MANAGE_ACCOUNTS
    }

    async fn run(
        call: Authorized<Self>,
        NoDocument: NoDocument,
    ) -> Result<Json<AccountWithKey>, ApiError> {
        use store::RenewRootKey as Outcome;
        let (Self { id }, access) = call.split();
        if id == access.context().config.account {
            return Err(conflict(FIRST_ROOT_KEY));
        }
        let outcome = access.store().renew_root_key(&id, access.now()).await;
        match outcome.map_err(refusal::of_store)? {
            Outcome::Renewed { account, root } => Ok(Json(with_key(&account, &root))),
            Outcome::NotFound => Err(missing()),
            Outcome::KeyExists => Err(conflict("There is an access key of that id.")),
        }
    }
}

/// Reads the account id in the path.
fn named_account(request: &ApiRequest<'_>) -> Result<AccountId, ApiError> {
    account_id(request.path("id")?)
}

fn account_id(id: &str) -> Result<AccountId, ApiError> {
    AccountId::parse(id).map_err(|cause| {
        ApiError::invalid_request("An account is named by its 12 digits.").because(cause)
    })
}

fn shown(account: &Account) -> ShownAccount {
    ShownAccount {
        id: account.id.as_str().to_owned(),
        name: account.name.clone(),
        email: account.email.clone(),
        created_at: account.created_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }
}

fn with_key(account: &Account, root: &AccessKey) -> AccountWithKey {
    AccountWithKey {
        account: shown(account),
        access_key_id: root.id.clone(),
        secret_access_key: root.secret.clone(),
    }
}

/// Writes a secret in clear, for the one answer that shows it.
fn exposed<S: Serializer>(secret: &SecretAccessKey, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.expose())
}

fn conflict(message: &'static str) -> ApiError {
    ApiError::with_message(ApiCode::AccountConflict, message)
}

fn missing() -> ApiError {
    ApiError::new(ApiCode::NoSuchAccount)
}
