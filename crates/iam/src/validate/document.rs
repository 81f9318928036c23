//! Policies of users, groups, roles and sessions, and trust policies: what IAM refuses.

use super::STEPS_MAX;
use crate::arn::ArnPattern;
use crate::condition::Operator;
use crate::policy::{Effect, Element, Statement, Version};
use crate::work::Steps;
use crate::{Policy, action::ActionPattern};

pub(super) const NO_ACTIONS: &str = "Policy statement must contain actions.";
pub(super) const NO_RESOURCES: &str = "Policy statement must contain resources.";
pub(super) const PRINCIPAL: &str = "Policy document should not specify a principal.";

/// What a trust policy can be about.
const TRUST_ACTIONS: [&str; 6] = [
    "sts:AssumeRole",
    "sts:AssumeRoleWithSAML",
    "sts:AssumeRoleWithWebIdentity",
    "sts:SetContext",
    "sts:SetSourceIdentity",
    "sts:TagSession",
];

/// The sections of an ARN: `arn:partition:service:region:account:resource`.
const ARN_SECTIONS: usize = 6;

/// Resources of S3 that live in a region, and whose ARNs say so.
const REGIONAL: [&str; 5] =
    ["accesspoint/", "access-grants/", "job/", "storage-lens/", "storage-lens-group/"];

/// Why a policy may not be what it is to be. Each says itself as IAM does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentFault {
    /// It is of the old version, or of none.
    #[error("Policy document must be version 2012-10-17 or greater.")]
    OldVersion,
    /// An identity's policy names a principal.
    #[error("{PRINCIPAL}")]
    Principal,
    /// A statement names no resource.
    #[error("{NO_RESOURCES}")]
    NoResources,
    /// A statement id of other characters than letters and digits.
    #[error(
        "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
    )]
    Sid(String),
    /// An action without a service.
    #[error("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")]
    NoVendor(String),
    /// An action of more than two parts.
    #[error("Actions/Condition can contain only one colon.")]
    Colons(String),
    /// A service that cannot exist.
    #[error("Vendor {0} is not valid")]
    Vendor(String),
    /// A resource that is no ARN.
    #[error("Resource {0} must be in ARN format or \"*\".")]
    NotAnArn(String),
    /// A partition that does not exist.
    #[error("Partition \"{partition}\" is not valid for resource \"{resource}\".")]
    Partition {
        /// The partition that the ARN names, for instance `awss`.
        partition: String,
        /// The ARN as IAM repeats it, with sections that it lacks added.
        resource: String,
    },
    /// An ARN with too few sections, or a date that is none.
    #[error("The policy failed legacy parsing")]
    Legacy,
    /// A bucket or object with a region.
    #[error("Resource {0} can not contain region information.")]
    Region(String),
    /// An identity with a region.
    #[error("IAM resource {0} cannot contain region information.")]
    IamRegion(String),
    /// A trust policy without a principal.
    #[error("Missing required field Principal")]
    NoPrincipal,
    /// A trust policy that allows everybody who is not listed.
    #[error("Allow with NotPrincipal is not allowed.")]
    AllowsAllBut,
    /// A trust policy that denies everybody who is not listed.
    #[error("AssumeRole policy must not contain NotPrincipal field.")]
    NotPrincipal,
    /// A trust policy that names a resource: it stands at its role.
    #[error("Has prohibited field Resource")]
    Resource,
    /// A trust policy with `NotResource`, refused for the same reason.
    #[error("AssumeRole policy must not contain resources.")]
    NotResource,
    /// A trust policy about something else than assuming the role.
    #[error("AssumeRole policy may only specify STS AssumeRole actions.")]
    NotAssumeRole(String),
    /// A trust policy names a principal that does not exist. Only who knows the identities can tell.
    #[error("Invalid principal in policy: \"AWS\":\"{0}\"")]
    NoSuchPrincipal(String),
}

impl DocumentFault {
    /// The sentence with which IAM refuses such a policy.
    pub fn message(&self) -> String {
        self.to_string()
    }
}

