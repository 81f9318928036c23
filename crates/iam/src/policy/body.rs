//! What a document says, kept small: words in one place, and who they belong to by number.

use super::texts::{Entry, List, Span, Texts};
use crate::action::ActionPattern;
use crate::arn::ArnPattern;
use crate::condition::{Condition, Operator, Quantifier};
use crate::principal::NamedPrincipal;

/// The content of a policy document, parsed. Its words lie one after another in `texts`; statements and conditions
/// refer to them by number.
#[derive(Debug)]
pub(crate) struct Body {
    /// `None`: it has no `Version`, and is read as 2008-10-17.
    pub(crate) version: Option<Version>,
    pub(super) texts: Texts,
    pub(super) statements: Box<[StatementRecord]>,
    pub(super) conditions: Box<[ConditionRecord]>,
}

/// Versions of the policy language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// 2008-10-17, in which `${…}` is ordinary text: it has no policy variables.
    V2008,
    V2012,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

/// An element or its complement, which applies to everything that it does not list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Element<L> {
    Only(L),
    AllBut(L),
}

impl<L> Element<L> {
    pub(crate) fn entries(self) -> L {
        match self {
            Self::Only(entries) | Self::AllBut(entries) => entries,
        }
    }

    fn map<M>(self, map: impl FnOnce(L) -> M) -> Element<M> {
        match self {
            Self::Only(entries) => Element::Only(map(entries)),
            Self::AllBut(entries) => Element::AllBut(map(entries)),
        }
    }
}

/// A statement as it is kept: the numbers of its words in [`Texts`].
#[derive(Debug)]
pub(super) struct StatementRecord {
    pub(super) effect: Effect,
    pub(super) sid: Option<u32>,
    pub(super) principals: Option<Element<Span>>,
    pub(super) actions: Element<Span>,
    pub(super) resources: Option<Element<Span>>,
    /// The range of the statement's conditions in [`Body::conditions`].
    pub(super) conditions: Span,
}

/// A condition as it is kept: the numbers of its words in [`Texts`].
#[derive(Debug)]
pub(super) struct ConditionRecord {
    pub(super) operator: Operator,
    pub(super) quantifier: Quantifier,
    pub(super) if_exists: bool,
    pub(super) negated: bool,
    /// The key, and after it the operands.
    pub(super) words: Span,
}

impl Body {
    pub(crate) fn statements(
        &self,
    ) -> impl DoubleEndedIterator<Item = Statement<'_>> + ExactSizeIterator {
        self.statements.iter().map(|record| Statement { body: self, record })
    }

    /// How much memory the body takes, in bytes.
    pub(crate) fn weight_bytes(&self) -> usize {
        size_of::<Self>()
            .saturating_add(self.texts.weight_bytes())
            .saturating_add(size_of_val(&*self.statements))
            .saturating_add(size_of_val(&*self.conditions))
    }

    fn variables(&self) -> bool {
        self.version == Some(Version::V2012)
    }

    fn list<'p, T: Entry<'p>>(&'p self, span: Span) -> List<'p, T> {
        List::new(&self.texts, span, self.variables())
    }
}

/// A statement of a policy, to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statement<'p> {
    body: &'p Body,
    record: &'p StatementRecord,
}

impl<'p> Statement<'p> {
    pub(crate) fn sid(self) -> Option<&'p str> {
        self.record.sid.map(|place| self.body.texts.get(place))
    }

    pub(crate) fn effect(self) -> Effect {
        self.record.effect
    }

    /// The entries of `Principal` or `NotPrincipal`; `None`: the statement has neither, as in the policy of an
    /// identity.
    pub(crate) fn principals(self) -> Option<Element<List<'p, NamedPrincipal<'p>>>> {
        Some(self.record.principals?.map(|span| self.body.list(span)))
    }

    /// The entries of `Action` or `NotAction`, one of which every statement has.
    pub(crate) fn actions(self) -> Element<List<'p, ActionPattern<'p>>> {
        self.record.actions.map(|span| self.body.list(span))
    }

    /// The entries of `Resource` or `NotResource`; `None`: the statement has neither, as in a trust policy.
    pub(crate) fn resources(self) -> Option<Element<List<'p, ArnPattern<'p>>>> {
        Some(self.record.resources?.map(|span| self.body.list(span)))
    }

    pub(crate) fn conditions(self) -> impl Iterator<Item = Condition<'p>> {
        let Span { first, after } = self.record.conditions;
        let place = |place| usize::try_from(place).unwrap_or(usize::MAX);
        let records = self.body.conditions.get(place(first)..place(after)).unwrap_or_default();
        records.iter().map(move |record| {
            let ConditionRecord { operator, quantifier, if_exists, negated, words } = record;
            let operands = Span { first: words.first.saturating_add(1), after: words.after };
            Condition {
                operator: *operator,
                quantifier: *quantifier,
                if_exists: *if_exists,
                key: self.body.texts.get(words.first),
                negated: *negated,
                operands: self.body.list(operands),
            }
        })
    }
}

impl<'p> Entry<'p> for ActionPattern<'p> {
    fn of(word: &'p str, _variables: bool) -> Self {
        Self::new(word)
    }
}

impl<'p> Entry<'p> for ArnPattern<'p> {
    fn of(word: &'p str, variables: bool) -> Self {
        Self::new(word, variables)
    }
}

/// What principals are kept under, before the word itself.
pub(super) const KINDS: [(&str, char); 4] =
    [("AWS", 'A'), ("Federated", 'F'), ("Service", 'S'), ("CanonicalUser", 'C')];

impl<'p> Entry<'p> for NamedPrincipal<'p> {
    fn of(word: &'p str, _variables: bool) -> Self {
        let mut rest = word.chars();
        match (rest.next(), rest.as_str()) {
            // It was read before the policy was kept.
            (Some('A'), text) => Self::parse_aws(text).unwrap_or(Self::CanonicalUser(text)),
            (Some('F'), text) => Self::Provider(text),
            (Some('S'), text) => Self::Service(text),
            (_, text) => Self::CanonicalUser(text),
        }
    }
}
