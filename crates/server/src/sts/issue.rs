//! What every call that opens a session does: session policies, the key, the token, the answer.

use std::sync::Arc;

use iam::{Policy, SESSION_KEY_RANDOM_BYTES, Session, SessionKey, SessionPrincipal};
use jiff::{SignedDuration, Timestamp};
use store::Directory;

use super::parameters::{ARN, Faults, Needed, POLICY};
use crate::gate::Door;
use crate::iam::malformed_policy;
use crate::query::answer::QueryXml;
use crate::query::error::{self, QueryCode, QueryError};
use crate::query::form::Form;

/// Managed session policies of one session.
const POLICY_ARNS_MAX: usize = 10;
/// Characters of all session policies and tags together, as they are packed.
const PACKED_CHARS_MAX: usize = 2048;

/// The session policies of a call, as they were sent.
#[derive(Debug, Default)]
pub(super) struct SessionPolicies {
    inline: Option<Arc<Policy>>,
    arns: Vec<String>,
    text: Option<String>,
}

impl SessionPolicies {
    pub(super) fn read(form: &Form, faults: &mut Faults) -> Self {
        let text = faults.text(form, "Policy", POLICY, Needed::No);
        let members = form.structures("PolicyArns", ["arn"]);
        let arns: Vec<String> =
            members.into_iter().filter_map(|[arn]| arn.map(str::to_owned)).collect();
        for (at, arn) in arns.iter().enumerate() {
            faults.check(arn, &format!("policyArns.{}.member.arn", at + 1), ARN);
        }
        if arns.len() > POLICY_ARNS_MAX {
            let constraint =
                format!("Member must have length less than or equal to {POLICY_ARNS_MAX}");
            faults.add(Some(&format!("{arns:?}")), "policyArns", &constraint);
        }
        Self { inline: None, arns, text }
    }

    /// Reads the inline one, once the call itself is in order.
    pub(super) fn parse(mut self) -> Result<Self, QueryError> {
        if let Some(text) = &self.text {
            let policy = Policy::parse(text).map_err(|error| malformed_policy(error.into()))?;
            policy.validate_identity().map_err(malformed_policy)?;
            self.inline = Some(Arc::new(policy));
        }
        Ok(self)
    }

    /// How full the packed policies and tags are, in percent; `None`: there are none.
    pub(super) fn packed(&self, tags: &[(String, String)]) -> Result<Option<usize>, QueryError> {
        let counted = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).count();
        let policy = self.text.as_deref().map_or(0, counted);
        let tags: usize = tags.iter().map(|(key, value)| key.len() + value.len()).sum();
        let all = policy + tags + self.arns.iter().map(String::len).sum::<usize>();
        if all > PACKED_CHARS_MAX * 2 {
            return Err(QueryError::new(QueryCode::PackedPolicyTooLarge));
        }
        Ok((all > 0).then(|| (all * 100).div_ceil(PACKED_CHARS_MAX * 2).min(100)))
    }

    /// The documents, the managed ones as they are now; `None`: the session is not restricted.
    pub(super) fn documents(
        &self,
        directory: &Directory,
    ) -> Result<Option<Vec<Arc<Policy>>>, QueryError> {
        if self.inline.is_none() && self.arns.is_empty() {
            return Ok(None);
        }
        let mut documents: Vec<Arc<Policy>> = self.inline.iter().cloned().collect();
        for arn in &self.arns {
            let policy = directory.managed_policy(arn);
            let version =
                policy.as_ref().and_then(|policy| policy.versions.get(&policy.default_version));
            let missing = || {
                QueryError::with_message(
                    QueryCode::MalformedPolicyDocument,
                    format!("The policy {arn} does not exist or is not attachable."),
                )
            };
            documents.push(Arc::clone(&version.ok_or_else(missing)?.document));
        }
        Ok(Some(documents))
    }
}

/// A session to open.
#[derive(Debug)]
pub(super) struct NewSession {
    pub(super) principal: SessionPrincipal,
    pub(super) seconds: u32,
    pub(super) policies: Option<Vec<Arc<Policy>>>,
    pub(super) tags: Vec<(String, String)>,
    pub(super) transitive_tags: Vec<String>,
    pub(super) source_identity: Option<String>,
    pub(super) federated_provider: Option<String>,
}

/// A session and its token.
#[derive(Debug)]
pub(super) struct Issued {
    session: Session,
    token: String,
}

/// Opens a session: nothing is stored, the token holds it all.
pub(super) fn issue(door: &Door, new: NewSession) -> Result<Issued, QueryError> {
    let NewSession {
        principal,
        seconds,
        policies,
        tags,
        transitive_tags,
        source_identity,
        federated_provider,
    } = new;
    let mut random = zeroize::Zeroizing::new([0; SESSION_KEY_RANDOM_BYTES]);
    store::fill_random(random.as_mut_slice()).map_err(error::of_store)?;
    let mut nonce = [0; iam::NONCE_BYTES];
    store::fill_random(&mut nonce).map_err(error::of_store)?;
    let SessionKey { access_key_id, secret } = SessionKey::from_random(&random);
    let unreachable = |_| QueryError::new(QueryCode::InternalFailure);
    let issued_at = Timestamp::from_second(door.now().as_second()).map_err(unreachable)?;
    let life = SignedDuration::from_secs(seconds.into());
    let expires_at = issued_at.checked_add(life).map_err(unreachable)?;
    let session = Session {
        access_key_id,
        secret,
        principal,
        issued_at,
        expires_at,
        policies,
        tags,
        transitive_tags,
        source_identity,
        federated_provider,
    };
    let token = door.store().session_sealer().seal(&session, nonce);
    Ok(Issued { session, token })
}

impl Issued {
    /// The element that every client reads.
    pub(super) fn write(&self, xml: &mut QueryXml) {
        xml.element("Credentials", |xml| {
            xml.text("AccessKeyId", &self.session.access_key_id);
            xml.text("SecretAccessKey", self.session.secret.expose());
            xml.text("SessionToken", &self.token);
            let end = self.session.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ");
            xml.text("Expiration", &end.to_string());
        });
    }
}
