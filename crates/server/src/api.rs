//! `/_valet/api/v1/`: what Valet adds to the AWS APIs, as JSON. Signed by header as S3 calls are; the
//! one path that takes a link instead is that which renews the links of an upload's parts.

mod accounts;
mod call;
mod document;
mod expiry;
mod parts;

use hyper::Method;
use presign::{Mechanism, VerifiedSignature};
use store::BucketName;

use crate::body::RequestBody;
use crate::error::{Code, S3Error};
use crate::gate::Door;
use crate::respond::Reply;
use crate::route::Level;
use crate::seen::Seen;
use document::{account, json, read};

pub(crate) use call::ApiCall;

/// A path of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ApiRoute {
    Accounts,
    Account(String),
    /// The root's key of the account of that id.
    RootKey(String),
    Expiry,
    /// The parts of the upload of that id.
    Parts(String),
    Unknown,
}

impl ApiRoute {
    /// Reads what follows `/_valet/api/v1`.
    pub(crate) fn read(rest: &str) -> Self {
        match rest.strip_prefix('/').unwrap_or(rest) {
            "accounts" => Self::Accounts,
            "expiry" => Self::Expiry,
            other => match other.split('/').collect::<Vec<_>>().as_slice() {
                ["accounts", id] => Self::Account((*id).to_owned()),
                ["accounts", id, "root-key"] => Self::RootKey((*id).to_owned()),
                ["uploads", id, "parts"] => Self::Parts((*id).to_owned()),
                _ => Self::Unknown,
            },
        }
    }

    /// The bucket by whose CORS rules pages may use this path: that of the upload, as the link says.
    pub(crate) fn page_place(&self, query: &str) -> Option<(Option<BucketName>, Level)> {
        match self {
            Self::Parts(_) => Some((parts::bucket_of(query), Level::Object)),
            Self::Accounts | Self::Account(_) | Self::RootKey(_) | Self::Expiry | Self::Unknown => {
                None
            }
        }
    }

    /// How a call of it is signed.
    fn mechanism(&self) -> Mechanism {
        match self {
            Self::Accounts | Self::Account(_) | Self::RootKey(_) | Self::Expiry | Self::Unknown => {
                Mechanism::V4Header
            }
            Self::Parts(_) => Mechanism::V4Query,
        }
    }
}

impl ApiCall<'_> {
    /// Answers the call, refusals included.
    pub(crate) async fn answer(
        &self,
        route: &ApiRoute,
        body: &mut RequestBody,
        seen: &mut Seen,
    ) -> Reply {
        self.run(route, body, seen).await.unwrap_or_else(|error| {
            seen.code = Some(error.code().wire());
            self.refusal(&error)
        })
    }

    async fn run(
        &self,
        route: &ApiRoute,
        body: &mut RequestBody,
        seen: &mut Seen,
    ) -> Result<Reply, S3Error> {
        // A link lends one operation on one object, and nothing else of this.
        let signed = self.caller.signature().map(VerifiedSignature::mechanism);
        if signed != Some(route.mechanism()) {
            return Err(S3Error::new(Code::AccessDenied));
        }
        match (route, self.method) {
            (ApiRoute::Accounts, &Method::GET) => {
                seen.operation = "ListAccounts";
                accounts::list(&self.manager().await?, self.context.parts.uri.query()).await
            }
            (ApiRoute::Accounts, &Method::POST) => {
                seen.operation = "CreateAccount";
                let door = self.manager().await?;
                let asked = read(&door, body).await?;
                accounts::create(&door, asked).await
            }
            (ApiRoute::Account(id), &Method::GET) => {
                seen.operation = "GetAccount";
                accounts::show(&self.manager().await?, &account(id)?).await
            }
            (ApiRoute::Account(id), &Method::DELETE) => {
                seen.operation = "DeleteAccount";
                accounts::delete(&self.manager().await?, &account(id)?).await
            }
            (ApiRoute::RootKey(id), &Method::POST) => {
                seen.operation = "RenewRootKey";
                accounts::renew_root_key(&self.manager().await?, &account(id)?).await
            }
            (ApiRoute::Expiry, &Method::POST) => {
                seen.operation = "TellExpiry";
                // Everybody may ask about what they sign themselves.
                let door = self.services.gate.own_door(self.caller, self.context)?;
                let asked = read(&door, body).await?;
                expiry::tell(&door, asked).await
            }
            (ApiRoute::Parts(id), &Method::POST) => {
                seen.operation = "RenewParts";
                let renew = parts::RenewParts::read(id, self.context, seen)?;
                let door = self.services.gate.own_door(self.caller, self.context)?;
                renew.answer(self, &door, body).await
            }
            (ApiRoute::Unknown, _) => Err(S3Error::with_message(
                Code::NoSuchKey,
                "There is nothing at this path of the API.",
            )),
            (
                ApiRoute::Accounts
                | ApiRoute::Account(_)
                | ApiRoute::RootKey(_)
                | ApiRoute::Expiry
                | ApiRoute::Parts(_),
                _,
            ) => Err(S3Error::new(Code::MethodNotAllowed)),
        }
    }

    async fn manager(&self) -> Result<Door, S3Error> {
        let gate = &self.services.gate;
        gate.operator(self.caller, self.context, "valet:ManageAccounts").await
    }

    fn refusal(&self, error: &S3Error) -> Reply {
        let code = error.code();
        let document = serde_json::json!({
            "error": {
                "code": code.wire(),
                "message": error.message(),
                "request_id": self.ids.request_id,
            }
        });
        json(code.status(), &document)
    }
}
