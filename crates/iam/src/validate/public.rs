//! Whether a bucket policy opens the bucket to the public, as Block Public Access sees it.

use ipnet::IpNet;

use crate::condition::{Condition, Network, Operator, Quantifier};
use crate::policy::{Effect, Element, Statement};
use crate::principal::NamedPrincipal;
use crate::{Policy, Principal};

/// The widest networks that are not the public (semantics 6.5.2).
const V4_PREFIX_MIN: u8 = 8;
const V6_PREFIX_MIN: u8 = 32;

/// Keys that, held to fixed values, keep the public out. AWS also takes the id of a KMS key for one; there is
/// no KMS here that would keep strangers from it, so that it is a header which anybody can send.
const NARROWING: [&str; 12] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
];

/// Those of them that say who asks.
const NAMING: [&str; 3] = ["aws:principalaccount", "aws:principalarn", "aws:userid"];

/// The value of `aws:userid` in a request that nobody signed.
const STRANGER: &str = "anonymous";

impl Policy {
    /// Whether some statement allows somebody who is not named: neither its principals nor its
    /// conditions are limited to fixed values.
    pub fn is_public(&self) -> bool {
        self.body.statements().any(is_public)
    }

    /// Whether some statement lets in somebody by name: it lists the caller, or the account, and not only
    /// everybody; or its conditions hold who asks to fixed values. An unsigned request is nobody's.
    pub fn allows_by_name(&self, principal: &Principal) -> bool {
        let named = |entry: NamedPrincipal<'_>| {
            entry != NamedPrincipal::Anyone && entry.names(principal).is_some()
        };
        let says_who =
            |condition: Condition<'_>| NAMING.contains(&condition.key) && is_narrow(condition);
        let allows = |statement: Statement<'_>| {
            let listed = match statement.principals() {
                Some(Element::Only(listed)) => listed.iter().any(named),
                Some(Element::AllBut(_)) | None => false,
            };
            let by_condition = || statement.conditions().any(says_who);
            statement.effect() == Effect::Allow && (listed || by_condition())
        };
        let is_somebody =
            principal.account().is_some() || matches!(principal, Principal::Service { .. });
        is_somebody && self.body.statements().any(allows)
    }
}

fn is_public(statement: Statement<'_>) -> bool {
    let open = match statement.principals() {
        Some(Element::Only(listed)) => listed.iter().any(|entry| entry == NamedPrincipal::Anyone),
        Some(Element::AllBut(_)) => true,
        None => false,
    };
    statement.effect() == Effect::Allow && open && !statement.conditions().any(is_narrow)
}

