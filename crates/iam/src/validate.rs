//! What a policy must be to serve as one of a kind.

use std::fmt;

use crate::actions::{LISTING_KEYS, LISTINGS, S3_ACTIONS, S3_CONDITION_KEYS, Target};
use crate::pattern::Case;
use crate::policy::{Effect, Element, Named, PolicyVersionName, Statement};
use crate::{AccountId, Policy, PolicyError};

/// Bytes of a bucket's policy.
const BUCKET_POLICY_BYTES_MAX: usize = 20 * 1024;
/// Networks wider than these are everybody's (aws-semantics 6.5.2).
const V4_PREFIX_MIN: u8 = 8;
const V6_PREFIX_MIN: u8 = 32;

/// Why a policy may not serve as what it was given for. It prints as AWS words it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyFault {
    /// The document is not even a policy.
    Document(PolicyError),
    /// A member that this kind must have.
    Missing(&'static str),
    /// A member that this kind must not have.
    Prohibited(&'static str),
    /// An action that there is not, or that this kind does not take.
    Action,
    /// A resource that is not of this bucket.
    Resource,
    /// No action of a statement is done to any of its resources.
    ActionWithoutResource,
    /// A condition key of S3 that there is not.
    ConditionKey,
    /// A condition key that none of the actions has.
    ConditionWithoutAction,
    /// An address that is none.
    IpAddress,
    /// Longer than it may be.
    TooLong,
    /// Of an identity's policy: an action without its service.
    Vendor,
    /// Of an identity's policy: a resource that is no ARN.
    ResourceArn(String),
    /// Of a trust policy: an action that assumes no role.
    TrustAction,
}

impl From<PolicyError> for PolicyFault {
    fn from(error: PolicyError) -> Self {
        Self::Document(error)
    }
}

impl PolicyFault {
    /// As S3 words it for a bucket's policy (aws-semantics 5.7.1).
    pub fn bucket_message(&self) -> String {
        let text = match self {
            Self::Document(PolicyError::NotAnObject) => {
                "Policies must be valid JSON and the first byte must be '{'"
            }
            Self::Document(PolicyError::Json | PolicyError::Repeated) => {
                "This policy contains invalid Json"
            }
            Self::Document(PolicyError::Version) => {
                "The policy must contain a valid version string"
            }
            Self::Document(PolicyError::Empty) => "Could not parse the policy: Statement is empty!",
            Self::Document(PolicyError::Unknown { name }) => {
                return format!("Unknown field {name}");
            }
            Self::Document(PolicyError::Missing { name }) | Self::Missing(name) => {
                return format!("Missing required field {name}");
            }
            Self::Document(PolicyError::Operator { name }) => {
                return format!("Invalid Condition type : {name}");
            }
            Self::Document(PolicyError::Malformed { name: "Principal" }) => {
                "Invalid principal in policy"
            }
            Self::Document(PolicyError::Malformed { name: "Effect" }) => "Invalid effect in policy",
            Self::Document(PolicyError::Malformed { name }) => {
                return format!("Invalid policy syntax: {name}");
            }
            Self::Document(PolicyError::RepeatedSid) => {
                "Statement IDs (SID) in a single policy must be unique."
            }
            Self::Document(PolicyError::TooLong) | Self::TooLong => {
                "Policy exceeds the maximum allowed document size."
            }
            Self::Prohibited(name) => return format!("Has prohibited field {name}"),
            Self::Action | Self::Vendor | Self::TrustAction => "Policy has invalid action",
            Self::Resource | Self::ResourceArn(_) => "Policy has invalid resource",
            Self::ActionWithoutResource => "Action does not apply to any resource(s) in statement",
            Self::ConditionKey => "Policy has an invalid condition key",
            Self::ConditionWithoutAction => {
                "Conditions do not apply to combination of actions and resources in statement"
            }
            Self::IpAddress => "Invalid IP address in Conditions",
        };
        text.to_owned()
    }
}

impl fmt::Display for PolicyFault {
    /// As IAM words it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document(PolicyError::Version) => {
                f.write_str("Policy document must be version 2012-10-17 or greater.")
            }
            Self::Document(PolicyError::RepeatedSid) => {
                f.write_str("Statement IDs (SID) in a single policy must be unique.")
            }
            Self::Missing("Action") => f.write_str("Policy statement must contain actions."),
            Self::Missing("Resource") => f.write_str("Policy statement must contain resources."),
            Self::Missing(name) => write!(f, "Missing required field {name}"),
            Self::Prohibited("Principal") => {
                f.write_str("Policy document should not specify a principal.")
            }
            Self::Prohibited(name) => write!(f, "Has prohibited field {name}"),
            Self::Vendor => f.write_str(
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
            ),
            Self::ResourceArn(text) => {
                write!(f, "Resource {text} must be in ARN format or \"*\".")
            }
            Self::TrustAction => {
                f.write_str("AssumeRole policy may only specify STS AssumeRole actions.")
            }
            Self::Document(_)
            | Self::Action
            | Self::Resource
            | Self::ActionWithoutResource
            | Self::ConditionKey
            | Self::ConditionWithoutAction
            | Self::IpAddress
            | Self::TooLong => f.write_str("Syntax errors in policy."),
        }
    }
}