impl Policy {
    /// Whether this may be a policy of a user, group, role or session. How long it may be depends on
    /// whose it is, and is asked where that is known.
    pub fn validate_identity(&self) -> Result<(), DocumentFault> {
        let statements = || self.body.statements();
        if self.body.version != Some(Version::V2012) {
            return Err(DocumentFault::OldVersion);
        }
        if statements().any(|statement| statement.principals().is_some()) {
            return Err(DocumentFault::Principal);
        }
        statements().try_for_each(check_sid)?;
        for action in statements().flat_map(|statement| statement.actions().entries().iter()) {
            check_action(action)?;
        }
        for statement in statements() {
            let resources = statement.resources().ok_or(DocumentFault::NoResources)?;
            resources.entries().iter().try_for_each(check_resource)?;
        }
        statements().try_for_each(check_dates)
    }

    /// Whether this may be the trust policy of a role. Whether its [principals](Self::principals)
    /// exist, the caller must look up: [`DocumentFault::NoSuchPrincipal`].
    pub fn validate_trust(&self) -> Result<(), DocumentFault> {
        let steps = Steps::new(STEPS_MAX);
        self.body.statements().try_for_each(|statement| {
            match (statement.principals(), statement.effect()) {
                (None, _) => return Err(DocumentFault::NoPrincipal),
                (Some(Element::AllBut(_)), Effect::Allow) => {
                    return Err(DocumentFault::AllowsAllBut);
                }
                (Some(Element::AllBut(_)), Effect::Deny) => {
                    return Err(DocumentFault::NotPrincipal);
                }
                (Some(Element::Only(_)), _) => {}
            }
            match statement.resources() {
                Some(Element::Only(_)) => return Err(DocumentFault::Resource),
                Some(Element::AllBut(_)) => return Err(DocumentFault::NotResource),
                None => {}
            }
            let mut actions = statement.actions().entries().iter();
            actions.try_for_each(|action| check_trust_action(action, &steps))
        })
    }
}

fn check_sid(statement: Statement<'_>) -> Result<(), DocumentFault> {
    match statement.sid() {
        Some(sid) if !sid.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            Err(DocumentFault::Sid(sid.to_owned()))
        }
        _ => Ok(()),
    }
}

fn check_action(action: ActionPattern<'_>) -> Result<(), DocumentFault> {
    let text = action.as_str();
    if text == "*" {
        return Ok(());
    }
    let Some((vendor, name)) = text.split_once(':') else {
        return Err(DocumentFault::NoVendor(text.to_owned()));
    };
    if name.contains(':') {
        return Err(DocumentFault::Colons(text.to_owned()));
    }
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    if vendor.is_empty() || !vendor.bytes().all(valid) {
        return Err(DocumentFault::Vendor(vendor.to_owned()));
    }
    Ok(())
}

fn check_trust_action(action: ActionPattern<'_>, steps: &Steps) -> Result<(), DocumentFault> {
    let text = action.as_str();
    let of_sts = text.split_once(':').is_some_and(|(vendor, _)| vendor.eq_ignore_ascii_case("sts"));
    if of_sts && TRUST_ACTIONS.iter().any(|known| action.matches(known, steps)) {
        return Ok(());
    }
    Err(DocumentFault::NotAssumeRole(text.to_owned()))
}

fn check_resource(resource: ArnPattern<'_>) -> Result<(), DocumentFault> {
    let text = resource.as_str();
    if text == "*" {
        return Ok(());
    }
    if !text.contains(':') {
        return Err(DocumentFault::NotAnArn(text.to_owned()));
    }
    let mut sections: Vec<&str> = text.splitn(ARN_SECTIONS, ':').collect();
    let is_arn = sections.first() == Some(&"arn");
    if is_arn && sections.len() < ARN_SECTIONS && text.contains("::") {
        return Err(DocumentFault::Legacy);
    }
    sections.resize(ARN_SECTIONS, "*");
    let [first, partition, service, region, _, named] = sections.as_mut_slice() else {
        return Err(DocumentFault::Legacy);
    };
    let (partition, service, region, named) = (*partition, *service, *region, *named);
    let known = ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b"].contains(&partition)
        || partition.contains('*');
    if !is_arn || !known {
        *first = "arn";
        let resource = sections.join(":");
        return Err(DocumentFault::Partition { partition: partition.to_owned(), resource });
    }
    let in_region = !region.is_empty() && region != "*";
    match service {
        "s3" if in_region && !REGIONAL.iter().any(|kind| named.starts_with(kind)) => {
            Err(DocumentFault::Region(text.to_owned()))
        }
        "iam" if in_region => Err(DocumentFault::IamRegion(text.to_owned())),
        _ => Ok(()),
    }
}