/// Whether a condition alone keeps the public out.
fn is_narrow(condition: Condition<'_>) -> bool {
    let Condition { operator, quantifier, if_exists, key, negated, operands } = condition;
    // `ForAllValues` and `IfExists` are fulfilled by a key that is absent.
    if negated || if_exists || quantifier == Quantifier::All || !NARROWING.contains(&key) {
        return false;
    }
    operands.iter().all(|operand| match operator {
        Operator::StringEquals | Operator::StringEqualsIgnoreCase | Operator::StringLike => {
            let stranger = operand.text.eq_ignore_ascii_case(STRANGER);
            let fixed = operator.is_fixed(operand) == Some(true);
            fixed && !operand.text.ends_with(":*") && !stranger
        }
        // What can never match lets nobody in.
        Operator::ArnLike => operator.is_fixed(operand) != Some(false),
        Operator::IpAddress => match Network::parse(operand.text).map(|network| network.0) {
            Some(IpNet::V4(v4)) => v4.prefix_len() >= V4_PREFIX_MIN,
            Some(IpNet::V6(v6)) => v6.prefix_len() >= V6_PREFIX_MIN,
            None => true,
        },
        Operator::Numeric(_)
        | Operator::Date(_)
        | Operator::Bool
        | Operator::BinaryEquals
        | Operator::Null => operator.is_malformed(operand),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(principal: &str, condition: &str, expected: bool) {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[
                {{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}},
                {{"Effect":"Allow","Principal":{principal},"Action":"s3:*","Resource":"*",
                "Condition":{condition}}}]}}"#
        );
        assert_eq!(Policy::parse(&text).unwrap().is_public(), expected, "{principal} {condition}");
    }

    #[test]
    fn who_is_let_in_by_name() {
        let account = crate::AccountId::parse("111122223333").unwrap();
        let root = Principal::Root { account };
        let anyone = r#"{"AWS":"*"}"#;
        for (principal, condition, expected) in [
            (anyone, "{}", false),
            (anyone, r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#, false),
            (anyone, r#"{"StringEquals":{"aws:SourceVpc":"vpc-1"}}"#, false),
            (anyone, r#"{"StringEquals":{"aws:userid":"anonymous"}}"#, false),
            (anyone, r#"{"StringEquals":{"aws:PrincipalAccount":"111122223333"}}"#, true),
            (r#"{"AWS":"111122223333"}"#, "{}", true),
            (r#"{"AWS":["*","111122223333"]}"#, "{}", true),
            (r#"{"AWS":"444455556666"}"#, "{}", false),
        ] {
            let text = format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{principal},
                "Action":"s3:*","Resource":"*","Condition":{condition}}}}}"#
            );
            let policy = Policy::parse(&text).unwrap();
            assert_eq!(policy.allows_by_name(&root), expected, "{principal} {condition}");
            assert!(!policy.allows_by_name(&Principal::Anonymous), "{principal} {condition}");
        }
    }

    #[test]
    fn a_service_is_let_in_by_its_name() {
        let service = Principal::Service { name: crate::CLOUDFRONT_SERVICE };
        for (principal, expected) in [
            (r#"{"Service":"cloudfront.amazonaws.com"}"#, true),
            (r#"{"Service":"logging.s3.amazonaws.com"}"#, false),
            (r#""*""#, false),
        ] {
            let text = format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{principal},
                "Action":"s3:GetObject","Resource":"*"}}}}"#
            );
            assert_eq!(
                Policy::parse(&text).unwrap().allows_by_name(&service),
                expected,
                "{principal}"
            );
        }
    }

    #[test]
    fn public_is_what_is_not_limited_to_fixed_values() {
        let anyone = r#""*""#;
        check(anyone, "{}", true);
        check(r#"{"AWS":"*"}"#, "{}", true);
        check(r#"{"AWS":["111122223333","*"]}"#, "{}", true);
        check(r#"{"AWS":"111122223333"}"#, "{}", false);
        check(r#"{"AWS":"arn:aws:iam::111122223333:role/r"}"#, "{}", false);
        for (condition, expected) in [
            (r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#, false),
            (r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/7"}}"#, true),
            (r#"{"IpAddress":{"aws:SourceIp":["192.0.2.1","0.0.0.0/1"]}}"#, true),
            (r#"{"IpAddress":{"aws:SourceIp":"2001:db8::/32"}}"#, false),
            (r#"{"IpAddress":{"aws:SourceIp":"2001:db8::/31"}}"#, true),
            (r#"{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#, true),
            (r#"{"IpAddressIfExists":{"aws:SourceIp":"10.0.0.0/8"}}"#, true),
            (r#"{"StringEquals":{"aws:SourceVpc":"vpc-1"}}"#, false),
            (r#"{"StringLike":{"aws:SourceVpc":"vpc-*"}}"#, true),
            (r#"{"StringLike":{"aws:SourceVpc":"vpc-1"}}"#, false),
            (r#"{"StringEquals":{"aws:SourceVpc":"${aws:username}"}}"#, true),
            (r#"{"StringNotEquals":{"aws:SourceVpc":"vpc-1"}}"#, true),
            (r#"{"ForAllValues:StringEquals":{"aws:SourceVpc":"vpc-1"}}"#, true),
            (r#"{"StringEquals":{"aws:UserAgent":"x"}}"#, true),
            (r#"{"StringLike":{"aws:userid":"AROA1:*"}}"#, true),
            (r#"{"StringEquals":{"aws:userid":"AIDA1"}}"#, false),
            // What a stranger's request has, or what anybody can send, narrows nothing.
            (r#"{"StringEquals":{"aws:userid":"anonymous"}}"#, true),
            (r#"{"StringEquals":{"aws:userid":["AIDA1","anonymous"]}}"#, true),
            (r#"{"StringEqualsIgnoreCase":{"aws:userid":"Anonymous"}}"#, true),
            (r#"{"StringLike":{"aws:userid":"anonymou?"}}"#, true),
            (r#"{"StringEquals":{"aws:PrincipalType":"Anonymous"}}"#, true),
            (r#"{"StringEquals":{"s3:authType":"REST-HEADER"}}"#, true),
            (r#"{"StringEquals":{"aws:Referer":"https://a"}}"#, true),
            (r#"{"StringEquals":{"s3:x-amz-server-side-encryption-aws-kms-key-id":"k"}}"#, true),
            (r#"{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::b"}}"#, false),
            (r#"{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::*"}}"#, true),
            (r#"{"Bool":{"aws:SecureTransport":"true"}}"#, true),
            (r#"{"Null":{"aws:SourceVpc":"false"}}"#, true),
            (
                r#"{"Bool":{"aws:SecureTransport":"true"},"StringEquals":{"aws:PrincipalOrgID":"o-1"}}"#,
                false,
            ),
        ] {
            check(anyone, condition, expected);
        }
    }
}
