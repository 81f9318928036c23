//! Amazon resource names, and patterns of them that match section by section.

use crate::pattern::{Circumstance, Pattern, Syntax};

/// The sections of an ARN: `arn:partition:service:region:account:resource`.
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
#[derive(Clone, Copy, Debug)]
pub(crate) struct ArnPattern<'p>(Pattern<'p>);

impl<'p> ArnPattern<'p> {
    pub(crate) fn new(text: &'p str, variables: bool) -> Self {
        Self(Pattern::new(text, Syntax { variables, wildcards: true }))
    }

    /// As the policy spells it.
    pub(crate) fn as_str(self) -> &'p str {
        self.0.as_str()
    }

    /// Whether it can match but one ARN; `None`: it is no ARN, and matches nothing.
    pub(crate) fn is_fixed(self) -> Option<bool> {
        if self.0.is_any() {
            return Some(false);
        }
        Some(self.sections()?.into_iter().all(Pattern::is_fixed))
    }

    /// The five sections after `arn`; those that the policy left out match anything, as AWS completes
    /// them.
    fn sections(self) -> Option<[Pattern<'p>; SECTIONS - 1]> {
        let mut sections = self.0.split_at_colons(SECTIONS - 1);
        (sections.next()?.as_str() == "arn").then_some(())?;
        let first = sections.next()?;
        let mut next = || sections.next().unwrap_or_else(Pattern::any);
        Some([first, next(), next(), next(), next()])
    }

    /// Whether it matches; `None`: it is malformed, or one of its variables has no value.
    pub(crate) fn matches(self, arn: &Arn<'_>, at: Circumstance<'_>) -> Option<bool> {
        at.steps.spend_entry(self.as_str().len());
        if self.0.is_any() {
            return Some(true);
        }
        let [partition, service, region, account, resource] = self.sections()?;
        // The last section differs most often.
        let pairs = [
            (resource, arn.resource),
            (service, arn.service),
            (account, arn.account),
            (region, arn.region),
            (partition, arn.partition),
        ];
        if pairs.iter().any(|(pattern, text)| pattern.begins_otherwise(text)) {
            return Some(false);
        }
        let mut unresolved = false;
        for (pattern, text) in pairs {
            match pattern.matches(text, at) {
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
    use crate::evaluate::{Context, Values};
    use crate::pattern::Shared;
    use crate::unknown::Unknowns;
    use crate::work::Steps;

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
            let steps = Steps::new(1 << 20);
            let at = Circumstance {
                context: &Nothing,
                steps: &steps,
                unknowns: &Unknowns::default(),
                shared: Shared::Nothing,
            };
            assert_eq!(ArnPattern::new(pattern, true).matches(&arn, at), expected, "{pattern}");
        }
        for bad in ["", "*", "arn:aws:s3::", "urn:aws:s3:::b"] {
            assert_eq!(Arn::parse(bad), None, "{bad}");
        }
    }
}