fn check_dates(statement: Statement<'_>) -> Result<(), DocumentFault> {
    let mut dates = statement.conditions().filter(|c| matches!(c.operator, Operator::Date(_)));
    let malformed = dates.any(|condition| {
        condition.operands.iter().any(|operand| condition.operator.is_malformed(operand))
    });
    if malformed { Err(DocumentFault::Legacy) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: impl Fn(&Policy) -> Result<(), DocumentFault>, text: &str, expected: &str) {
        let message = match Policy::parse(text) {
            Ok(policy) => kind(&policy).map_err(|fault| fault.message()),
            Err(error) => Err(error.identity_message()),
        };
        assert_eq!(message.err().unwrap_or_default(), expected, "{text}");
    }

    /// One statement of that action and resource.
    fn identity(action: &str, resource: &str, expected: &str) {
        let statement = format!(r#""Effect":"Allow","Action":"{action}","Resource":"{resource}""#);
        statement_of_identity(&statement, expected);
    }

    fn statement_of_identity(statement: &str, expected: &str) {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":{{{statement}}}}}"#);
        check(Policy::validate_identity, &text, expected);
    }

    fn trust(statement: &str, expected: &str) {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{{{statement}}}]}}"#);
        check(Policy::validate_trust, &text, expected);
    }

    #[test]
    fn identity_policies_are_refused_in_iams_words() {
        let vendor = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
        let bucket = "arn:aws:s3:::bucket";
        identity("s3:GetObject", "*", "");
        identity("*", "*", "");
        identity("valet:CreateLink", "arn:aws:s3:::bucket/*", "");
        identity("s3:Nothing", bucket, "");
        identity("GetObject", "*", vendor);
        identity("", "*", vendor);
        identity(":GetObject", "*", "Vendor  is not valid");
        identity("a a:b", "*", "Vendor a a is not valid");
        identity("s3:a:b", "*", "Actions/Condition can contain only one colon.");
        identity("s3:*", "bucket", "Resource bucket must be in ARN format or \"*\".");
        identity("s3:*", "", "Resource  must be in ARN format or \"*\".");
        identity("s3:*", "s3::b/*", "Partition \"\" is not valid for resource \"arn::b/*:*:*:*\".");
        identity(
            "s3:*",
            "arn:red:s3:::b",
            "Partition \"red\" is not valid for resource \"arn:red:s3:::b\".",
        );
        identity("s3:*", "arn:aws::b", "The policy failed legacy parsing");
        identity("s3:*", "arn:awss3::b/*", "The policy failed legacy parsing");
        identity("sqs:*", "arn:aws:sqs", "");
        let region = "arn:aws:s3:us-east-1::bucket";
        identity(
            "s3:*",
            region,
            "Resource arn:aws:s3:us-east-1::bucket can not contain region information.",
        );
        identity("s3:*", "arn:aws:s3:us-west-2:123456789012:accesspoint/ap", "");
        identity(
            "iam:*",
            "arn:aws:iam:us-east-1::x",
            "IAM resource arn:aws:iam:us-east-1::x cannot contain region information.",
        );
    }

    #[test]
    fn identity_statements_are_refused_in_iams_words() {
        let syntax = "Syntax errors in policy.";
        let rest = r#""Action":"s3:*","Resource":"*""#;
        statement_of_identity(&format!(r#""Effect":"allow",{rest}"#), syntax);
        statement_of_identity(rest, syntax);
        statement_of_identity(&format!(r#""Effect":"Deny",{rest},"NotAction":"a:b""#), syntax);
        statement_of_identity(&format!(r#""Effect":"Deny",{rest},"NotResource":"*""#), syntax);
        statement_of_identity(&format!(r#""Effect":"Deny",{rest},"Foo":"*""#), syntax);
        statement_of_identity(&format!(r#""Effect":"Deny",{rest},"Condition":"x""#), syntax);
        statement_of_identity(r#""Effect":"Deny","Action":7,"Resource":"*""#, syntax);
        let twice = format!(r#""Effect":"Deny","Effect":"Deny",{rest}"#);
        statement_of_identity(&twice, syntax);
        let operator = format!(r#""Effect":"Deny",{rest},"Condition":{{"X":{{"a:b":"c"}}}}"#);
        statement_of_identity(&operator, syntax);
        statement_of_identity(r#""Effect":"Deny","Resource":"*""#, NO_ACTIONS);
        statement_of_identity(r#""Effect":"Deny","Resource":"*","Action":[]"#, NO_ACTIONS);
        statement_of_identity(r#""Effect":"Deny","Action":"s3:*""#, NO_RESOURCES);
        statement_of_identity(r#""Effect":"Deny","Action":"s3:*","Resource":[]"#, NO_RESOURCES);
        statement_of_identity(&format!(r#""Effect":"Deny",{rest},"Principal":"*""#), PRINCIPAL);
        statement_of_identity(&format!(r#""Effect":"Deny",{rest},"Principal":"x""#), PRINCIPAL);
        statement_of_identity(
            &format!(r#""Effect":"Deny",{rest},"Sid":"a b""#),
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*",
        );
        let date = |date: &str| {
            format!(
                r#""Effect":"Deny",{rest},"Condition":{{"DateLessThan":{{"aws:CurrentTime":"{date}"}}}}"#
            )
        };
        statement_of_identity(&date("2019-07-01T00:00:00Z"), "");
        statement_of_identity(&date("2019-13-01"), "The policy failed legacy parsing");
        let identity = |text: &str, expected: &str| {
            check(Policy::validate_identity, text, expected);
        };
        let statement = format!(r#"{{"Sid":"a","Effect":"Deny",{rest}}}"#);
        let old = "Policy document must be version 2012-10-17 or greater.";
        identity(&format!(r#"{{"Version":"2008-10-17","Statement":{statement}}}"#), old);
        identity(&format!(r#"{{"Statement":{statement}}}"#), old);
        identity(&format!(r#"{{"Version":"2020-01-01","Statement":{statement}}}"#), syntax);
        identity(
            &format!(r#"{{"Version":"2012-10-17","Statement":[{statement},{statement}]}}"#),
            "Statement IDs (SID) in a single policy must be unique.",
        );
        identity(r#"{"Version":"2012-10-17","Statement":[]}"#, syntax);
        identity("{}", syntax);
        identity("some policy", syntax);
    }

    #[test]
    fn trust_policies_are_refused_in_iams_words() {
        let role = r#""Effect":"Allow","Principal":{"AWS":"*"}"#;
        let only = "AssumeRole policy may only specify STS AssumeRole actions.";
        trust(&format!(r#"{role},"Action":"sts:AssumeRole""#), "");
        trust(&format!(r#"{role},"Action":["sts:AssumeRole","sts:TagSession"]"#), "");
        trust(&format!(r#"{role},"Action":"sts:*""#), "");
        trust(&format!(r#"{role},"Action":"*""#), only);
        trust(&format!(r#"{role},"Action":"s3:GetObject""#), only);
        trust(&format!(r#"{role},"Action":"sts:GetCallerIdentity""#), only);
        let with = |more: &str| format!(r#"{role},"Action":"sts:AssumeRole",{more}"#);
        trust(&with(r#""Resource":"*""#), "Has prohibited field Resource");
        trust(&with(r#""NotResource":"*""#), "AssumeRole policy must not contain resources.");
        let bare = |effect: &str, more: &str| {
            format!(r#""Effect":"{effect}","Action":"sts:AssumeRole"{more}"#)
        };
        trust(&bare("Allow", ""), "Missing required field Principal");
        let others = r#","NotPrincipal":{"AWS":"111122223333"}"#;
        trust(&bare("Allow", others), "Allow with NotPrincipal is not allowed.");
        trust(&bare("Deny", others), "AssumeRole policy must not contain NotPrincipal field.");
        let malformed = |text: &str| Policy::parse(text).map(drop).unwrap_err().trust_message();
        let ann = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"ann"}}}"#;
        assert_eq!(malformed(ann), "Invalid principal in policy: \"AWS\":\"ann\"");
        assert_eq!(malformed("{"), "This policy contains invalid Json");
        let gone = DocumentFault::NoSuchPrincipal("arn".into()).message();
        assert_eq!(gone, "Invalid principal in policy: \"AWS\":\"arn\"");
    }
}
