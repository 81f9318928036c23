//! Bucket policies: what `PutBucketPolicy` refuses.

use super::STEPS_MAX;
use super::actions::{Actions, Applies, is_condition_key};
use crate::Policy;
use crate::arn::ArnPattern;
use crate::condition::{Condition, Operator};
use crate::pattern::{Case, Pattern};
use crate::policy::{Effect, Element, Statement};
use crate::work::Steps;

/// Bytes that a bucket policy may have: 20 KB (semantics 5.7.2).
pub const BUCKET_POLICY_BYTES_MAX: usize = 20 * 1024;

pub(super) const TOO_LONG: &str = "Policy exceeds the maximum allowed document size.";
pub(super) const PRINCIPAL: &str = "Invalid principal in policy";

/// How the ARNs of S3 begin; what follows is `bucket` or `bucket/key`.
const S3_ARN: &str = "arn:aws:s3:::";

/// Why a policy may not be a bucket's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// The document is longer than [`BUCKET_POLICY_BYTES_MAX`].
    #[error("bucket policy of {bytes} bytes is longer than {BUCKET_POLICY_BYTES_MAX}")]
    TooLong {
        /// The length of the document in bytes.
        bytes: usize,
    },
    /// A statement names no principal.
    #[error("statement {statement} has no Principal")]
    MissingPrincipal {
        /// The number of the statement, counted from 0.
        statement: usize,
    },
    /// A statement names no resource.
    #[error("statement {statement} has no Resource")]
    MissingResource {
        /// The number of the statement, counted from 0.
        statement: usize,
    },
    /// A grant to everybody who is not listed.
    #[error("statement {statement} allows with NotPrincipal")]
    AllowsAllBut {
        /// The number of the statement, counted from 0.
        statement: usize,
    },
    /// A principal that does not exist. Only who knows the identities can tell.
    #[error("principal {0} does not exist")]
    NoSuchPrincipal(String),
    /// An action that S3 does not have.
    #[error("action {0} is none of S3")]
    Action(String),
    /// A resource that is not this bucket or in it.
    #[error("resource {0} is not of this bucket")]
    Resource(String),
    /// An action that can be done to none of the statement's resources.
    #[error("action {0} applies to no resource of its statement")]
    ActionWithoutResource(String),
    /// A condition key that does not exist.
    #[error("condition key {0} does not exist")]
    ConditionKey(String),
    /// A condition key that an action of the statement never has.
    #[error("condition key {key} does not apply to action {action}")]
    ConditionWithoutAction {
        /// The key, in lower case.
        key: String,
        /// The action, as the policy spells it.
        action: String,
    },
    /// A value of a condition on addresses that is neither an address nor a network.
    #[error("address {0} is none")]
    IpAddress(String),
}

impl PolicyFault {
    /// The sentence with which S3 refuses such a policy.
    pub fn message(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => TOO_LONG,
            Self::MissingPrincipal { .. } => "Missing required field Principal",
            Self::MissingResource { .. } => "Missing required field Resource",
            Self::AllowsAllBut { .. } => "Allow with NotPrincipal is not allowed.",
            Self::NoSuchPrincipal(_) => PRINCIPAL,
            Self::Action(_) => "Policy has invalid action",
            Self::Resource(_) => "Policy has invalid resource",
            Self::ActionWithoutResource(_) => {
                "Action does not apply to any resource(s) in statement"
            }
            Self::ConditionKey(_) => "Policy has an invalid condition key",
            Self::ConditionWithoutAction { .. } => {
                "Conditions do not apply to combination of actions and resources in statement"
            }
            Self::IpAddress(_) => "Invalid IP address in Conditions",
        }
    }

    /// What AWS says beside the message: the principal that does not exist.
    pub fn detail(&self) -> Option<&str> {
        if let Self::NoSuchPrincipal(principal) = self { Some(principal) } else { None }
    }
}

