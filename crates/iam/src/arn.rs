//! Amazon resource names, and patterns of them that match section by section.

use crate::evaluate::Context;
use crate::pattern::Piece;
use crate::pattern::{Syntax, Template, Token};

/// `arn:partition:service:region:account:resource`.
const SECTIONS: usize = 6;

/// An ARN in its six sections. The last one may hold colons of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arn<'a> {
    pub(crate) partition: &'a str,
    pub(crate) service: &'a str,
    pub(crate) region: &'a str,
    pub(crate) account: &'a str,
    pub(crate) resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Reads an ARN; `None`: it has fewer sections, or does not begin with `arn`.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let mut sections = text.splitn(SECTIONS, ':');
        (sections.next()? == "arn").then_some(())?;
        Some(Self {
            partition: sections.next()?,
            service: sections.next()?,
            region: sections.next()?,
            account: sections.next()?,
            resource: sections.next()?,
        })
    }
}

/// A pattern of ARNs. A wildcard never spans two sections.
#[derive(Clone, Debug)]
pub(crate) enum ArnPattern {
    /// `*`.
    Any,
    /// The five sections after `arn`; those that the policy left out match anything, as AWS
    /// completes them.
    Sections(Box<[Template; SECTIONS - 1]>),
    /// No ARN: it matches nothing.
    Malformed,
}

impl ArnPattern {
    pub(crate) fn parse(text: &str, variables: bool) -> Self {
        let whole = Template::parse(text, Syntax { variables, wildcards: true });
        if let [Piece::Fixed(Token::Any)] = whole.pieces.as_slice() {
            return Self::Any;
        }
        let mut sections = whole.split_at_colons(SECTIONS - 1).into_iter();
        let arn = [Piece::Fixed(Token::Text("arn".into()))];
        if sections.next().is_none_or(|first| first.pieces != arn) || sections.len() == 0 {
            return Self::Malformed;
        }
        let mut next = || sections.next().unwrap_or_else(Template::any);
        Self::Sections(Box::new([next(), next(), next(), next(), next()]))
    }

    /// Whether it matches; `None`: it is malformed, or one of its variables has no value.
    pub(crate) fn matches(&self, arn: &Arn<'_>, context: &dyn Context) -> Option<bool> {
        let sections = match self {
            Self::Any => return Some(true),
            Self::Malformed => return None,
            Self::Sections(sections) => sections,
        };
        let [partition, service, region, account, resource] = &**sections;
        // The last section differs most often.
        let pairs = [
            (resource, arn.resource),
            (service, arn.service),
            (account, arn.account),
            (region, arn.region),
            (partition, arn.partition),
        ];
        if pairs.iter().any(|(template, text)| template.begins_otherwise(text)) {
            return Some(false);
        }
        let mut unresolved = false;
        for (template, text) in pairs {
            match template.matches(text, context) {
                Some(true) => {}
                Some(false) => return Some(false),
                None => unresolved = true,
            }
        }
        (!unresolved).then_some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Values;

    struct Nothing;

    impl Context for Nothing {
        fn values(&self, _key: &str) -> Option<Values<'_>> {
            None
        }
    }

    #[test]
    fn matches_section_by_section() {
        for (pattern, arn, expected) in [
            ("*", "arn:aws:s3:::b", Some(true)),
            ("arn:aws:s3:::b", "arn:aws:s3:::b", Some(true)),
            ("arn:aws:s3:::b", "arn:aws:s3:::B", Some(false)),
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b/x/y:z", Some(true)),
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b", Some(false)),
            ("arn:aws:s3:*:*:b", "arn:aws:s3:::b", Some(true)),
            ("arn:*:b", "arn:aws:s3:::b", Some(false)),
            ("arn:aws:s3", "arn:aws:s3:::b", Some(true)),
            ("arn:aws:iam", "arn:aws:s3:::b", Some(false)),
            ("arn:aws:iam::*:role/*", "arn:aws:iam::123456789012:role/a/b", Some(true)),
            ("arn:aws:s3:::${aws:username}", "arn:aws:s3:::b", None),
            ("arn:aws:iam:::${aws:username}", "arn:aws:s3:::b", Some(false)),
            ("b", "arn:aws:s3:::b", None),
            ("arn", "arn:aws:s3:::b", None),
            ("a*:aws:s3:::b", "arn:aws:s3:::b", None),
        ] {
            let arn = Arn::parse(arn).unwrap();
            let pattern_read = ArnPattern::parse(pattern, true);
            assert_eq!(pattern_read.matches(&arn, &Nothing), expected, "{pattern}");
        }
        for bad in ["", "*", "arn:aws:s3::", "urn:aws:s3:::b"] {
            assert_eq!(Arn::parse(bad), None, "{bad}");
        }
    }
}
