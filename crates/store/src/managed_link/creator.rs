//! Who made a managed link: an identity, by an id that is never given twice.

use std::sync::Arc;

use iam::{OpenedBy, Policy};
use jiff::Timestamp;

/// Who made a managed link. Each use of the link takes what this identity may do at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkCreator {
    /// The identity, which the link ends with.
    pub identity: CreatorIdentity,
    /// Its ARN when the link was made, for people.
    pub arn: String,
    /// Its name in revocations: the `aws:userid`; of a federated user the id of the session's key.
    pub signer: String,
    /// The id of the key that signed when the link was made. Whoever takes back the links of that key takes this one back.
    pub access_key_id: String,
    /// Of a root, and of whom a root vouched for: the root's key, which the link ends with; `None`: the identity has an id.
    pub root_key: Option<OpenedBy>,
    /// The session in which the link was made, which restricts the link, but whose end is no end of it; `None`: a long-term
    /// key signed.
    pub session: Option<CreatorSession>,
}

/// What a session was opened with, as far as policies ask about it.
#[derive(Clone, Debug)]
pub struct CreatorSession {
    /// When it was opened.
    pub issued_at: Timestamp,
    /// The session policies; `None`: it was opened without.
    pub policies: Option<Vec<Arc<Policy>>>,
    /// The tags of the session: pairs of key and value.
    pub tags: Vec<(String, String)>,
    /// Who began the chain of sessions, as it was said then.
    pub source_identity: Option<String>,
    /// The identity provider, where a web identity opened the session.
    pub federated_provider: Option<String>,
}

/// An identity that can make a managed link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreatorIdentity {
    /// The root of the account.
    Root,
    /// A user of the account.
    User {
        /// The unique id of the user, `AIDA…`.
        id: String,
    },
    /// A role of the account.
    Role {
        /// The unique id of the role, `AROA…`.
        id: String,
        /// The name of the session.
        session: String,
    },
    /// Somebody whom a user or the root vouched for.
    Federated {
        /// The name that the issuer gave.
        name: String,
        /// The unique id of the user who vouched; `None`: the root did.
        issuer: Option<String>,
    },
}

impl CreatorSession {
    /// The texts of the session policies.
    pub(crate) fn policy_texts(&self) -> Option<Vec<String>> {
        let texts =
            |all: &Vec<Arc<Policy>>| all.iter().map(|policy| policy.text().to_owned()).collect();
        self.policies.as_ref().map(texts)
    }
}

impl PartialEq for CreatorSession {
    fn eq(&self, other: &Self) -> bool {
        self.issued_at == other.issued_at
            && self.policy_texts() == other.policy_texts()
            && self.tags == other.tags
            && self.source_identity == other.source_identity
            && self.federated_provider == other.federated_provider
    }
}

impl Eq for CreatorSession {}
