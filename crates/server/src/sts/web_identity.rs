//! `AssumeRoleWithWebIdentity`: opens a session of a role for somebody whom an identity provider vouches for.

use std::collections::BTreeMap;

use iam::{Decision, Principal, SessionPrincipal, Values, fold_case};
use serde::Deserialize;
use store::{Directory, OidcProvider, Role};

use super::assume_role::{
    SECONDS_DEFAULT, SECONDS_MAX, SECONDS_MIN, TAGS_MAX, is_named, role_of, role_tag,
    tag_condition, unknown_transitive_key,
};
use super::issue::{NewSession, Packed, SessionPolicies, issue};
use super::parameters::{ARN, Faults, Needed, Rule, SESSION_NAME};
use crate::gate::{Authorized, OperationKeys, StoreAccess, Trusted};
use crate::iam::{is_tag, same_tag};
use crate::issuers::{Claims, OidcError, TokenHead};
use crate::query::answer::QueryReply;
use crate::query::error::{self, QueryCode, QueryError};
use crate::query::form::Form;
use crate::query::operation::{AccountView, QueryOperation, QueryPermission};

const ACTION: &str = "sts:AssumeRoleWithWebIdentity";
const TOKEN: Rule = Rule { min: 4, max: 20_000, pattern: None };
/// How far the clock of a provider may be ahead, in seconds.
const SKEW_SECONDS: i64 = 300;
/// Claims that have a meaning on AWS.
const TAGS_CLAIM: &str = "https://aws.amazon.com/tags";
const SOURCE_IDENTITY_CLAIM: &str = "https://aws.amazon.com/source_identity";

/// `AssumeRoleWithWebIdentity`: the call is not signed; the provider's token proves who asks.
#[derive(Debug)]
pub(crate) struct AssumeRoleWithWebIdentity {
    role_arn: String,
    session_name: String,
    token: SecretToken,
    seconds: Option<u32>,
    policies: SessionPolicies,
}

/// A provider's token. It is valid until it ends, so it is never printed.
struct SecretToken(zeroize::Zeroizing<String>);

impl std::fmt::Debug for SecretToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretToken(..)")
    }
}

impl QueryOperation for AssumeRoleWithWebIdentity {
    fn read(form: &Form) -> Result<Self, QueryError> {
        let mut faults = Faults::default();
        let role_arn = faults.text(form, "RoleArn", ARN, Needed::Yes);
        let session_name = faults.text(form, "RoleSessionName", SESSION_NAME, Needed::Yes);
        let token = form.get("WebIdentityToken");
        match token {
            None => faults.add(None, "webIdentityToken", "Member must not be null"),
            // The token is not repeated in the refusal.
            Some(token) => {
                let count = token.chars().count();
                if !(TOKEN.min..=TOKEN.max).contains(&count) {
                    let constraint =
                        format!("Member must have length between {} and {}", TOKEN.min, TOKEN.max);
                    faults.add(None, "webIdentityToken", &constraint);
                }
            }
        }
        let seconds = faults.duration(form, SECONDS_MIN, SECONDS_MAX)?;
        let policies = SessionPolicies::read(form, &mut faults)?;
        faults.refuse()?;
        let role_arn = role_arn.unwrap_or_default();
        if role_of(&role_arn).is_none() {
            return Err(QueryError::validation(format!("{role_arn} is invalid")));
        }
        Ok(Self {
            role_arn,
            session_name: session_name.unwrap_or_default(),
            token: SecretToken(token.unwrap_or_default().to_owned().into()),
            seconds,
            policies: policies.parse()?,
        })
    }

    fn permissions(&self, _: &AccountView<'_>) -> Result<Vec<QueryPermission>, QueryError> {
        Ok(Vec::new())
    }

    async fn run(call: Authorized<Self>) -> Result<QueryReply, QueryError> {
        let (asked, access) = call.split();
        let (account, name) = role_of(&asked.role_arn).ok_or_else(refused)?;
        let directory = access.store().directory(&account).await.map_err(error::of_store)?;
        let identity = verify(&asked.token.0, &directory, &access).await?;
        let role = directory.role(name).filter(|role| is_named(role, &account, &asked.role_arn));
        let role = role.ok_or_else(refused)?;
        check_trust(&asked, &identity, role, &directory, &access)?;
        let seconds = asked.seconds.unwrap_or(SECONDS_DEFAULT);
        if seconds > role.max_session_seconds {
            return Err(QueryError::validation(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            ));
        }
        let Packed { documents, percent } =
            asked.policies.pack(&directory, &identity.tags.pairs)?;
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
                tags: identity.tags.pairs.clone(),
                transitive_tags: identity.tags.transitive.clone(),
                source_identity: identity.source_identity.clone(),
                federated_provider: Some(identity.provider_arn.clone()),
            },
        )?;
        note_use(&access, &role.id);
        Ok(QueryReply::result(|xml| {
            xml.text("SubjectFromWebIdentityToken", &identity.subject);
            xml.text("Audience", &identity.audience);
            xml.element("AssumedRoleUser", |xml| {
                xml.text("AssumedRoleId", &format!("{}:{}", role.id, asked.session_name));
                let session = format!("{}/{}", role.name, asked.session_name);
                xml.text("Arn", &format!("arn:aws:sts::{account}:assumed-role/{session}"));
            });
            issued.write(xml);
            xml.text("Provider", &identity.provider_arn);
            xml.optional("SourceIdentity", identity.source_identity.as_deref());
            if let Some(percent) = percent {
                xml.plain("PackedPolicySize", percent);
            }
        }))
    }
}

