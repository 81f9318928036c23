//! `AssumeRole`.

use std::sync::Arc;

use iam::{AccountId, Decision, Principal, SessionPrincipal, Values};
use store::Role;

use super::issue::{NewSession, Packed, SessionPolicies, issue};
use super::parameters::{ARN, EXTERNAL_ID, Faults, Needed, SESSION_NAME};
use crate::gate::{Authorized, OperationKeys, StoreAccess, Trusted, named};
use crate::iam::{read_tags, same_tag};
use crate::query::answer::QueryReply;
use crate::query::error::{self, QueryCode, QueryError};
use crate::query::form::Form;
use crate::query::operation::{AccountView, QueryOperation, QueryPermission, Sessions};

/// The life of a session in seconds: the shortest, the longest, and the default.
pub(super) const SECONDS_MIN: u32 = 900;
pub(super) const SECONDS_MAX: u32 = 43_200;
pub(super) const SECONDS_DEFAULT: u32 = 3600;
/// The longest life of a session that was opened by a session of another role ("role chaining"), in seconds.
const CHAINED_SECONDS_MAX: u32 = 3600;
/// The most tags of one session.
pub(super) const TAGS_MAX: usize = 50;

/// `AssumeRole`. Whether the caller may is decided by the role's trust policy, so it is checked in `run`.
#[derive(Debug)]
pub(crate) struct AssumeRole {
    role_arn: String,
    session_name: String,
    external_id: Option<String>,
    seconds: Option<u32>,
    policies: SessionPolicies,
    tags: Vec<(String, String)>,
    transitive: Vec<String>,
    source_identity: Option<String>,
}

impl QueryOperation for AssumeRole {
    const SESSIONS: Sessions = Sessions::ButFederated;

    fn read(form: &Form) -> Result<Self, QueryError> {
        let mut faults = Faults::default();
        let role_arn = faults.text(form, "RoleArn", ARN, Needed::Yes);
        let session_name = faults.text(form, "RoleSessionName", SESSION_NAME, Needed::Yes);
        let external_id = faults.text(form, "ExternalId", EXTERNAL_ID, Needed::No);
        let source_identity = faults.text(form, "SourceIdentity", SESSION_NAME, Needed::No);
        let seconds = faults.duration(form, SECONDS_MIN, SECONDS_MAX)?;
        let policies = SessionPolicies::read(form, &mut faults)?;
        faults.refuse()?;
        let (role_arn, session_name) =
            (role_arn.unwrap_or_default(), session_name.unwrap_or_default());
        let tags = read_session_tags(form)?;
        let transitive = read_transitive_keys(form, &tags)?;
        if role_of(&role_arn).is_none() {
            return Err(QueryError::validation(format!("{role_arn} is invalid")));
        }
        refuse_second_factor(form)?;
        if !form.structures("ProvidedContexts", &["ProviderArn", "ContextAssertion"])?.is_empty() {
            return Err(QueryError::validation("ProvidedContexts are not supported."));
        }
        let policies = policies.parse()?;
        Ok(Self {
            role_arn,
            session_name,
            external_id,
            seconds,
            policies,
            tags,
            transitive,
            source_identity,
        })
    }

    fn permissions(&self, _: &AccountView<'_>) -> Result<Vec<QueryPermission>, QueryError> {
        Ok(Vec::new())
    }

    async fn run(call: Authorized<Self>) -> Result<QueryReply, QueryError> {
        let (asked, access) = call.split();
        // The answer for a role that does not exist is the same as for one that does not trust the caller.
        let refused = |action: &str| refuse(access.principal(), action, &asked.role_arn);
        let Some((account, name)) = role_of(&asked.role_arn) else {
            return Err(refused("sts:AssumeRole"));
        };
        if matches!(access.principal(), Principal::Root { .. }) {
            return Err(QueryError::with_message(
                QueryCode::AccessDenied,
                "Roles may not be assumed by root accounts.",
            ));
        }
        let directory = access.store().directory(&account).await.map_err(error::of_store)?;
        let role = directory.role(name).filter(|role| is_named(role, &account, &asked.role_arn));
        let chain = Chain::of(&access);
        let Some(role) = role else { return Err(refused("sts:AssumeRole")) };
        asked.check_trust(&access, role, &account, &chain)?;
        let seconds = asked.check_duration(role, &chain)?;
        let source_identity = chain.source_identity(asked.source_identity.clone())?;
        let tags = chain.tags(&asked.tags)?;
        let Packed { documents, percent } = asked.policies.pack(&directory, &tags)?;
        let issued = issue(
            &access,
            NewSession {
                principal: SessionPrincipal::AssumedRole {
                    account: account.clone(),
                    role_id: role.id.clone(),
                    session_name: asked.session_name.clone(),
                },
                seconds,
                policies: documents,
                tags,
                transitive_tags: chain.transitive(&asked.transitive),
                source_identity: source_identity.clone(),
                federated_provider: None,
            },
        )?;
        let region = &access.context().config.region;
        access.store().note_role_use(&role.id, region, access.now());
        Ok(QueryReply::result(|xml| {
            xml.element("AssumedRoleUser", |xml| {
                xml.text("AssumedRoleId", &format!("{}:{}", role.id, asked.session_name));
                let session = format!("{}/{}", role.name, asked.session_name);
                xml.text("Arn", &format!("arn:aws:sts::{account}:assumed-role/{session}"));
            });
            issued.write(xml);
            xml.optional("SourceIdentity", source_identity.as_deref());
            if let Some(percent) = percent {
                xml.plain("PackedPolicySize", percent);
            }
        }))
    }
}