impl Policy {
    /// Whether this may be the policy of that bucket. Whether its [principals](Self::principals)
    /// exist, the caller must look up: [`PolicyFault::NoSuchPrincipal`].
    pub fn validate_bucket(&self, bucket: &str) -> Result<(), PolicyFault> {
        let bytes = self.text().len();
        if bytes > BUCKET_POLICY_BYTES_MAX {
            return Err(PolicyFault::TooLong { bytes });
        }
        let steps = Steps::new(STEPS_MAX);
        for (place, statement) in self.body.statements().enumerate() {
            check_statement(place, statement, bucket, &steps)?;
        }
        Ok(())
    }
}

fn check_statement(
    place: usize,
    statement: Statement<'_>,
    bucket: &str,
    steps: &Steps,
) -> Result<(), PolicyFault> {
    match statement.principals() {
        None => return Err(PolicyFault::MissingPrincipal { statement: place }),
        Some(Element::AllBut(_)) if statement.effect() == Effect::Allow => {
            return Err(PolicyFault::AllowsAllBut { statement: place });
        }
        Some(_) => {}
    }
    let resources = statement.resources();
    let resources = resources.ok_or(PolicyFault::MissingResource { statement: place })?;
    let mut actions = Vec::new();
    for action in statement.actions().entries().iter() {
        let known = Actions::of(|known| action.matches(known.name, steps));
        if known.is_empty() {
            return Err(PolicyFault::Action(action.as_str().to_owned()));
        }
        actions.push((action.as_str(), known));
    }
    let mut covered = Applies::NOWHERE;
    for resource in resources.entries().iter() {
        covered = covered.and(covers(resource, bucket, steps)?);
    }
    if let Element::AllBut(_) = resources {
        covered = Applies::BUCKET.and(Applies::OBJECT);
    }
    let mut keys = Vec::new();
    for condition in statement.conditions() {
        check_operands(condition)?;
        keys.push((condition.key, Actions::of(|known| known.has_key(condition.key))));
    }
    if let Element::Only(_) = statement.actions() {
        let applicable = Actions::of(|known| known.applies.meets(covered));
        for (action, known) in actions {
            check_action(action, known.and(applicable), &keys)?;
        }
    }
    Ok(())
}

/// What of the bucket a resource covers.
fn covers(resource: ArnPattern<'_>, bucket: &str, steps: &Steps) -> Result<Applies, PolicyFault> {
    let everything = Applies::BUCKET.and(Applies::OBJECT);
    let text = resource.as_str();
    if text == "*" {
        return Ok(everything);
    }
    let invalid = || PolicyFault::Resource(text.to_owned());
    let named = text.strip_prefix(S3_ARN).ok_or_else(invalid)?;
    let name = named.split_once('/').map_or(named, |(name, _)| name);
    if !Pattern::wildcards(name).matches_plain(bucket, Case::Sensitive, steps) {
        return Err(invalid());
    }
    Ok(match named.split_once('/') {
        Some(_) => Applies::OBJECT,
        // `bucket*` goes on into the keys.
        None if named.ends_with('*') => everything,
        None => Applies::BUCKET,
    })
}

/// Whether the action can be done to what is covered, and has every condition key of S3 there.
fn check_action(
    action: &str,
    applicable: Actions,
    keys: &[(&str, Actions)],
) -> Result<(), PolicyFault> {
    if applicable.is_empty() {
        return Err(PolicyFault::ActionWithoutResource(action.to_owned()));
    }
    for (key, having) in keys {
        if applicable.and(*having).is_empty() {
            let (key, action) = ((*key).to_owned(), action.to_owned());
            return Err(PolicyFault::ConditionWithoutAction { key, action });
        }
    }
    Ok(())
}