impl std::error::Error for PolicyFault {}

impl Policy {
    /// Whether it may be the policy of this bucket (aws-semantics 5.7).
    pub fn validate_bucket(&self, bucket: &str) -> Result<(), PolicyFault> {
        if self.text().len() > BUCKET_POLICY_BYTES_MAX {
            return Err(PolicyFault::TooLong);
        }
        self.statements.iter().try_for_each(|statement| validate_bucket(statement, bucket))
    }

    /// Whether it may give users, groups and roles something, or bound them, or restrict a session.
    pub fn validate_identity(&self) -> Result<(), PolicyFault> {
        for statement in &self.statements {
            if statement.principal.is_some() {
                return Err(PolicyFault::Prohibited("Principal"));
            }
            check_vendors(actions(statement)?)?;
            let resources = statement.resources.as_ref().ok_or(PolicyFault::Missing("Resource"))?;
            let named = resources.inner();
            if named.is_empty() {
                return Err(PolicyFault::Missing("Resource"));
            }
            for Named { text, .. } in named {
                let sections = text.splitn(6, ':').count();
                let arn = text.starts_with("arn:") && sections == 6;
                let loose = self.version == PolicyVersionName::Of2012 && text.starts_with("${");
                if !(text == "*" || arn || loose) {
                    return Err(PolicyFault::ResourceArn(text.clone()));
                }
            }
        }
        Ok(())
    }

    /// Whether it may say who assumes a role.
    pub fn validate_trust(&self) -> Result<(), PolicyFault> {
        for statement in &self.statements {
            if statement.resources.is_some() {
                return Err(PolicyFault::Prohibited("Resource"));
            }
            if statement.principal.is_none() {
                return Err(PolicyFault::Missing("Principal"));
            }
            let actions = actions(statement)?;
            check_vendors(actions)?;
            let assumes = |named: &Named| {
                TRUST_ACTIONS.iter().any(|action| named.pattern.meets(action, Case::Ignored))
            };
            if !actions.iter().all(assumes) {
                return Err(PolicyFault::TrustAction);
            }
        }
        Ok(())
    }

    /// Whether it gives something to anybody at all (aws-semantics 6.5.2).
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(is_public)
    }
}

const TRUST_ACTIONS: &[&str] = &[
    "sts:AssumeRole",
    "sts:AssumeRoleWithSAML",
    "sts:AssumeRoleWithWebIdentity",
    "sts:SetContext",
    "sts:SetSourceIdentity",
    "sts:TagSession",
];

fn actions(statement: &Statement) -> Result<&[Named], PolicyFault> {
    let actions = statement.actions.as_ref().ok_or(PolicyFault::Missing("Action"))?.inner();
    if actions.is_empty() { Err(PolicyFault::Missing("Action")) } else { Ok(actions) }
}

fn check_vendors(actions: &[Named]) -> Result<(), PolicyFault> {
    let fits = |text: &str| match text.split_once(':') {
        None => text == "*",
        Some((vendor, name)) => {
            let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'*';
            !vendor.is_empty() && vendor.bytes().all(word) && !name.is_empty()
        }
    };
    let all = actions.iter().all(|named| fits(&named.text));
    if all { Ok(()) } else { Err(PolicyFault::Vendor) }
}

