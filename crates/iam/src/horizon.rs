//! What can be told of a link before it is used: whether it may, and until when, as far as the policies say.
//!
//! A decision changes with time only by statements that ask for one of the three keys that time changes. Under most
//! operators it can be computed at which moments such a statement may change ([`solve`]), and it is asked at these.
//! Where that cannot be computed, or where there are too many of them, the key is unknown at every moment but the
//! first: what hangs on it then is not sure. All of it is paid for out of one budget, and what it does not reach to
//! is not sure either.

mod time;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::condition::Condition;
use crate::evaluate::{
    AccessRequest, Applying, Context, Decision, NamedPolicy, PolicyKind, PolicySet, Values,
    applying, evaluate_leaning,
};
use crate::policy::Statement;
use crate::unknown::Lean;
use crate::work::{DECISION_STEPS_MAX, Work};
use time::{Threshold, TimeKey, Times, in_variables, solve};

/// Steps of all the decisions about one link.
const STEPS_MAX: u64 = 4 * DECISION_STEPS_MAX;
/// Moments at which one link is decided about, beside the first. Each time in a policy takes three or four.
const MOMENTS_MAX: usize = 1000;
/// What a moment costs beside what is asked about it.
const MOMENT_STEPS: u64 = 512;
/// What it costs to find the moments of an operand, beside its letters.
const OPERAND_STEPS: u64 = 128;

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
/// The three keys that time changes are computed here, whatever the context says of them. What hangs on one of them
/// in a way that cannot be computed for later moments, or not in so many steps, is [`Verdict::Unknown`], with the key
/// among what is missing.
pub fn foresee(request: &AccessRequest<'_>, policies: &PolicySet<'_>, life: LinkLife) -> Verdict {
    within_budget(request, |budget| Link { request, policies, life, budget }.foresee())
}

