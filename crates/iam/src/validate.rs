//! Whether a policy may serve as a bucket's, an identity's or a role's trust policy, and the sentences
//! in which AWS refuses it.
//!
//! Reading has settled what evaluation needs. What is asked here is what AWS asks of each kind of
//! policy besides, so that a mistake is told when a policy is stored and not when it does nothing.

mod actions;
mod bucket;
mod document;
mod public;

pub use actions::s3_action_has_key;
pub use bucket::{BUCKET_POLICY_BYTES_MAX, PolicyFault};
pub use document::DocumentFault;

use crate::PolicyError;
use crate::work::DECISION_STEPS_MAX;

/// Steps of asking a policy what it may be: its actions are held against all that S3 has.
const STEPS_MAX: u64 = 8 * DECISION_STEPS_MAX;
/// AWS's sentence for what no reader of it could take apart.
const SYNTAX: &str = "Syntax errors in policy.";

impl PolicyError {
    /// What S3 says when this document is to be a bucket's policy (semantics 5.7.1).
    pub fn resource_message(&self) -> String {
        match self {
            Self::TooLong { .. } => bucket::TOO_LONG.to_owned(),
            Self::NotAnObject => {
                "Policies must be valid JSON and the first byte must be '{'".to_owned()
            }
            Self::Json | Self::Repeated(_) | Self::WrongType(_) | Self::Both(_) => {
                "This policy contains invalid Json".to_owned()
            }
            Self::Unknown(member) => format!("Unknown field {member}"),
            Self::Missing(member) => format!("Missing required field {member}"),
            Self::Empty("Statement") => {
                "Could not parse the policy: Statement is empty!".to_owned()
            }
            Self::Empty(member) => format!("Missing required field {member} cannot be empty!"),
            Self::Version(_) => "The policy must contain a valid version string".to_owned(),
            Self::Effect(effect) => format!("Invalid effect: {effect}"),
            Self::Principal(_) => bucket::PRINCIPAL.to_owned(),
            Self::Operator(name) => format!("Invalid Condition type : {name}"),
            Self::RepeatedSid(_) => "The Statement Ids in the policy are not unique".to_owned(),
        }
    }

    /// What IAM says when this document is to be the policy of a user, group, role or session.
    pub fn identity_message(&self) -> String {
        let message = match self {
            Self::Missing("Action") | Self::Empty("Action") => document::NO_ACTIONS,
            Self::Empty("Resource") => document::NO_RESOURCES,
            Self::Principal(_) | Self::Empty("Principal") => document::PRINCIPAL,
            Self::RepeatedSid(_) => "Statement IDs (SID) in a single policy must be unique.",
            Self::TooLong { .. }
            | Self::NotAnObject
            | Self::Json
            | Self::Repeated(_)
            | Self::Unknown(_)
            | Self::WrongType(_)
            | Self::Missing(_)
            | Self::Empty(_)
            | Self::Both(_)
            | Self::Version(_)
            | Self::Effect(_)
            | Self::Operator(_) => SYNTAX,
        };
        message.to_owned()
    }

    /// What IAM says when this document is to be a role's trust policy.
    pub fn trust_message(&self) -> String {
        match self.detail() {
            Some(principal) => format!("Invalid principal in policy: \"AWS\":\"{principal}\""),
            None => self.resource_message(),
        }
    }

    /// What is wrong in itself, where AWS says it beside the message: the principal that names nobody.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Principal(principal) => Some(principal),
            Self::TooLong { .. }
            | Self::NotAnObject
            | Self::Json
            | Self::Repeated(_)
            | Self::Unknown(_)
            | Self::WrongType(_)
            | Self::Missing(_)
            | Self::Empty(_)
            | Self::Both(_)
            | Self::Version(_)
            | Self::Effect(_)
            | Self::Operator(_)
            | Self::RepeatedSid(_) => None,
        }
    }
}