/// The same refusal for a role that does not exist and for one that does not trust the identity.
fn refused() -> QueryError {
    let message = format!("Not authorized to perform {ACTION}");
    QueryError::with_message(QueryCode::AccessDenied, message)
}

/// Somebody whom a provider of the account vouches for.
struct WebIdentity {
    claims: Claims,
    /// The URL of the provider as it is registered.
    url: String,
    provider_arn: String,
    audience: String,
    subject: String,
    tags: SessionTags,
    source_identity: Option<String>,
}

/// The tags that a token gives the session, and the keys of the transitive ones.
#[derive(Debug, Default)]
struct SessionTags {
    pairs: Vec<(String, String)>,
    transitive: Vec<String>,
}

/// Verifies a token: its provider is registered in the account, the signature holds, it is meant for a
/// registered client, and it is valid now.
async fn verify(
    token: &str,
    directory: &Directory,
    access: &StoreAccess,
) -> Result<WebIdentity, QueryError> {
    let head = TokenHead::read(token).map_err(of_oidc)?;
    let url = provider_url(&head.issuer);
    // The directory ignores case, but issuers that differ in case are different ones.
    let provider = directory.oidc_provider(url).filter(|provider| provider.url == url);
    let provider = provider.ok_or_else(|| {
        invalid(format!("No OpenIDConnect provider found in your account for {}", head.issuer))
    })?;
    let verified = access.issuers().verify(token, &head, access.now()).await;
    let claims = verified.map_err(of_oidc)?;
    let audience = check_claims(&claims, provider, access.now().as_second())?.to_owned();
    let subject = claims.text("sub").ok_or_else(|| invalid("Missing a required claim: sub"))?;
    let tags = session_tags(&claims)?;
    let source_identity = source_identity(&claims)?;
    Ok(WebIdentity {
        url: url.to_owned(),
        provider_arn: format!("arn:aws:iam::{}:oidc-provider/{url}", directory.account()),
        audience,
        subject: subject.to_owned(),
        tags,
        source_identity,
        claims,
    })
}

/// Checks that the role's trust policy allows each action of the token.
fn check_trust(
    asked: &AssumeRoleWithWebIdentity,
    identity: &WebIdentity,
    role: &Role,
    directory: &Directory,
    access: &StoreAccess,
) -> Result<(), QueryError> {
    let principal = Principal::WebIdentity { provider: identity.provider_arn.clone() };
    let keys = ClaimKeys { asked, identity, role };
    let actions = [
        Some(ACTION),
        (!identity.tags.pairs.is_empty()).then_some("sts:TagSession"),
        identity.source_identity.is_some().then_some("sts:SetSourceIdentity"),
    ];
    for action in actions.into_iter().flatten() {
        let trusted = Trusted {
            principal: &principal,
            action,
            role_arn: &asked.role_arn,
            account: directory.account(),
            trust: &role.trust.bound,
        };
        if !matches!(access.decide_trust(trusted, &keys), Decision::Allow(_)) {
            return Err(refused());
        }
    }
    Ok(())
}

fn note_use(access: &StoreAccess, role_id: &str) {
    access.store().note_role_use(role_id, &access.context().config.region, access.now());
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> QueryError {
    QueryError::with_message(QueryCode::InvalidIdentityToken, message)
}

fn of_oidc(error: OidcError) -> QueryError {
    match &error {
        OidcError::Malformed => invalid(
            "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
        ),
        OidcError::Signature => invalid("The ID Token's signature is invalid"),
        OidcError::Unreachable(_) => QueryError::with_message(
            QueryCode::IdpCommunicationError,
            "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements",
        ),
    }
    .because(error)
}

/// The issuer without its scheme, as providers are registered.
fn provider_url(issuer: &str) -> &str {
    let url = issuer.strip_prefix("https://").or_else(|| issuer.strip_prefix("http://"));
    url.unwrap_or(issuer)
}

/// Checks the audience and the times of a token; returns the audience.
fn check_claims<'c>(
    claims: &'c Claims,
    provider: &OidcProvider,
    now: i64,
) -> Result<&'c str, QueryError> {
    let known = |audience: &&str| provider.client_ids.iter().any(|id| id == audience);
    // `azp` names the client that the token was given to, and counts before `aud`: the token of another client
    // is not accepted only because that client may show it to this server.
    let audiences = match claims.text("azp") {
        Some(party) => vec![party],
        None => claims.texts("aud"),
    };
    let audience =
        audiences.into_iter().find(known).ok_or_else(|| invalid("Incorrect token audience"))?;
    let end = claims.time("exp").ok_or_else(|| invalid("Missing a required claim: exp"))?;
    if now >= end {
        return Err(QueryError::with_message(
            QueryCode::ExpiredTokenException,
            format!(
                "Token expired: current date/time {now} must be before the expiration date/time {end}"
            ),
        ));
    }
    let begin = claims.time("nbf").into_iter().chain(claims.time("iat")).max();
    if begin.is_some_and(|begin| begin > now.saturating_add(SKEW_SECONDS)) {
        return Err(QueryError::with_message(
            QueryCode::IdpRejectedClaim,
            "Token is not yet valid",
        ));
    }
    Ok(audience)
}

