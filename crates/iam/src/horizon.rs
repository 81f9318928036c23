//! What can be told of a link before it is used: whether it may, and until when, as far as the policies say.

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::condition::{Condition, Date, Operator};
use crate::evaluate::{
    AccessRequest, Context, Decision, NamedPolicy, PolicySet, Values, evaluate_leaning,
    unknown_keys_at,
};
use crate::policy::Statement;
use crate::unknown::Lean;
use crate::work::{DECISION_STEPS_MAX, Work};

/// Milliseconds since the link was signed. Only links and forms have it (semantics 5.1).
const SIGNATURE_AGE: &str = "s3:signatureage";
/// The moment of the request, as ISO 8601 and in seconds since 1970, both in whole seconds.
const CURRENT_TIME: &str = "aws:currenttime";
const EPOCH_TIME: &str = "aws:epochtime";

/// Steps of all the decisions about one link.
const STEPS_MAX: u64 = 4 * DECISION_STEPS_MAX;

/// The last moment at which a link is still allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldsUntil {
    /// That moment, to the millisecond, no later than was asked for.
    pub at: Timestamp,
    /// The part of the policies after which the link is no longer allowed.
    pub limited_by: PolicyLimit,
}

/// What in the policies ends a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyLimit {
    /// Nothing before the moment asked for.
    Nothing,
    /// A condition on `s3:signatureAge`, the age of the signature in milliseconds.
    SignatureAge,
    /// A condition on `aws:CurrentTime` or `aws:EpochTime`.
    Time,
}

/// The time of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkLife {
    /// From when its age counts.
    pub signed_at: Timestamp,
    /// The first moment that is asked about: when it is signed, or now.
    pub from: Timestamp,
    /// Until when it is made to last.
    pub until: Timestamp,
}

/// What would be decided about a request that nobody has sent yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is allowed, whatever is not known of it, and for how long without a break.
    Allowed(HoldsUntil),
    /// It is refused, whatever is not known of it. The decision is none that allows.
    Refused(Decision),
    /// It depends on what nobody can know yet.
    Unknown {
        /// The condition keys, in lower case: only by their values can it be decided either way.
        missing: BTreeSet<String>,
        /// For how long it is allowed at most.
        at_most: HoldsUntil,
    },
}

impl Verdict {
    /// What is decided where both are demanded. Of two refusals the first is told.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (refused @ Self::Refused(_), _) | (_, refused @ Self::Refused(_)) => refused,
            (Self::Allowed(one), Self::Allowed(two)) => Self::Allowed(one.earlier(two)),
            (Self::Allowed(one), Self::Unknown { missing, at_most })
            | (Self::Unknown { missing, at_most }, Self::Allowed(one)) => {
                Self::Unknown { missing, at_most: at_most.earlier(one) }
            }
            (
                Self::Unknown { mut missing, at_most: one },
                Self::Unknown { missing: more, at_most: two },
            ) => {
                missing.extend(more);
                Self::Unknown { missing, at_most: one.earlier(two) }
            }
        }
    }
}

impl HoldsUntil {
    fn earlier(self, other: Self) -> Self {
        if other.at < self.at { other } else { self }
    }
}

/// Finds whether a request is allowed that nobody has sent yet, and for how long of its link's life without a
/// break, as the policies stand. Keys whose values nobody can know are [`Values::Unknown`] in its context.
///
/// The three keys that time changes are computed here, whatever the context says of them. A decision can change
/// only at a value with which some condition compares one of them, so that it is asked right before, at and right
/// after each.
pub fn foresee(request: &AccessRequest<'_>, policies: &PolicySet<'_>, life: LinkLife) -> Verdict {
    within_budget(request, |budget| {
        let link = Link { request, policies, life, budget };
        if let Ok(holds) = link.holds(Lean::Refusing) {
            return Verdict::Allowed(holds);
        }
        match link.holds(Lean::Permitting) {
            Ok(at_most) => Verdict::Unknown { missing: link.unknown_keys(), at_most },
            Err(refused) => Verdict::Refused(refused),
        }
    })
}

/// The keys of unknown values on which [`foresee`] could hang at some moment of the link's life, whatever it finds.
/// `None`: it would take too many steps to tell them all.
pub fn unknown_keys(
    request: &AccessRequest<'_>,
    policies: &PolicySet<'_>,
    life: LinkLife,
) -> Option<BTreeSet<String>> {
    within_budget(request, |budget| {
        let keys = Link { request, policies, life, budget }.unknown_keys();
        (!budget.is_spent()).then_some(keys)
    })
}

/// Lends the steps of one link out of those of the request.
fn within_budget<T>(request: &AccessRequest<'_>, ask: impl FnOnce(&Work) -> T) -> T {
    let left = request.context.work().map_or(STEPS_MAX, Work::left);
    let budget = Work::new(left.min(STEPS_MAX));
    let found = ask(&budget);
    if let Some(of_request) = request.context.work() {
        of_request.spend(left.min(STEPS_MAX).saturating_sub(budget.left()));
    }
    found
}