/// Reads the tags of the session.
pub(super) fn read_session_tags(form: &Form) -> Result<Vec<(String, String)>, QueryError> {
    let tags = read_tags(form, "Tags").map_err(of_tags)?;
    if tags.len() > TAGS_MAX {
        let mut faults = Faults::default();
        let constraint = format!("Member must have length less than or equal to {TAGS_MAX}");
        faults.add(Some(&tags.len().to_string()), "tags", &constraint);
        faults.refuse()?;
    }
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

/// Reads the keys of the transitive tags, which the next session of a chain inherits.
fn read_transitive_keys(form: &Form, tags: &[(String, String)]) -> Result<Vec<String>, QueryError> {
    let keys: Vec<String> =
        form.list("TransitiveTagKeys")?.into_iter().map(str::to_owned).collect();
    let known = |key: &String| tags.iter().any(|(tag, _)| same_tag(tag, key));
    if keys.len() > TAGS_MAX || !keys.iter().all(known) {
        return Err(unknown_transitive_key());
    }
    Ok(keys)
}

/// Changes a refusal of tags to the code that STS has for it.
fn of_tags(error: QueryError) -> QueryError {
    if error.code() == QueryCode::InvalidInput {
        return QueryError::with_message(
            QueryCode::InvalidParameterValue,
            error.message().to_owned(),
        );
    }
    error
}

pub(super) fn unknown_transitive_key() -> QueryError {
    QueryError::with_message(
        QueryCode::InvalidParameterValue,
        "The specified transitive tag key must be included in the requested tags.",
    )
}

/// Refuses a second factor: nobody has one here, so one that is sent must be wrong.
pub(super) fn refuse_second_factor(form: &Form) -> Result<(), QueryError> {
    if form.get("SerialNumber").is_none() && form.get("TokenCode").is_none() {
        return Ok(());
    }
    Err(QueryError::with_message(
        QueryCode::AccessDenied,
        "MultiFactorAuthentication failed with invalid MFA one time pass code.",
    ))
}

/// The account and the role name in a role's ARN.
pub(super) fn role_of(arn: &str) -> Option<(AccountId, &str)> {
    let account = AccountId::parse(arn.split(':').nth(4)?).ok()?;
    let path = arn.strip_prefix("arn:aws:iam::")?.get(account.as_str().len()..)?;
    let name = path.strip_prefix(":role/")?.rsplit('/').next()?;
    (!name.is_empty()).then_some((account, name))
}

/// Whether an ARN is exactly that of the role, including the path.
pub(super) fn is_named(role: &Arc<Role>, account: &AccountId, arn: &str) -> bool {
    format!("arn:aws:iam::{account}:role{}{}", role.path, role.name) == arn
}

/// The same refusal for a role that does not exist and for one that does not trust the caller (semantics
/// 4.1.5).
pub(super) fn refuse(principal: &Principal, action: &str, role_arn: &str) -> QueryError {
    QueryError::with_message(
        QueryCode::AccessDenied,
        format!("User: {principal} is not authorized to perform: {action} on resource: {role_arn}"),
    )
}

/// The condition keys of a trust policy.
struct TrustKeys<'k> {
    role: &'k Role,
    asked: &'k AssumeRole,
    source_identity: Option<&'k str>,
    tags: &'k [(String, String)],
}

impl OperationKeys for TrustKeys<'_> {
    fn condition(&self, key: &str) -> Option<Values<'_>> {
        let one = |text: &str| Some(Values::One(text.to_owned().into()));
        match key {
            "sts:externalid" => self.asked.external_id.as_deref().and_then(one),
            "sts:rolesessionname" => one(&self.asked.session_name),
            "sts:sourceidentity" => self.source_identity.and_then(one),
            "sts:durationseconds" => {
                self.asked.seconds.and_then(|seconds| one(&seconds.to_string()))
            }
            "sts:transitivetagkeys" => keys(self.asked.transitive.iter()),
            other => tag_condition(self.tags, other).or_else(|| role_tag(self.role, other)),
        }
    }
}