/// Reads the tags of the token.
fn session_tags(claims: &Claims) -> Result<SessionTags, QueryError> {
    #[derive(Deserialize)]
    struct Tags {
        principal_tags: BTreeMap<String, Vec<String>>,
        #[serde(default)]
        transitive_tag_keys: Vec<String>,
    }
    let Some(value) = claims.0.get(TAGS_CLAIM) else { return Ok(SessionTags::default()) };
    let malformed = || invalid("The session tags of the token are not valid");
    let Tags { principal_tags, transitive_tag_keys } =
        serde_json::from_value(value.clone()).map_err(|_| malformed())?;
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (key, values) in principal_tags {
        let [value] = <[String; 1]>::try_from(values).map_err(|_| malformed())?;
        let new = !pairs.iter().any(|(known, _)| same_tag(known, &key));
        if !new || !is_tag(&key, &value) || pairs.len() == TAGS_MAX {
            return Err(malformed());
        }
        pairs.push((key, value));
    }
    let known = |key: &String| pairs.iter().any(|(tag, _)| same_tag(tag, key));
    if transitive_tag_keys.len() > TAGS_MAX {
        return Err(malformed());
    }
    if !transitive_tag_keys.iter().all(known) {
        return Err(unknown_transitive_key());
    }
    Ok(SessionTags { pairs, transitive: transitive_tag_keys })
}

/// The source identity, if the token names one.
fn source_identity(claims: &Claims) -> Result<Option<String>, QueryError> {
    if !claims.0.contains_key(SOURCE_IDENTITY_CLAIM) {
        return Ok(None);
    }
    let name = claims.text(SOURCE_IDENTITY_CLAIM);
    let fits = name.filter(|name| SESSION_NAME.fits(name)).map(str::to_owned);
    fits.map(Some).ok_or_else(|| invalid("The source identity of the token is not valid"))
}

/// The condition keys of a web identity: every claim, under the provider's URL.
struct ClaimKeys<'k> {
    asked: &'k AssumeRoleWithWebIdentity,
    identity: &'k WebIdentity,
    role: &'k Role,
}

impl OperationKeys for ClaimKeys<'_> {
    fn condition(&self, key: &str) -> Option<Values<'_>> {
        let Self { asked, identity, role } = self;
        match key {
            "sts:rolesessionname" => Some(one(&asked.session_name)),
            "sts:durationseconds" => asked.seconds.map(|seconds| one(&seconds.to_string())),
            "sts:sourceidentity" => identity.source_identity.as_deref().map(one),
            "aws:federatedprovider" => Some(one(&identity.provider_arn)),
            other => tag_condition(&identity.tags.pairs, other)
                .or_else(|| role_tag(role, other))
                .or_else(|| identity.claim(other)),
        }
    }
}

impl WebIdentity {
    /// The value of a claim by its condition key `host/path:claim`. For `aud` it is the audience that was
    /// checked; all audiences of the token are under `oaud`.
    fn claim(&self, key: &str) -> Option<Values<'_>> {
        let (url, claim) = key.rsplit_once(':')?;
        if url != fold_case(&self.url) {
            return None;
        }
        let names: Vec<&str> = match claim {
            "aud" => return Some(one(&self.audience)),
            "oaud" => vec!["aud"],
            // Case does not matter in condition keys, but it does in claims: two claims that differ only in
            // case must not stand for each other.
            other => {
                let names = self.claims.0.keys().map(String::as_str);
                names.filter(|name| fold_case(name) == other).collect()
            }
        };
        let texts = |name: &&str| self.claims.texts(name);
        let values: Vec<_> =
            names.iter().flat_map(texts).map(|text| text.to_owned().into()).collect();
        match (names.len(), values.as_slice()) {
            (_, []) => None,
            (_, [_]) => values.into_iter().next().map(Values::One),
            (1, _) => Some(Values::Many(values)),
            (_, _) => Some(Values::Alike(values)),
        }
    }
}

fn one(text: &str) -> Values<'static> {
    Values::One(text.to_owned().into())
}