/// A link, and what may be spent on telling of it.
#[derive(Clone, Copy)]
struct Link<'l> {
    request: &'l AccessRequest<'l>,
    policies: &'l PolicySet<'l>,
    life: LinkLife,
    budget: &'l Work,
}

impl Link<'_> {
    /// How long it is allowed, taking what is unknown for one way; or why it is not at the first moment.
    fn holds(self, lean: Lean) -> Result<HoldsUntil, Decision> {
        let decide =
            |at: Timestamp| self.at(at, |request| evaluate_leaning(request, self.policies, lean));
        let LinkLife { signed_at: _, from, until } = self.life;
        let first = decide(from);
        if !matches!(first, Decision::Allow(_)) {
            return Err(first);
        }
        let mut last = from;
        for (moment, limited_by) in self.moments() {
            if !matches!(decide(moment), Decision::Allow(_)) {
                return Ok(HoldsUntil { at: last, limited_by });
            }
            last = moment;
        }
        // The first refusal may lie between two moments only if it lies at one.
        Ok(HoldsUntil { at: until.max(from), limited_by: PolicyLimit::Nothing })
    }

    fn unknown_keys(self) -> BTreeSet<String> {
        let later = self.moments().into_iter().map(|(moment, _)| moment);
        let moments = std::iter::once(self.life.from).chain(later);
        moments
            .flat_map(|at| self.at(at, |request| unknown_keys_at(request, self.policies)))
            .collect()
    }

    /// The moments of its life at which a decision may differ from that before, in their order.
    fn moments(self) -> Vec<(Timestamp, PolicyLimit)> {
        let LinkLife { signed_at, from, until } = self.life;
        let mut moments = moments(self.policies, signed_at);
        moments.retain(|(moment, _)| *moment > from && *moment <= until);
        moments.sort_unstable_by_key(|(moment, _)| *moment);
        moments.dedup_by_key(|(moment, _)| *moment);
        moments
    }

    /// Asks about the request that it is at a moment.
    fn at<T>(self, at: Timestamp, ask: impl FnOnce(&AccessRequest<'_>) -> T) -> T {
        let context = LinkContext::new(self.request.context, self.life.signed_at, at, self.budget);
        ask(&AccessRequest { context: &context, ..*self.request })
    }
}

/// The moments at which a decision may differ from the one before, and the last ones before those.
fn moments(policies: &PolicySet<'_>, signed_at: Timestamp) -> Vec<(Timestamp, PolicyLimit)> {
    let mut moments = Vec::new();
    for condition in conditions(policies) {
        let limit = match condition.key {
            SIGNATURE_AGE => PolicyLimit::SignatureAge,
            CURRENT_TIME | EPOCH_TIME => PolicyLimit::Time,
            _ => continue,
        };
        for operand in condition.operands.iter() {
            let threshold = match (condition.operator, limit) {
                (Operator::Date(_), _) => Date::parse(operand.text).map(|Date(date)| date),
                (Operator::Numeric(_), PolicyLimit::SignatureAge) => whole(operand.text)
                    .map(SignedDuration::from_millis)
                    .and_then(|age| signed_at.checked_add(age).ok()),
                (Operator::Numeric(_), PolicyLimit::Time) => {
                    whole(operand.text).and_then(|second| Timestamp::from_second(second).ok())
                }
                _ => None,
            };
            let Some(threshold) = threshold else { continue };
            // Times are told in whole seconds: one that a fraction precedes changes at the next.
            let steps = [-1, 0, 1, 999, 1000].map(SignedDuration::from_millis);
            let around = steps.into_iter().filter_map(|step| threshold.checked_add(step).ok());
            moments.extend(around.map(|moment| (moment, limit)));
        }
    }
    moments
}

fn conditions<'p>(policies: &PolicySet<'p>) -> impl Iterator<Item = Condition<'p>> {
    let PolicySet { identity, boundary, session, resource } = *policies;
    let attached = identity.iter().chain(session.unwrap_or_default()).copied();
    let all = attached.chain(boundary).chain(resource);
    all.flat_map(|NamedPolicy { name: _, policy }| {
        policy.body.statements().flat_map(Statement::conditions)
    })
}

/// The whole part of a decimal number.
fn whole(text: &str) -> Option<i64> {
    text.split_once('.').map_or(text, |(whole, _)| whole).parse().ok()
}

/// The context of a link at another moment.
struct LinkContext<'a> {
    asked: &'a dyn Context,
    work: &'a Work,
    age: String,
    time: String,
    epoch: String,
}

impl<'a> LinkContext<'a> {
    fn new(asked: &'a dyn Context, signed_at: Timestamp, at: Timestamp, work: &'a Work) -> Self {
        let second = at.as_millisecond().div_euclid(1000);
        let time = Timestamp::from_second(second).unwrap_or(at).to_string();
        let age = at.as_millisecond().saturating_sub(signed_at.as_millisecond()).to_string();
        Self { asked, work, age, time, epoch: second.to_string() }
    }
}