fn check_operands(condition: Condition<'_>) -> Result<(), PolicyFault> {
    if !is_condition_key(condition.key) {
        return Err(PolicyFault::ConditionKey(condition.key.to_string()));
    }
    if condition.operator != Operator::IpAddress {
        return Ok(());
    }
    let malformed = condition.operands.iter().find(|o| condition.operator.is_malformed(*o));
    malformed.map_or(Ok(()), |operand| Err(PolicyFault::IpAddress(operand.text.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads one statement, its members given without braces, as the policy of `bucket`.
    fn check(statement: &str, expected: Result<(), &str>) {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{{{statement}}}]}}"#);
        let policy = Policy::parse(&text).map_err(|error| error.resource_message());
        let result = policy.and_then(|policy| {
            policy.validate_bucket("bucket").map_err(|fault| fault.message().to_owned())
        });
        assert_eq!(result, expected.map_err(str::to_owned), "{statement}");
    }

    #[test]
    fn every_sentence_has_a_row() {
        let on = |action: &str, resource: &str, more: &str| {
            format!(
                r#""Effect":"Allow","Principal":"*","Action":"{action}","Resource":"arn:aws:s3:::{resource}"{more}"#
            )
        };
        let when = |action: &str, resource: &str, condition: &str| {
            on(action, resource, &format!(r#","Condition":{condition}"#))
        };
        check(&on("s3:GetObject", "bucket/*", ""), Ok(()));
        check(&on("s3:*", "bucket", ""), Ok(()));
        check(&on("*", "bucket/*", ""), Ok(()));
        check(&on("S3:getobject", "bucket/a", ""), Ok(()));
        check(&on("s3:ListBucket", "bucket*", ""), Ok(()));
        check(&on("s3:GetObject", "bucket*", ""), Ok(()));
        check(&on("s3:GetObject", "buck*/x", ""), Ok(()));
        let invalid_action = Err("Policy has invalid action");
        check(&on("s3:GetObjects", "bucket/*", ""), invalid_action);
        check(&on("ec2:Start", "bucket/*", ""), invalid_action);
        check(&on("valet:CreateLink", "bucket/*", ""), invalid_action);
        check(&on("", "bucket/*", ""), invalid_action);
        let invalid_resource = Err("Policy has invalid resource");
        check(&on("s3:GetObject", "other/*", ""), invalid_resource);
        check(&on("s3:GetObject", "bucketx/*", ""), invalid_resource);
        check(&on("s3:GetObject", "", ""), invalid_resource);
        check(
            r#""Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"bucket/*""#,
            invalid_resource,
        );
        check(r#""Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*""#, Ok(()));
        let nowhere = Err("Action does not apply to any resource(s) in statement");
        check(&on("s3:GetObject", "bucket", ""), nowhere);
        check(&on("s3:ListBucket", "bucket/*", ""), nowhere);
        check(&on("s3:ListAllMyBuckets", "bucket", ""), nowhere);
        check(
            r#""Effect":"Allow","Principal":"*","Action":["s3:ListBucket","s3:GetObject"],"Resource":"arn:aws:s3:::bucket""#,
            nowhere,
        );
        check(
            r#""Effect":"Deny","Principal":"*","NotAction":"s3:GetObject","Resource":"arn:aws:s3:::bucket""#,
            Ok(()),
        );
        check(
            r#""Effect":"Deny","Principal":"*","Action":"s3:GetObject","NotResource":"arn:aws:s3:::bucket/open/*""#,
            Ok(()),
        );
        check(
            r#""Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*""#,
            Err("Missing required field Principal"),
        );
        check(
            r#""Effect":"Allow","Principal":"*","Action":"s3:GetObject""#,
            Err("Missing required field Resource"),
        );
        check(
            r#""Effect":"Allow","Principal":"*","Resource":"arn:aws:s3:::bucket/*""#,
            Err("Missing required field Action"),
        );
        check(
            r#""Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*""#,
            Err("Missing required field Effect"),
        );
        check(
            r#""Effect":"Allow","NotPrincipal":{"AWS":"111122223333"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*""#,
            Err("Allow with NotPrincipal is not allowed."),
        );
        check(
            r#""Effect":"Allow","Principal":{"AWS":"ann"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*""#,
            Err("Invalid principal in policy"),
        );
        check(&when("s3:ListBucket", "bucket", r#"{"StringLike":{"s3:prefix":"a/*"}}"#), Ok(()));
        check(&when("s3:GetObject", "bucket/*", r#"{"Bool":{"aws:AnyThing":"true"}}"#), Ok(()));
        check(
            &when("s3:GetObject", "bucket/*", r#"{"NumericGreaterThan":{"s3:signatureAge":"1"}}"#),
            Ok(()),
        );
        check(
            &when("s3:PutObject", "bucket/*", r#"{"NumericLessThan":{"valet:ContentLength":9}}"#),
            Ok(()),
        );
        check(
            &when("s3:GetObject", "bucket/*", r#"{"StringEquals":{"s3:ExistingObjectTag/a":"b"}}"#),
            Ok(()),
        );
        let invalid_key = Err("Policy has an invalid condition key");
        check(
            &when("s3:GetObject", "bucket/*", r#"{"StringLike":{"s3:nothing":"a"}}"#),
            invalid_key,
        );
        check(&when("s3:GetObject", "bucket/*", r#"{"StringLike":{"prefix":"a"}}"#), invalid_key);
        check(&when("s3:GetObject", "bucket/*", r#"{"StringLike":{"valet:x":"a"}}"#), invalid_key);
        check(
            &when("s3:GetObject", "bucket/*", r#"{"StringLike":{"s3:prefix":"a"}}"#),
            Err("Conditions do not apply to combination of actions and resources in statement"),
        );
        check(
            &when("s3:GetObject", "bucket/*", r#"{"StringAlike":{"s3:prefix":"a"}}"#),
            Err("Invalid Condition type : StringAlike"),
        );
        check(
            &when("s3:GetObject", "bucket/*", r#"{"IpAddress":{"aws:SourceIp":"300.0.0.1"}}"#),
            Err("Invalid IP address in Conditions"),
        );
        check(
            &when("s3:GetObject", "bucket/*", r#"{"DateLessThan":{"aws:CurrentTime":"soon"}}"#),
            Ok(()),
        );
        check(
            r#""Effect":"Perhaps","Principal":"*","Action":"s3:GetObject","Resource":"*""#,
            Err("Invalid effect: Perhaps"),
        );
    }

    #[test]
    fn documents_that_are_none_have_rows() {
        let statement = r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}"#;
        let invalid = "This policy contains invalid Json";
        for (text, expected) in [
            (String::new(), "Policies must be valid JSON and the first byte must be '{'"),
            ("[]".into(), "Policies must be valid JSON and the first byte must be '{'"),
            (" {}".into(), "Policies must be valid JSON and the first byte must be '{'"),
            ("{".into(), invalid),
            ("{} x".into(), invalid),
            (format!(r#"{{"Statement":{statement},"Statement":{statement}}}"#), invalid),
            (r#"{"Statement":"x"}"#.into(), invalid),
            (format!(r#"{{"a":{}}}"#, "[".repeat(200)), invalid),
            ("{}".into(), "Missing required field Statement"),
            (r#"{"Statement":[]}"#.into(), "Could not parse the policy: Statement is empty!"),
            (
                format!(r#"{{"Version":"2012-10-18","Statement":{statement}}}"#),
                "The policy must contain a valid version string",
            ),
            (format!(r#"{{"Statements":{statement}}}"#), "Unknown field Statements"),
            (
                format!(r#"{{"Statement":{statement}{}}}"#, " ".repeat(crate::POLICY_BYTES_MAX)),
                TOO_LONG,
            ),
        ] {
            let refused =
                Policy::parse(&text).map(|_| ()).map_err(|error| error.resource_message());
            assert_eq!(refused, Err(expected.to_owned()), "{text:.100}");
        }
        let padded = |length: usize| {
            let text = format!(r#"{{"Statement":{statement}"#);
            Policy::parse(&format!("{text:length$}}}", length = length - 1)).unwrap()
        };
        assert_eq!(padded(BUCKET_POLICY_BYTES_MAX).validate_bucket("bucket"), Ok(()));
        let bytes = BUCKET_POLICY_BYTES_MAX + 1;
        assert_eq!(padded(bytes).validate_bucket("bucket"), Err(PolicyFault::TooLong { bytes }));
        assert_eq!(PolicyFault::NoSuchPrincipal("a".into()).detail(), Some("a"));
    }
}