/// The same of a request that is known to be allowed at the first moment, by facts that its context keeps to itself. At
/// later moments nothing is told that hangs on these facts, but that they decide the same as long as nothing else changes.
pub fn foresee_allowed(
    request: &AccessRequest<'_>,
    policies: &PolicySet<'_>,
    life: LinkLife,
) -> Verdict {
    within_budget(request, |budget| {
        let link = Link { request, policies, life, budget };
        link.horizon().map_or_else(|| link.untold(), |horizon| link.sure(&horizon, First::Known))
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
        let link = Link { request, policies, life, budget };
        link.unknown_keys(&link.horizon()?)
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

/// What time can change in the decisions about a link.
#[derive(Default)]
struct Horizon<'p> {
    /// The statements that it can change.
    timed: Vec<(PolicyKind, Statement<'p>)>,
    /// The unknown keys of all other statements that could apply.
    untimed_keys: BTreeSet<String>,
    /// The moments of its life, after the first, at which a decision may differ from that before.
    moments: BTreeMap<Timestamp, PolicyLimit>,
    /// The keys that are unknown at these moments: nobody computes when what hangs on them changes.
    unsolved: BTreeSet<TimeKey>,
}

/// How it was told that a link is allowed at its first moment.
#[derive(Clone, Copy)]
enum First {
    /// By its context, as at every other moment.
    Decided,
    /// By facts that its context keeps to itself.
    Known,
}

impl<'l> Link<'l> {
    fn foresee(self) -> Verdict {
        let from = self.life.from;
        let first = self.decide(from, &BTreeSet::new(), Lean::Refusing);
        let is_sure = matches!(first, Decision::Allow(_));
        if !is_sure {
            let possible = self.decide(from, &BTreeSet::new(), Lean::Permitting);
            if !matches!(possible, Decision::Allow(_)) {
                return Verdict::Refused(possible);
            }
        }
        let Some(horizon) = self.horizon() else { return self.untold() };
        if is_sure {
            return self.sure(&horizon, First::Decided);
        }
        self.unsure(&horizon)
    }

    /// What is told of a link that is sure to be allowed at first.
    fn sure(self, horizon: &Horizon<'_>, first: First) -> Verdict {
        let Some(held) = self.holds(horizon, Lean::Refusing, first) else { return self.untold() };
        let is_over = held.at == self.life.from && held.limited_by != PolicyLimit::Nothing;
        if is_over && !horizon.unsolved.is_empty() {
            return self.unsure(horizon);
        }
        Verdict::Allowed(held)
    }

    fn unsure(self, horizon: &Horizon<'_>) -> Verdict {
        let at_most = self.holds(horizon, Lean::Permitting, First::Decided);
        match at_most.zip(self.unknown_keys(horizon)) {
            Some((at_most, missing)) => Verdict::Unknown { missing, at_most },
            None => self.untold(),
        }
    }

    /// What can be told when no step is left: it is allowed at first, or may be.
    fn untold(self) -> Verdict {
        let missing = TimeKey::ALL.iter().map(|key| key.name().to_owned()).collect();
        Verdict::Unknown { missing, at_most: self.whole() }
    }

    /// Its whole life.
    fn whole(self) -> HoldsUntil {
        let LinkLife { signed_at: _, from, until } = self.life;
        HoldsUntil { at: until.max(from), limited_by: PolicyLimit::Nothing }
    }

    /// How long it is allowed that is allowed at first, taking what is unknown for one way. `None`: there are too
    /// few steps to tell.
    fn holds(self, horizon: &Horizon<'_>, lean: Lean, first: First) -> Option<HoldsUntil> {
        let at_first = match first {
            First::Decided => None,
            First::Known => Some(self.timed_at(self.life.from, &BTreeSet::new(), horizon)?),
        };
        let mut last = self.life.from;
        for (&moment, &limited_by) in &horizon.moments {
            if let Some(at_first) = &at_first
                && self.timed_at(moment, &horizon.unsolved, horizon)? == *at_first
            {
                last = moment;
                continue;
            }
            let decision = self.decide(moment, &horizon.unsolved, lean);
            // What was decided with the last step may be a refusal for that alone.
            if self.budget.is_spent() {
                return None;
            }
            if !matches!(decision, Decision::Allow(_)) {
                return Some(HoldsUntil { at: last, limited_by });
            }
            last = moment;
        }
        // The first refusal may lie between two moments only if it lies at one.
        Some(self.whole())
    }

    /// Of each statement that time can change, the unknown keys it asks for; `None` in place of one that cannot apply.
    /// Where they are the same at two moments, the same values of these keys decide the same. `None`: there are too
    /// few steps to tell.
    fn timed_at(
        self,
        at: Timestamp,
        unknown: &BTreeSet<TimeKey>,
        horizon: &Horizon<'_>,
    ) -> Option<Vec<Option<BTreeSet<String>>>> {
        self.at(at, unknown, |request| {
            let timed = horizon.timed.iter().map(|one| {
                let found = applying(request, std::iter::once(*one))?;
                Some(found.into_iter().next().map(|applying| applying.asked))
            });
            timed.collect()
        })
    }

    fn unknown_keys(self, horizon: &Horizon<'_>) -> Option<BTreeSet<String>> {
        let mut keys = horizon.untimed_keys.clone();
        let first = (self.life.from, &BTreeSet::new());
        let later = horizon.moments.keys().map(|moment| (*moment, &horizon.unsolved));
        for (at, unknown) in std::iter::once(first).chain(later) {
            let timed = horizon.timed.iter().copied();
            let applying = self.at(at, unknown, |request| applying(request, timed))?;
            keys.extend(applying.into_iter().flat_map(|one| one.asked));
        }
        Some(keys)
    }

    /// Finds what time can change. `None`: there are too few steps to tell.
    fn horizon(self) -> Option<Horizon<'l>> {
        let LinkLife { signed_at: _, from, until } = self.life;
        let mut horizon = Horizon::default();
        let all = BTreeSet::from(TimeKey::ALL);
        let could_apply =
            self.at(from, &all, |request| applying(request, statements(self.policies)))?;
        for Applying { kind, statement, asked } in could_apply {
            if TimeKey::ALL.iter().any(|key| asked.contains(key.name())) {
                horizon.timed.push((kind, statement));
                self.solve(statement, &mut horizon)?;
            } else {
                horizon.untimed_keys.extend(asked);
            }
        }
        if horizon.moments.len() > MOMENTS_MAX {
            horizon.moments.clear();
            horizon.unsolved = all;
        }
        // What is unknown is unknown right after the first moment.
        let next = from.checked_add(SignedDuration::from_millis(1)).ok();
        if let (Some(key), Some(next)) =
            (horizon.unsolved.first(), next.filter(|next| *next <= until))
        {
            horizon.moments.insert(next, key.limit());
        }
        Some(horizon)
    }

    /// Adds the moments at which a statement may change, and the keys of which they cannot be computed.
    fn solve(self, statement: Statement<'_>, horizon: &mut Horizon<'_>) -> Option<()> {
        let resources = statement.resources().into_iter();
        for entry in resources.flat_map(|entries| entries.entries().iter()) {
            self.pay(entry.as_str())?;
            horizon.unsolved.extend(in_variables(entry.as_str()));
        }
        for condition in statement.conditions() {
            let key = TimeKey::named(condition.key);
            for operand in condition.operands.iter() {
                self.pay(operand.text)?;
                horizon.unsolved.extend(in_variables(operand.text));
                if let Some(key) = key {
                    self.solve_operand(key, condition, operand.text, horizon);
                }
                // There are too many already: the rest makes no difference.
                if horizon.moments.len() > MOMENTS_MAX {
                    return Some(());
                }
            }
        }
        Some(())
    }

    fn solve_operand(
        self,
        key: TimeKey,
        condition: Condition<'_>,
        operand: &str,
        horizon: &mut Horizon<'_>,
    ) {
        let LinkLife { signed_at, from, until } = self.life;
        let around: (Option<Timestamp>, &[i64]) = match solve(key, condition.operator, operand) {
            Threshold::None => return,
            Threshold::Unsolved => {
                horizon.unsolved.insert(key);
                return;
            }
            Threshold::Age(age) => (signed_at.checked_add(age).ok(), &[-1, 0, 1]),
            // Times are told in whole seconds.
            Threshold::Second(second) => (Timestamp::from_second(second).ok(), &[-1, 0, 999, 1000]),
        };
        let (threshold, steps) = around;
        for step in steps.iter().copied().map(SignedDuration::from_millis) {
            let moment = threshold.and_then(|threshold| threshold.checked_add(step).ok());
            if let Some(moment) = moment.filter(|moment| *moment > from && *moment <= until) {
                horizon.moments.entry(moment).or_insert(key.limit());
            }
        }
    }

    /// Pays for reading a text as a time. `None`: nothing is left.
    fn pay(self, text: &str) -> Option<()> {
        let letters = u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.budget.spend(OPERAND_STEPS.saturating_add(letters));
        (!self.budget.is_spent()).then_some(())
    }

    fn decide(self, at: Timestamp, unknown: &BTreeSet<TimeKey>, lean: Lean) -> Decision {
        self.at(at, unknown, |request| evaluate_leaning(request, self.policies, lean))
    }

    /// Asks about the request that it is at a moment, where these keys are unknown.
    fn at<T>(
        self,
        at: Timestamp,
        unknown: &BTreeSet<TimeKey>,
        ask: impl FnOnce(&AccessRequest<'_>) -> T,
    ) -> T {
        self.budget.spend(MOMENT_STEPS);
        let times = Times::at(at, self.life.signed_at);
        let (asked, work) = (self.request.context, self.budget);
        let context = LinkContext { asked, work, times, unknown };
        ask(&AccessRequest { context: &context, ..*self.request })
    }
}

fn statements<'p>(
    policies: &PolicySet<'p>,
) -> impl Iterator<Item = (PolicyKind, Statement<'p>)> + use<'p> {
    let PolicySet { identity, boundary, session, resource } = *policies;
    let of_kind = |kind: PolicyKind| {
        move |NamedPolicy { name: _, policy }: NamedPolicy<'p>| {
            policy.body.statements().map(move |statement| (kind, statement))
        }
    };
    let identity = identity.iter().copied().flat_map(of_kind(PolicyKind::Identity));
    let boundary = boundary.into_iter().flat_map(of_kind(PolicyKind::Boundary));
    let session = session.unwrap_or_default().iter().copied();
    let session = session.flat_map(of_kind(PolicyKind::Session));
    let resource = resource.into_iter().flat_map(of_kind(PolicyKind::Resource));
    identity.chain(boundary).chain(session).chain(resource)
}

/// The context of a link at another moment.
struct LinkContext<'a> {
    asked: &'a dyn Context,
    work: &'a Work,
    times: Times,
    /// The time keys of which nothing is known.
    unknown: &'a BTreeSet<TimeKey>,
}

impl Context for LinkContext<'_> {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        let Some(key) = TimeKey::named(key) else { return self.asked.values(key) };
        if self.unknown.contains(&key) {
            return Some(Values::Unknown);
        }
        Some(Values::One(Cow::Borrowed(self.times.value(key))))
    }

    fn work(&self) -> Option<&Work> {
        Some(self.work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountId, Policy, Principal};

    struct Named;

    impl Context for Named {
        fn values(&self, key: &str) -> Option<Values<'_>> {
            (key == "aws:username").then(|| Values::One("ann".into()))
        }
    }

    const SIGNED_AT: Timestamp = Timestamp::constant(1_781_524_800, 0);

    /// Milliseconds for which a link signed at 2026-06-15T12:00:00Z and made for an hour still works.
    fn check(identity: &str, bucket: &str, expected: Option<(i64, PolicyLimit)>) {
        let found = match told(identity, bucket) {
            Verdict::Allowed(held) => {
                Some((held.at.as_millisecond() - SIGNED_AT.as_millisecond(), held.limited_by))
            }
            Verdict::Refused(_) => None,
            Verdict::Unknown { missing, .. } => panic!("all is known but {missing:?}"),
        };
        assert_eq!(found, expected, "{identity} {bucket}");
    }

    fn told(identity: &str, bucket: &str) -> Verdict {
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
            context: &Named,
        };
        let policies = PolicySet {
            identity: &[NamedPolicy { name: "i", policy: &identity }],
            resource: Some(NamedPolicy { name: "b", policy: &bucket }),
            ..PolicySet::default()
        };
        let until = SIGNED_AT + SignedDuration::from_hours(1);
        let life = LinkLife { signed_at: SIGNED_AT, from: SIGNED_AT, until };
        foresee(&request, &policies, life)
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

    #[test]
    fn time_that_is_not_computed_promises_nothing() {
        let allow = r#"{"Effect":"Allow",RW}"#;
        let nobody =
            r#"{"Effect":"Deny",RW,"Condition":{"StringEquals":{"aws:username":"nobody"}}}"#;
        let when = |effect: &str, condition: &str| {
            format!(r#"{{"Effect":"{effect}",RW,"Condition":{condition}}}"#)
        };
        for (key, denies) in [
            ("aws:currenttime", r#"{"StringNotLike":{"aws:CurrentTime":"2026-06-15T12:00:*"}}"#),
            (
                "aws:currenttime",
                r#"{"StringNotEquals":{"aws:CurrentTime":"2026-06-15T12:00:00Z"}}"#,
            ),
            ("aws:epochtime", r#"{"StringNotLike":{"aws:EpochTime":"178152480*"}}"#),
            ("aws:epochtime", r#"{"BinaryEquals":{"aws:EpochTime":"178152484000"}}"#),
            ("s3:signatureage", r#"{"ForAnyValue:StringLike":{"s3:signatureAge":"?????*"}}"#),
            ("s3:signatureage", r#"{"DateGreaterThan":{"s3:signatureAge":"5000"}}"#),
            ("aws:currenttime", r#"{"StringNotEquals":{"aws:CurrentTime":"${AWS:currentTIME}"}}"#),
        ] {
            unsure(allow, &when("Deny", denies), key);
        }
        for (key, allows) in [
            ("aws:currenttime", r#"{"StringLike":{"aws:CurrentTime":"2026-06-15T12:00:*"}}"#),
            ("s3:signatureage", r#"{"StringLike":{"s3:signatureAge":["?","??","???","????"]}}"#),
            ("s3:signatureage", r#"{"DateLessThan":{"s3:signatureAge":"5000"}}"#),
        ] {
            unsure(&when("Allow", allows), nobody, key);
        }
        // In a variable of a resource, and in an operand of another key.
        let denied = |resource: &str| {
            format!(r#"{{"Effect":"Deny","Principal":"*","Action":"s3:*",{resource}}}"#)
        };
        for (key, resource) in [
            ("aws:epochtime", r#""Resource":["arn:aws:s3:::b","arn:aws:s3:::*${aws:EpochTime}"]"#),
            ("aws:currenttime", r#""Resource":"arn:aws:s3:::b/k${ aws:CurrentTime }""#),
            ("s3:signatureage", r#""Resource":"arn:aws:s3:::b/k${s3:signatureAge, ''}""#),
        ] {
            unsure(allow, &denied(resource), key);
        }
        let operand = r#"{"StringEquals":{"aws:username":"${aws:CurrentTime}"}}"#;
        unsure(allow, &when("Deny", operand), "aws:currenttime");
        // What could not apply makes nothing unsure, and neither does what is the same at every time.
        for nothing in [
            r#"{"StringEquals":{"aws:username":"nobody"},"StringLike":{"aws:CurrentTime":"2026*"}}"#,
            r#"{"Null":{"aws:CurrentTime":"true"}}"#,
            r#"{"NumericGreaterThan":{"aws:CurrentTime":"1"}}"#,
        ] {
            check(allow, &when("Deny", nothing), Some((3_600_000, PolicyLimit::Nothing)));
        }
        // What is allowed anyhow stays so.
        let also = when("Allow", r#"{"StringLike":{"aws:CurrentTime":"2026-06-15T12:00:*"}}"#);
        check(&format!("{allow},{also}"), nobody, Some((3_600_000, PolicyLimit::Nothing)));
    }

    /// It is not told to work for longer than its first moment, and the key is named on which it hangs.
    fn unsure(identity: &str, bucket: &str, key: &str) {
        match told(identity, bucket) {
            Verdict::Unknown { missing, .. } => {
                assert!(missing.contains(key), "{bucket}: {missing:?}");
            }
            Verdict::Allowed(held) => panic!("{identity} {bucket}: {held:?}"),
            Verdict::Refused(_) => panic!("{identity} {bucket}: refused"),
        }
    }

    #[test]
    fn numbers_of_every_spelling_are_found() {
        use PolicyLimit::{SignatureAge, Time};
        let allow = r#"{"Effect":"Allow",RW}"#;
        let deny = |condition: &str| format!(r#"{{"Effect":"Deny",RW,"Condition":{condition}}}"#);
        for (number, last) in [
            (".5", 0),
            ("+.5", 0),
            ("-.5", -1),
            ("0.000", 0),
            ("1.5", 1),
            ("+000600000", 600_000),
            ("00000000000000000000000000600000.25", 600_000),
        ] {
            let age =
                deny(&format!(r#"{{"NumericGreaterThan":{{"s3:signatureAge":"{number}"}}}}"#));
            check(allow, &age, (last >= 0).then_some((last, SignatureAge)));
        }
        let epoch = deny(r#"{"NumericGreaterThan":{"aws:EpochTime":"1781525000.75"}}"#);
        check(allow, &epoch, Some((200_999, Time)));
        let date = deny(r#"{"DateGreaterThan":{"aws:EpochTime":"2026-06-15T12:03:20.5Z"}}"#);
        check(allow, &date, Some((200_999, Time)));
        let far = deny(r#"{"NumericLessThan":{"s3:signatureAge":"-99999999999999999999999"}}"#);
        check(allow, &far, Some((3_600_000, PolicyLimit::Nothing)));
    }
}