fn validate_bucket(statement: &Statement, bucket: &str) -> Result<(), PolicyFault> {
    let principal = statement.principal.as_ref().ok_or(PolicyFault::Missing("Principal"))?;
    if matches!(principal, Element::AllBut(_)) && statement.effect == Effect::Allow {
        return Err(PolicyFault::Document(PolicyError::Malformed { name: "Principal" }));
    }
    let actions = actions(statement)?;
    let resources = statement.resources.as_ref().ok_or(PolicyFault::Missing("Resource"))?;
    let known = |named: &Named, wanted: &dyn Fn(Target) -> bool| {
        S3_ACTIONS.iter().any(|(name, target)| {
            wanted(*target) && named.pattern.meets(&format!("s3:{name}"), Case::Ignored)
        })
    };
    if !actions.iter().all(|named| known(named, &|_| true)) {
        return Err(PolicyFault::Action);
    }
    let named = resources.inner();
    if named.is_empty() {
        return Err(PolicyFault::Missing("Resource"));
    }
    if !named.iter().all(|named| of_bucket(&named.text, bucket)) {
        return Err(PolicyFault::Resource);
    }
    let object = |named: &Named| named.text.contains('/') || named.text.ends_with('*');
    let (objects, buckets) =
        (named.iter().any(object), named.iter().any(|named| !named.text.contains('/')));
    let reached = |target| match target {
        Target::Object => objects,
        Target::Bucket => buckets,
        Target::Other => false,
    };
    let negated = matches!(resources, Element::AllBut(_))
        || matches!(statement.actions, Some(Element::AllBut(_)));
    if !negated && !actions.iter().all(|named| known(named, &reached)) {
        return Err(PolicyFault::ActionWithoutResource);
    }
    check_conditions(statement, actions)
}

/// Whether a resource is the bucket or in it, wildcards considered.
fn of_bucket(text: &str, bucket: &str) -> bool {
    let Some(rest) = text.strip_prefix("arn:aws:s3:::") else { return false };
    let name = rest.split('/').next().unwrap_or(rest);
    let pattern = crate::pattern::Pattern::action(name);
    pattern.meets(bucket, Case::Matters)
}

fn check_conditions(statement: &Statement, actions: &[Named]) -> Result<(), PolicyFault> {
    for condition in &statement.conditions {
        if let Some(networks) = condition.networks()
            && networks.iter().any(Option::is_none)
        {
            return Err(PolicyFault::IpAddress);
        }
        let Some(key) = condition.key().strip_prefix("s3:") else { continue };
        let fits = |known: &&&str| {
            **known == key
                || ((known.ends_with('/') || known.ends_with('-')) && key.starts_with(**known))
        };
        if !S3_CONDITION_KEYS.iter().any(|known| fits(&known)) {
            return Err(PolicyFault::ConditionKey);
        }
        let lists = |named: &Named| {
            LISTINGS.iter().any(|name| named.pattern.meets(&format!("s3:{name}"), Case::Ignored))
        };
        let negated = matches!(statement.actions, Some(Element::AllBut(_)));
        if LISTING_KEYS.contains(&key) && !negated && !actions.iter().any(lists) {
            return Err(PolicyFault::ConditionWithoutAction);
        }
    }
    Ok(())
}

