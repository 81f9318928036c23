//! `AssumeRoleWithWebIdentity`: a role for whoever an identity provider vouches for.

use iam::{Decision, Principal, SessionPrincipal, Values};
use store::OidcProvider;

use super::assume_role::{SECONDS_DEFAULT, SECONDS_MAX, SECONDS_MIN, is_named, role_of};
use super::issue::{NewSession, SessionPolicies, issue};
use super::oidc::{Claims, OidcError, TokenHead};
use super::parameters::{ARN, Faults, Needed, Rule, SESSION_NAME};
use crate::gate::{Authorized, Door, OperationKeys, Trusted};
use crate::query::answer::QueryReply;
use crate::query::error::{self, QueryCode, QueryError};
use crate::query::form::Form;
use crate::query::operation::{QueryOperation, QueryPermission, Scene};

const ACTION: &str = "sts:AssumeRoleWithWebIdentity";
const TOKEN: Rule = Rule { min: 4, max: 20_000, pattern: None };
/// How far a provider's clock may be ahead of this one, in seconds.
const SKEW_SECONDS: i64 = 300;

/// `AssumeRoleWithWebIdentity`: nobody signs it, the token proves who asks.
#[derive(Debug)]
pub(crate) struct AssumeRoleWithWebIdentity {
    role_arn: String,
    session_name: String,
    token: SecretToken,
    seconds: Option<u32>,
    policies: SessionPolicies,
}

/// A token, which opens something until it ends: never printed.
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
            // A token is not echoed.
            Some(token) => {
                let count = token.chars().count();
                if count < TOKEN.min || count > TOKEN.max {
                    let constraint =
                        format!("Member must have length between {} and {}", TOKEN.min, TOKEN.max);
                    faults.add(None, "webIdentityToken", &constraint);
                }
            }
        }
        let seconds = faults.duration(form, SECONDS_MIN, SECONDS_MAX)?;
        let policies = SessionPolicies::read(form, &mut faults);
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

    fn permissions(&self, _: &Scene<'_>) -> Vec<QueryPermission> {
        Vec::new()
    }

    async fn run(call: Authorized<Self>) -> Result<QueryReply, QueryError> {
        let (asked, door) = call.split();
        let refused = || {
            QueryError::with_message(
                QueryCode::AccessDenied,
                format!("Not authorized to perform {ACTION}"),
            )
        };
        let (account, name) = role_of(&asked.role_arn).ok_or_else(refused)?;
        let head = TokenHead::read(&asked.token.0).map_err(of_oidc)?;
        let directory = door.store().directory(&account).await.map_err(error::of_store)?;
        let url = provider_url(&head.issuer);
        let provider = directory.oidc_provider(url).ok_or_else(|| {
            invalid(format!("No OpenIDConnect provider found in your account for {}", head.issuer))
        })?;
        let verified = door.issuers().verify(&asked.token.0, &head, door.now()).await;
        let claims = verified.map_err(of_oidc)?;
        let audience = check_claims(&claims, provider, door.now().as_second())?;
        let subject = claims.text("sub").ok_or_else(|| invalid("Missing a required claim: sub"))?;
        let role = directory.role(name).filter(|role| is_named(role, &account, &asked.role_arn));
        let role = role.ok_or_else(refused)?;
        let provider_arn = format!("arn:aws:iam::{account}:oidc-provider/{}", provider.url);
        let principal = Principal::WebIdentity { provider: provider_arn.clone() };
        let keys = ClaimKeys { asked: &asked, url, claims: &claims, provider: &provider_arn };
        let trusted = Trusted {
            principal: &principal,
            action: ACTION,
            role_arn: &asked.role_arn,
            account: &account,
            trust: &role.trust.bound,
        };
        if !matches!(door.decide_trust(trusted, &keys), Decision::Allow(_)) {
            return Err(refused());
        }
        let seconds = asked.seconds.unwrap_or(SECONDS_DEFAULT);
        if seconds > role.max_session_seconds {
            return Err(QueryError::validation(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            ));
        }
        let packed = asked.policies.packed(&[])?;
        let issued = issue(
            &door,
            NewSession {
                principal: SessionPrincipal::AssumedRole {
                    account: account.clone(),
                    role_id: role.id.clone(),
                    session_name: asked.session_name.clone(),
                },
                seconds,
                policies: asked.policies.documents(&directory)?,
                tags: Vec::new(),
                transitive_tags: Vec::new(),
                source_identity: None,
                federated_provider: Some(provider_arn.clone()),
            },
        )?;
        note_use(&door, &role.id);
        Ok(QueryReply::result(|xml| {
            xml.text("SubjectFromWebIdentityToken", subject);
            xml.text("Audience", audience);
            xml.element("AssumedRoleUser", |xml| {
                xml.text("AssumedRoleId", &format!("{}:{}", role.id, asked.session_name));
                let session = format!("{}/{}", role.name, asked.session_name);
                xml.text("Arn", &format!("arn:aws:sts::{account}:assumed-role/{session}"));
            });
            issued.write(xml);
            xml.text("Provider", &provider_arn);
            if let Some(percent) = packed {
                xml.plain("PackedPolicySize", percent);
            }
        }))
    }
}

fn note_use(door: &Door, role_id: &str) {
    door.store().note_key_use(role_id, "sts", &door.context().config.region, door.now());
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

/// The issuer as providers are registered: without its scheme.
fn provider_url(issuer: &str) -> &str {
    let url = issuer.strip_prefix("https://").or_else(|| issuer.strip_prefix("http://"));
    url.unwrap_or(issuer).trim_end_matches('/')
}

/// Audience and times; answers the audience that fits.
fn check_claims<'c>(
    claims: &'c Claims,
    provider: &OidcProvider,
    now: i64,
) -> Result<&'c str, QueryError> {
    let known = |audience: &&str| provider.client_ids.iter().any(|id| id == audience);
    // Of several audiences the one that the token was asked for is named apart.
    let audiences = claims.texts("azp").into_iter().chain(claims.texts("aud"));
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
    if begin.is_some_and(|begin| begin > now + SKEW_SECONDS) {
        return Err(QueryError::with_message(
            QueryCode::IdpRejectedClaim,
            "Token is not yet valid",
        ));
    }
    Ok(audience)
}

/// The condition keys of a web identity: every claim under the provider's URL.
struct ClaimKeys<'k> {
    asked: &'k AssumeRoleWithWebIdentity,
    url: &'k str,
    claims: &'k Claims,
    provider: &'k str,
}

impl OperationKeys for ClaimKeys<'_> {
    fn condition(&self, key: &str) -> Option<Values<'_>> {
        let one = |text: &str| Some(Values::One(text.to_owned().into()));
        match key {
            "sts:rolesessionname" => one(&self.asked.session_name),
            "sts:durationseconds" => {
                self.asked.seconds.and_then(|seconds| one(&seconds.to_string()))
            }
            "aws:federatedprovider" => one(self.provider),
            other => {
                let (url, claim) = other.rsplit_once(':')?;
                if !url.eq_ignore_ascii_case(self.url) {
                    return None;
                }
                let name = self.claims.0.keys().find(|name| name.eq_ignore_ascii_case(claim))?;
                match self.claims.texts(name).as_slice() {
                    [] => None,
                    [value] => one(value),
                    many => {
                        let many = many.iter().map(|value| (*value).to_owned().into());
                        Some(Values::Many(many.collect()))
                    }
                }
            }
        }
    }
}
