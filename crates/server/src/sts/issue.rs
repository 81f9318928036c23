//! What all calls that open a session share: session policies, the key, the token, the answer.

use std::sync::Arc;

use iam::{
    Policy, SESSION_KEY_RANDOM_BYTES, Session, SessionKey, SessionPrincipal, TOKEN_CHARS_MAX,
};
use jiff::{SignedDuration, Timestamp};
use store::Directory;

use super::parameters::{ARN, Faults, Needed, POLICY};
use crate::gate::StoreAccess;
use crate::iam::read_identity_policy;
use crate::query::answer::QueryXml;
use crate::query::error::{self, QueryCode, QueryError};
use crate::query::form::Form;

/// The most managed policies that restrict one session.
const POLICY_ARNS_MAX: usize = 10;
/// The most bytes of a session's policies (without white space) and tags. The token contains them, and it
/// travels in headers and links.
const PACKED_BYTES_MAX: usize = 10 * 1024;

/// The session policies of a call, as they were sent.
#[derive(Debug, Default)]
pub(super) struct SessionPolicies {
    inline: Option<Arc<Policy>>,
    arns: Vec<String>,
    text: Option<String>,
}

impl SessionPolicies {
    pub(super) fn read(form: &Form, faults: &mut Faults) -> Result<Self, QueryError> {
        let text = faults.text(form, "Policy", POLICY, Needed::No);
        let members = form.structures("PolicyArns", &["arn"])?;
        let arns: Vec<String> =
            members.iter().map(|member| member.get("arn").unwrap_or_default().to_owned()).collect();
        for (at, arn) in arns.iter().enumerate() {
            faults.check(arn, &format!("policyArns.{}.member.arn", at + 1), ARN);
        }
        if arns.len() > POLICY_ARNS_MAX {
            let constraint =
                format!("Member must have length less than or equal to {POLICY_ARNS_MAX}");
            faults.add(Some(&format!("{arns:?}")), "policyArns", &constraint);
        }
        Ok(Self { inline: None, arns, text })
    }

    /// Parses the inline policy. This comes after the other parameters were found valid.
    pub(super) fn parse(mut self) -> Result<Self, QueryError> {
        if let Some(text) = &self.text {
            self.inline = Some(compact(read_identity_policy(text)?.as_ref())?);
        }
        Ok(self)
    }

    /// Puts the policies and tags together. Managed policies are taken as they are now (semantics 4.2.3).
    pub(super) fn pack(
        &self,
        directory: &Directory,
        tags: &[(String, String)],
    ) -> Result<Packed, QueryError> {
        let mut documents: Vec<Arc<Policy>> = self.inline.iter().cloned().collect();
        for arn in &self.arns {
            let policy = directory.managed_policy(arn);
            let missing = || {
                QueryError::with_message(
                    QueryCode::MalformedPolicyDocument,
                    format!("The policy {arn} does not exist or is not attachable."),
                )
            };
            documents.push(compact(&policy.ok_or_else(missing)?.document)?);
        }
        let percent = packed_percent(&documents, tags)?;
        let restricted = self.inline.is_some() || !self.arns.is_empty();
        Ok(Packed { documents: restricted.then_some(documents), percent })
    }
}

/// The session policies and tags as the token contains them.
#[derive(Debug)]
pub(super) struct Packed {
    /// `None`: no session policy restricts the session.
    pub(super) documents: Option<Vec<Arc<Policy>>>,
    /// The share of [`PACKED_BYTES_MAX`] that they take, in percent; `None`: there are none (semantics 4.1.1).
    pub(super) percent: Option<usize>,
}

fn packed_percent(
    documents: &[Arc<Policy>],
    tags: &[(String, String)],
) -> Result<Option<usize>, QueryError> {
    let percent = |bytes: usize| bytes.saturating_mul(100).div_ceil(PACKED_BYTES_MAX);
    let tags: usize = tags.iter().map(|(key, value)| key.len() + value.len()).sum();
    let all = tags + documents.iter().map(|policy| policy.text().len()).sum::<usize>();
    if all > PACKED_BYTES_MAX {
        let what = if tags > PACKED_BYTES_MAX { "session tags" } else { "policy" };
        return Err(too_large(what, percent(all)));
    }
    Ok((all > 0).then(|| percent(all)))
}

fn too_large(what: &str, percent: usize) -> QueryError {
    QueryError::with_message(
        QueryCode::PackedPolicyTooLarge,
        format!("Packed size of {what} consumes {percent}% of allotted space."),
    )
}

/// The same policy without optional white space.
fn compact(policy: &Policy) -> Result<Arc<Policy>, QueryError> {
    let (mut in_string, mut escaped) = (false, false);
    let keep = |letter: &char| {
        let keep = in_string || !matches!(letter, ' ' | '\t' | '\n' | '\r');
        (in_string, escaped) = match letter {
            _ if escaped => (in_string, false),
            '\\' => (in_string, in_string),
            '"' => (!in_string, false),
            _ => (in_string, false),
        };
        keep
    };
    let text: String = policy.text().chars().filter(keep).collect();
    read_identity_policy(&text)
}

/// The session that is to be opened.
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

/// A session that was opened, with its token.
#[derive(Debug)]
pub(super) struct Issued {
    session: Session,
    token: String,
}

/// Opens a session. Nothing is stored: the token contains everything.
pub(super) fn issue(access: &StoreAccess, new: NewSession) -> Result<Issued, QueryError> {
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
    let issued_at = Timestamp::from_second(access.now().as_second()).map_err(unreachable)?;
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
    let token = access.store().session_sealer().seal(&session, nonce);
    // A token that could not be used afterwards is not given out.
    if token.len() > TOKEN_CHARS_MAX {
        return Err(too_large("policy", token.len().saturating_mul(100).div_ceil(TOKEN_CHARS_MAX)));
    }
    Ok(Issued { session, token })
}

impl Issued {
    /// Writes the `Credentials` element.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_between_words_is_left_out() {
        let check = |text: &str, expected: &str| {
            assert_eq!(compact(&Policy::parse(text).unwrap()).unwrap().text(), expected);
        };
        // A quote or a backslash within a string does not end it.
        let allow = r#""Effect":"Allow","Action":"s3:*","Resource":"*""#;
        let when = r#""Condition":{"StringEquals":{"aws:username":"a \" b \\"}}"#;
        let packed = format!(r#"{{"Version":"2012-10-17","Statement":[{{{allow},{when}}}]}}"#);
        check(&packed, &packed);
        let spaced = packed.replace("\":", "\" :\t").replace('{', "{\r\n ").replace('}', " }\n");
        check(&spaced, &packed);
    }
}