fn is_public(statement: &Statement) -> bool {
    let everybody = match &statement.principal {
        Some(Element::These(element)) => element.is_everyone(),
        Some(Element::AllBut(_)) => true,
        None => false,
    };
    if statement.effect == Effect::Deny || !everybody {
        return false;
    }
    !statement.conditions.iter().any(|condition| {
        let narrow = match condition.key() {
            "aws:sourceip" => condition.networks().is_some_and(|networks| {
                networks.iter().flatten().all(|network| match network {
                    ipnet::IpNet::V4(network) => network.prefix_len() >= V4_PREFIX_MIN,
                    ipnet::IpNet::V6(network) => network.prefix_len() >= V6_PREFIX_MIN,
                })
            }),
            "aws:userid" => condition.texts().iter().all(|text| !text.starts_with('*')),
            "aws:sourcearn"
            | "aws:sourcevpc"
            | "aws:sourcevpce"
            | "aws:sourceowner"
            | "aws:sourceaccount"
            | "aws:principalarn"
            | "aws:principalaccount"
            | "aws:principalorgid"
            | "s3:x-amz-server-side-encryption-aws-kms-key-id"
            | "s3:dataaccesspointarn"
            | "s3:dataaccesspointaccount" => true,
            _ => false,
        };
        // `AROAEXAMPLE:*` is fixed enough: it is the sessions of one role.
        let fixed = condition.is_fixed() || condition.key() == "aws:userid";
        narrow && fixed
    })
}