impl Context for LinkContext<'_> {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        let value = match key {
            SIGNATURE_AGE => &self.age,
            CURRENT_TIME => &self.time,
            EPOCH_TIME => &self.epoch,
            _ => return self.asked.values(key),
        };
        Some(Values::One(Cow::Borrowed(value)))
    }

    fn work(&self) -> Option<&Work> {
        Some(self.work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountId, Policy, Principal};

    struct Nothing;

    impl Context for Nothing {
        fn values(&self, _key: &str) -> Option<Values<'_>> {
            None
        }
    }

    /// Seconds into 2026-06-15 at which a link signed at 12:00:00 and made for an hour still works.
    fn check(identity: &str, bucket: &str, expected: Option<(i64, PolicyLimit)>) {
        let account = AccountId::parse("111122223333").unwrap();
        let principal = Principal::User {
            account: account.clone(),
            path: "/".into(),
            name: "ann".into(),
            id: "AIDA2222222222222222A".into(),
        };
        let document = |statements: &str, principal: &str| {
            let statements =
                statements.replace("RW", &format!(r#"{principal}"Action":"s3:*","Resource":"*""#));
            Policy::parse(&format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#))
                .unwrap()
        };
        let identity = document(identity, "");
        let bucket = document(bucket, r#""Principal":"*","#);
        let request = AccessRequest {
            principal: &principal,
            action: "s3:GetObject",
            resource: "arn:aws:s3:::b/k",
            resource_account: &account,
            context: &Nothing,
        };
        let policies = PolicySet {
            identity: &[NamedPolicy { name: "i", policy: &identity }],
            resource: Some(NamedPolicy { name: "b", policy: &bucket }),
            ..PolicySet::default()
        };
        let signed_at: Timestamp = "2026-06-15T12:00:00Z".parse().unwrap();
        let asked = signed_at + SignedDuration::from_hours(1);
        let life = LinkLife { signed_at, from: signed_at, until: asked };
        let found = match foresee(&request, &policies, life) {
            Verdict::Allowed(held) => {
                Some((held.at.as_millisecond() - signed_at.as_millisecond(), held.limited_by))
            }
            Verdict::Refused(_) => None,
            Verdict::Unknown { missing, .. } => panic!("all is known but {missing:?}"),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn finds_the_moment_from_the_conditions() {
        use PolicyLimit::{Nothing, SignatureAge, Time};
        let allow = r#"{"Effect":"Allow",RW}"#;
        let when = |effect: &str, condition: &str| {
            format!(r#"{{"Effect":"{effect}",RW,"Condition":{condition}}}"#)
        };
        let deny = |condition: &str| when("Deny", condition);
        let nothing = when("Deny", r#"{"StringEquals":{"aws:username":"nobody"}}"#);
        check(allow, &nothing, Some((3_600_000, Nothing)));
        let age = deny(r#"{"NumericGreaterThan":{"s3:signatureAge":"600000"}}"#);
        check(allow, &age, Some((600_000, SignatureAge)));
        let age = deny(r#"{"NumericGreaterThanEquals":{"s3:signatureAge":600000}}"#);
        check(allow, &age, Some((599_999, SignatureAge)));
        let age = deny(r#"{"NumericGreaterThan":{"s3:signatureAge":"86400000"}}"#);
        check(allow, &age, Some((3_600_000, Nothing)));
        let young = when("Allow", r#"{"NumericLessThan":{"s3:signatureAge":"60000"}}"#);
        check(&young, &nothing, Some((59_999, SignatureAge)));
        let until = when("Allow", r#"{"DateLessThan":{"aws:CurrentTime":"2026-06-15T12:10:00Z"}}"#);
        check(&until, &nothing, Some((599_999, Time)));
        let until =
            when("Allow", r#"{"DateLessThanEquals":{"aws:CurrentTime":"2026-06-15T12:10:00Z"}}"#);
        check(&until, &nothing, Some((600_999, Time)));
        let epoch = deny(r#"{"NumericGreaterThan":{"aws:EpochTime":"1781525000"}}"#);
        check(allow, &epoch, Some((200_999, Time)));
        let both = format!(
            "{},{}",
            deny(r#"{"NumericGreaterThan":{"s3:signatureAge":"60000"}}"#),
            deny(r#"{"DateGreaterThan":{"aws:CurrentTime":"2026-06-15T12:00:30Z"}}"#)
        );
        check(allow, &both, Some((30_999, Time)));
        let later =
            when("Allow", r#"{"DateGreaterThan":{"aws:CurrentTime":"2026-06-15T12:10:00Z"}}"#);
        check(&later, &nothing, None);
        check(allow, &deny("{}"), None);
    }
}
