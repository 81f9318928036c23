//! `GetSessionToken` and `GetFederationToken`: sessions that a user or root opens with a long-term key.

use iam::{Issuer, OpenedBy, Principal, SessionPrincipal, Values};

use super::assume_role::{read_session_tags, refuse_second_factor, tag_condition};
use super::issue::{NewSession, Packed, SessionPolicies, issue};
use super::parameters::{FEDERATED_NAME, Faults, Needed};
use crate::gate::{Authorized, SignedCaller, StoreAccess};
use crate::query::answer::QueryReply;
use crate::query::error::{self, QueryCode, QueryError};
use crate::query::form::Form;
use crate::query::operation::{AccountView, QueryOperation, QueryPermission, Sessions, Target};

/// The life of a session in seconds: the shortest, the longest, the default, and the longest for a root.
const SECONDS_MIN: u32 = 900;
const SECONDS_MAX: u32 = 129_600;
const SECONDS_DEFAULT: u32 = 43_200;
const ROOT_SECONDS_MAX: u32 = 3600;

/// The root's key that opens the session. The session ends when that key does.
fn opener(access: &StoreAccess) -> Result<OpenedBy, QueryError> {
    let opens = access.caller().signed().and_then(SignedCaller::opens);
    opens.cloned().ok_or_else(|| QueryError::new(QueryCode::AccessDenied))
}

/// The life of the session. A root's is shorter.
fn life(access: &StoreAccess, asked: Option<u32>) -> u32 {
    let seconds = asked.unwrap_or(SECONDS_DEFAULT);
    match access.principal() {
        Principal::Root { .. } => seconds.min(ROOT_SECONDS_MAX),
        Principal::Anonymous
        | Principal::User { .. }
        | Principal::AssumedRole { .. }
        | Principal::FederatedUser { .. }
        | Principal::WebIdentity { .. }
        | Principal::Service { .. } => seconds,
    }
}

/// `GetSessionToken`: a temporary session of the caller itself. It needs no permission.
#[derive(Debug)]
pub(crate) struct GetSessionToken {
    seconds: Option<u32>,
}

impl QueryOperation for GetSessionToken {
    const SESSIONS: Sessions = Sessions::None;

    fn read(form: &Form) -> Result<Self, QueryError> {
        let mut faults = Faults::default();
        let seconds = faults.duration(form, SECONDS_MIN, SECONDS_MAX)?;
        faults.refuse()?;
        refuse_second_factor(form)?;
        Ok(Self { seconds })
    }

    fn permissions(&self, _: &AccountView<'_>) -> Result<Vec<QueryPermission>, QueryError> {
        Ok(Vec::new())
    }

    async fn run(call: Authorized<Self>) -> Result<QueryReply, QueryError> {
        let (Self { seconds }, access) = call.split();
        let principal = match access.principal() {
            Principal::Root { account } => {
                SessionPrincipal::Root { account: account.clone(), opened_by: opener(&access)? }
            }
            Principal::User { account, id, .. } => {
                SessionPrincipal::User { account: account.clone(), user_id: id.clone() }
            }
            Principal::Anonymous
            | Principal::AssumedRole { .. }
            | Principal::FederatedUser { .. }
            | Principal::WebIdentity { .. }
            | Principal::Service { .. } => {
                return Err(QueryError::new(QueryCode::AccessDenied));
            }
        };
        let issued = issue(
            &access,
            NewSession {
                principal,
                seconds: life(&access, seconds),
                policies: None,
                tags: Vec::new(),
                transitive_tags: Vec::new(),
                source_identity: None,
                federated_provider: None,
            },
        )?;
        Ok(QueryReply::result(|xml| issued.write(xml)))
    }
}

/// `GetFederationToken`: a session for somebody whom the caller vouches for. It may do what the caller may,
/// restricted by the session policies.
#[derive(Debug)]
pub(crate) struct GetFederationToken {
    name: String,
    seconds: Option<u32>,
    policies: SessionPolicies,
    tags: Vec<(String, String)>,
}

impl QueryOperation for GetFederationToken {
    const SESSIONS: Sessions = Sessions::None;

    fn read(form: &Form) -> Result<Self, QueryError> {
        let mut faults = Faults::default();
        let name = faults.text(form, "Name", FEDERATED_NAME, Needed::Yes);
        let seconds = faults.duration(form, SECONDS_MIN, SECONDS_MAX)?;
        let policies = SessionPolicies::read(form, &mut faults)?;
        faults.refuse()?;
        let tags = read_session_tags(form)?;
        Ok(Self { name: name.unwrap_or_default(), seconds, policies: policies.parse()?, tags })
    }

    fn permissions(&self, at: &AccountView<'_>) -> Result<Vec<QueryPermission>, QueryError> {
        let arn = format!("arn:aws:sts::{}:federated-user/{}", at.account, self.name);
        let target = Target::new(arn);
        let tagging = (!self.tags.is_empty()).then_some("sts:TagSession");
        let needed = [Some("sts:GetFederationToken"), tagging].into_iter().flatten();
        Ok(needed.map(|action| QueryPermission { action, target: target.clone() }).collect())
    }

    fn condition(&self, key: &str) -> Option<Values<'_>> {
        match key {
            "sts:durationseconds" => {
                self.seconds.map(|seconds| Values::One(seconds.to_string().into()))
            }
            other => tag_condition(&self.tags, other),
        }
    }

    async fn run(call: Authorized<Self>) -> Result<QueryReply, QueryError> {
        let (Self { name, seconds, policies, tags }, access) = call.split();
        let (account, issuer) = match access.principal() {
            Principal::Root { account } => {
                (account.clone(), Issuer::Root { opened_by: opener(&access)? })
            }
            Principal::User { account, id, .. } => {
                (account.clone(), Issuer::User { id: id.clone() })
            }
            Principal::Anonymous
            | Principal::AssumedRole { .. }
            | Principal::FederatedUser { .. }
            | Principal::WebIdentity { .. }
            | Principal::Service { .. } => {
                return Err(QueryError::new(QueryCode::AccessDenied));
            }
        };
        let directory = access.store().directory(&account).await.map_err(error::of_store)?;
        let Packed { documents, percent } = policies.pack(&directory, &tags)?;
        let issued = issue(
            &access,
            NewSession {
                principal: SessionPrincipal::Federated {
                    account: account.clone(),
                    name: name.clone(),
                    issuer,
                },
                seconds: life(&access, seconds),
                // Without a session policy, the session has only what policies of resources give it.
                policies: Some(documents.unwrap_or_default()),
                tags,
                transitive_tags: Vec::new(),
                source_identity: None,
                federated_provider: None,
            },
        )?;
        Ok(QueryReply::result(|xml| {
            issued.write(xml);
            xml.element("FederatedUser", |xml| {
                xml.text("FederatedUserId", &format!("{account}:{name}"));
                xml.text("Arn", &format!("arn:aws:sts::{account}:federated-user/{name}"));
            });
            if let Some(percent) = percent {
                xml.plain("PackedPolicySize", percent);
            }
        }))
    }
}