/// The condition keys for the tags of the call.
pub(super) fn tag_condition<'t>(tags: &'t [(String, String)], key: &str) -> Option<Values<'t>> {
    if key == "aws:tagkeys" {
        return keys(tags.iter().map(|(key, _)| key));
    }
    let name = key.strip_prefix("aws:requesttag/")?;
    named(tags.iter().map(|(key, value)| (key.as_str(), value.as_str())), name)
}

/// The condition keys for the tags of the role.
pub(super) fn role_tag<'r>(role: &'r Role, key: &str) -> Option<Values<'r>> {
    let name =
        key.strip_prefix("aws:resourcetag/").or_else(|| key.strip_prefix("iam:resourcetag/"))?;
    named(role.tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str())), name)
}

fn keys<'k>(names: impl Iterator<Item = &'k String>) -> Option<Values<'k>> {
    let names: Vec<_> = names.map(|name| name.as_str().into()).collect();
    (!names.is_empty()).then_some(Values::Many(names))
}

impl AssumeRole {
    /// Checks that the trust policy allows each action of the call. The refusal names the first that it does
    /// not allow (semantics 4.1.7b).
    fn check_trust(
        &self,
        access: &StoreAccess,
        role: &Role,
        account: &AccountId,
        chain: &Chain,
    ) -> Result<(), QueryError> {
        let inherited = chain.source_identity.as_deref();
        let source_identity = self.source_identity.as_deref().or(inherited);
        let keys = TrustKeys { role, asked: self, source_identity, tags: &self.tags };
        let mut actions = vec![];
        if source_identity.is_some() {
            actions.push("sts:SetSourceIdentity");
        }
        actions.push("sts:AssumeRole");
        if !self.tags.is_empty() {
            actions.push("sts:TagSession");
        }
        for action in actions {
            let decision = access.decide_trust(
                Trusted {
                    principal: access.principal(),
                    action,
                    role_arn: &self.role_arn,
                    account,
                    trust: &role.trust.bound,
                },
                &keys,
            );
            if !matches!(decision, Decision::Allow(_)) {
                return Err(refuse(access.principal(), action, &self.role_arn));
            }
        }
        Ok(())
    }

    /// The life of the session. The API's own range was checked before; here the role's longest session is, and
    /// then the limit of a chain (semantics 4.1.4).
    fn check_duration(&self, role: &Role, chain: &Chain) -> Result<u32, QueryError> {
        let Some(seconds) = self.seconds else { return Ok(SECONDS_DEFAULT) };
        if seconds > role.max_session_seconds {
            return Err(QueryError::validation(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            ));
        }
        if chain.of_role && seconds > CHAINED_SECONDS_MAX {
            return Err(QueryError::validation(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
            ));
        }
        Ok(seconds)
    }
}

/// What a session hands on to the next session of a chain.
#[derive(Debug, Default)]
pub(super) struct Chain {
    of_role: bool,
    source_identity: Option<String>,
    tags: Vec<(String, String)>,
}

impl Chain {
    fn of(access: &StoreAccess) -> Self {
        let session = access.caller().identity().and_then(|identity| identity.session.as_ref());
        let Some(session) = session else { return Self::default() };
        let handed_on = |(key, _): &&(String, String)| {
            session.transitive_tags.iter().any(|known| same_tag(known, key))
        };
        Self {
            of_role: matches!(session.principal, SessionPrincipal::AssumedRole { .. }),
            source_identity: session.source_identity.clone(),
            tags: session.tags.iter().filter(handed_on).cloned().collect(),
        }
    }

    /// The source identity. It names who began the chain, and no later session can change it.
    fn source_identity(&self, asked: Option<String>) -> Result<Option<String>, QueryError> {
        match (&self.source_identity, asked) {
            (Some(known), Some(asked)) if *known != asked => Err(QueryError::validation(
                "The source identity is already set for this assume role session",
            )),
            (Some(known), _) => Ok(Some(known.clone())),
            (None, asked) => Ok(asked),
        }
    }

    /// The tags of the new session: the inherited ones, which cannot be changed, and its own.
    fn tags(&self, own: &[(String, String)]) -> Result<Vec<(String, String)>, QueryError> {
        for (key, _) in own {
            if self.tags.iter().any(|(known, _)| same_tag(known, key)) {
                return Err(QueryError::with_message(
                    QueryCode::InvalidParameterValue,
                    "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.",
                ));
            }
        }
        Ok(self.tags.iter().chain(own).cloned().collect())
    }

    fn transitive(&self, own: &[String]) -> Vec<String> {
        self.tags.iter().map(|(key, _)| key).chain(own).cloned().collect()
    }
}