/// The account in an ARN.
pub fn arn_account(arn: &str) -> Option<AccountId> {
    AccountId::parse(arn.split(':').nth(4)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(statement: &str) -> Result<Policy, PolicyFault> {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
        Ok(Policy::parse(&text)?)
    }

    #[test]
    fn policies_of_buckets() {
        let check = |statement: &str, expected: &str| {
            let outcome = policy(statement).and_then(|policy| policy.validate_bucket("bucket"));
            let got = outcome.map_or_else(|fault| fault.bucket_message(), |()| "ok".to_owned());
            assert_eq!(got, expected, "{statement}");
        };
        let with = |more: &str| {
            format!(
                r#"{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"{more}}}"#
            )
        };
        check(&with(""), "ok");
        check(&with(r#","Condition":{"Bool":{"aws:Unknown":"true"}}"#), "ok");
        check(
            &with(r#","Condition":{"Bool":{"s3:Unknown":"true"}}"#),
            "Policy has an invalid condition key",
        );
        check(
            &with(r#","Condition":{"StringLike":{"s3:prefix":"a"}}"#),
            "Conditions do not apply to combination of actions and resources in statement",
        );
        check(
            &with(r#","Condition":{"IpAddress":{"aws:SourceIp":"1.2.3"}}"#),
            "Invalid IP address in Conditions",
        );
        check(&with(r#","Condition":{"DateLessThan":{"aws:CurrentTime":"soon"}}"#), "ok");
        check(&with(r#","Condition":{"StringIs":{"a":"b"}}"#), "Invalid Condition type : StringIs");
        check(
            r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::bucket"}"#,
            "Missing required field Principal",
        );
        check(
            r#"{"Effect":"Allow","Principal":"*","Resource":"arn:aws:s3:::bucket"}"#,
            "Missing required field Action",
        );
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":"s3:*"}"#,
            "Missing required field Resource",
        );
        check(r#"{"Principal":"*","Action":"s3:*"}"#, "Missing required field Effect");
        let of = |action: &str, resource: &str| {
            format!(
                r#"{{"Effect":"Allow","Principal":"*","Action":"{action}","Resource":"{resource}"}}"#
            )
        };
        check(&of("s3:*", "arn:aws:s3:::bucket"), "ok");
        check(&of("*", "arn:aws:s3:::bucket/*"), "ok");
        check(&of("s3:ListBucket", "arn:aws:s3:::bucket"), "ok");
        check(&of("s3:Nothing", "arn:aws:s3:::bucket"), "Policy has invalid action");
        check(&of("ec2:RunInstances", "arn:aws:s3:::bucket"), "Policy has invalid action");
        check(&of("s3:GetObject", "arn:aws:s3:::other/*"), "Policy has invalid resource");
        check(&of("s3:GetObject", "*"), "Policy has invalid resource");
        check(
            &of("s3:GetObject", "arn:aws:s3:::bucket"),
            "Action does not apply to any resource(s) in statement",
        );
        check(
            &of("s3:ListBucket", "arn:aws:s3:::bucket/*"),
            "Action does not apply to any resource(s) in statement",
        );
        let document = |text: &str, expected: &str| {
            let fault = PolicyFault::from(Policy::parse(text).map(drop).unwrap_err());
            assert_eq!(fault.bucket_message(), expected, "{text}");
        };
        document("x", "Policies must be valid JSON and the first byte must be '{'");
        document("{", "This policy contains invalid Json");
        document("{}", "Missing required field Statement");
        document(r#"{"Statement":[]}"#, "Could not parse the policy: Statement is empty!");
        document(
            r#"{"Version":"1","Statement":[]}"#,
            "The policy must contain a valid version string",
        );
        document(
            r#"{"Statement":[{"Effect":"Allow","Principal":7}]}"#,
            "Invalid principal in policy",
        );
        let long = policy(&with(&format!(r#","Sid":"{}""#, "x".repeat(20 * 1024)))).unwrap();
        assert_eq!(long.validate_bucket("bucket"), Err(PolicyFault::TooLong));
    }

    #[test]
    fn policies_of_identities_and_of_trust() {
        let check = |statement: &str, expected: &str| {
            let outcome = policy(statement).and_then(|policy| policy.validate_identity());
            let got = outcome.map_or_else(|fault| fault.to_string(), |()| "ok".to_owned());
            assert_eq!(got, expected, "{statement}");
        };
        check(
            r#"{"Effect":"Allow","Action":"valet:CreateLink","Resource":"arn:aws:s3:::b/*"}"#,
            "ok",
        );
        check(r#"{"Effect":"Allow","NotAction":"iam:*","NotResource":"*"}"#, "ok");
        check(
            r#"{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}"#,
            "Policy document should not specify a principal.",
        );
        check(r#"{"Effect":"Allow","Resource":"*"}"#, "Policy statement must contain actions.");
        check(r#"{"Effect":"Allow","Action":"*"}"#, "Policy statement must contain resources.");
        check(
            r#"{"Effect":"Allow","Action":"GetObject","Resource":"*"}"#,
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        );
        check(
            r#"{"Effect":"Allow","Action":"s3:*","Resource":"bucket"}"#,
            "Resource bucket must be in ARN format or \"*\".",
        );
        check(
            r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","X":1}"#,
            "Syntax errors in policy.",
        );
        let check = |statement: &str, expected: &str| {
            let outcome = policy(statement).and_then(|policy| policy.validate_trust());
            let got = outcome.map_or_else(|fault| fault.to_string(), |()| "ok".to_owned());
            assert_eq!(got, expected, "{statement}");
        };
        check(
            r#"{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":["sts:AssumeRole","sts:TagSession"]}"#,
            "ok",
        );
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}"#,
            "Has prohibited field Resource",
        );
        check(
            r#"{"Effect":"Allow","Action":"sts:AssumeRole"}"#,
            "Missing required field Principal",
        );
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}"#,
            "AssumeRole policy may only specify STS AssumeRole actions.",
        );
    }

    #[test]
    fn what_is_public() {
        let check = |principal: &str, condition: &str, expected: bool| {
            let statement = format!(
                r#"{{"Effect":"Allow","Principal":{principal},"Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*","Condition":{{{condition}}}}}"#
            );
            assert_eq!(policy(&statement).unwrap().is_public(), expected, "{statement}");
        };
        let account = r#"{"AWS":"000000000000"}"#;
        check("\"*\"", "", true);
        check(r#"{"AWS":"*"}"#, "", true);
        check(account, "", false);
        check("\"*\"", r#""IpAddress":{"aws:SourceIp":"10.0.0.0/8"}"#, false);
        check("\"*\"", r#""IpAddress":{"aws:SourceIp":"0.0.0.0/1"}"#, true);
        check("\"*\"", r#""IpAddress":{"aws:SourceIp":"2001:db8::/31"}"#, true);
        check("\"*\"", r#""NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}"#, true);
        check("\"*\"", r#""StringEquals":{"aws:SourceVpc":"vpc-1"}"#, false);
        check("\"*\"", r#""StringLike":{"aws:SourceVpc":"vpc-*"}"#, true);
        check("\"*\"", r#""StringLike":{"aws:userid":"AROAEXAMPLE:*"}"#, false);
        check("\"*\"", r#""StringLike":{"aws:userid":"*"}"#, true);
        check("\"*\"", r#""StringEquals":{"aws:Referer":"x"}"#, true);
    }
}
