//! A policy document, read once and compiled for evaluation.

use std::sync::Arc;

use crate::json::Json;
use crate::principal::NamedPrincipal;

mod body;
mod read;
mod texts;

pub(crate) use body::{Body, Effect, Element, Statement, Version};
pub(crate) use texts::{Entry, List};

/// Bytes of a document that is read at all: the most that a `PolicyDocument` of IAM may have. Each
/// kind of policy has a lower limit of its own.
pub const POLICY_BYTES_MAX: usize = 131_072;

/// A policy document that was read whole: nothing in it is skipped. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Policy {
    text: Arc<str>,
    pub(crate) body: Arc<Body>,
}

impl Policy {
    /// Reads a document, JSON as AWS spells it. What kind of policy it may serve as is asked
    /// afterwards.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLong { bytes: text.len() });
        }
        if !text.starts_with('{') {
            return Err(PolicyError::NotAnObject);
        }
        let Json::Object(members) = Json::parse(text)? else {
            return Err(PolicyError::NotAnObject);
        };
        Ok(Self { text: text.into(), body: Arc::new(Body::read(members)?) })
    }

    /// The document as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same, to be kept without what was compiled of it.
    pub fn shared_text(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }

    /// How much memory it takes, in bytes, about: the text and what was compiled of it, which is no more
    /// than five times as long again however it is made.
    pub fn weight_bytes(&self) -> usize {
        const ALLOCATIONS_BYTES: usize = 256;
        self.text.len().saturating_add(self.body.weight_bytes()).saturating_add(ALLOCATIONS_BYTES)
    }

    /// The ARNs of the users and roles that the policy names as principals, each once. Whoever
    /// stores a policy must know them all: AWS refuses one that names nobody.
    pub fn principals(&self) -> Vec<String> {
        let named = self.body.statements().filter_map(Statement::principals);
        let named = named.flat_map(|element| element.entries().iter());
        let mut arns: Vec<_> = named.filter_map(NamedPrincipal::entity_arn).collect();
        arns.sort_unstable();
        arns.dedup();
        arns
    }

    /// The policy with the ARNs of users and roles replaced by the unique ids that `id_of` knows for
    /// them, as AWS keeps it: who is deleted and made again under the same name is somebody else.
    /// An ARN without an id stays.
    pub fn bind(&self, mut id_of: impl FnMut(&str) -> Option<String>) -> Result<Self, PolicyError> {
        let mut document: serde_json::Value =
            serde_json::from_str(&self.text).map_err(|_| PolicyError::Json)?;
        let statements = match document.get_mut("Statement") {
            Some(serde_json::Value::Array(statements)) => statements.as_mut_slice(),
            Some(statement) => std::slice::from_mut(statement),
            None => &mut [],
        };
        for statement in statements {
            for element in ["Principal", "NotPrincipal"] {
                let entries = match statement.get_mut(element).and_then(|e| e.get_mut("AWS")) {
                    Some(serde_json::Value::Array(entries)) => entries.as_mut_slice(),
                    Some(entry) => std::slice::from_mut(entry),
                    None => &mut [],
                };
                for entry in entries {
                    let id = entry
                        .as_str()
                        .and_then(|text| NamedPrincipal::parse_aws(text).ok())
                        .and_then(NamedPrincipal::entity_arn)
                        .and_then(|arn| id_of(&arn));
                    if let Some(id) = id {
                        *entry = serde_json::Value::String(id);
                    }
                }
            }
        }
        Self::parse(&document.to_string())
    }
}

/// Why a document is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The document is longer than [`POLICY_BYTES_MAX`].
    #[error("policy of {bytes} bytes is longer than {POLICY_BYTES_MAX}")]
    TooLong {
        /// The length of the document in bytes.
        bytes: usize,
    },
    /// It does not begin with `{`.
    #[error("policy is not a JSON object")]
    NotAnObject,
    /// It is not JSON, or nested deeper than a policy can be.
    #[error("policy is not JSON")]
    Json,
    /// A member stands twice in one object.
    #[error("member {0} is repeated")]
    Repeated(String),
    /// A member that the language does not have.
    #[error("member {0} is unknown")]
    Unknown(String),
    /// A member whose value is of the wrong JSON type.
    #[error("member {0} has a value of the wrong type")]
    WrongType(&'static str),
    /// A member that must be there.
    #[error("member {0} is missing")]
    Missing(&'static str),
    /// A list that must not be empty.
    #[error("member {0} is empty")]
    Empty(&'static str),
    /// An element and its complement in one statement.
    #[error("member {0} stands beside its complement")]
    Both(&'static str),
    /// A version of the language that does not exist.
    #[error("version {0} of the policy language does not exist")]
    Version(String),
    /// An effect other than `Allow` and `Deny`.
    #[error("effect {0} is neither Allow nor Deny")]
    Effect(String),
    /// A principal that can name nobody.
    #[error("principal {0} is invalid")]
    Principal(String),
    /// A condition operator that does not exist.
    #[error("condition operator {0} does not exist")]
    Operator(String),
    /// Two statements of one `Sid`.
    #[error("statement id {0} is repeated")]
    RepeatedSid(String),
}
