//! Until when a permission holds: what policies that speak of time do to a link.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};

use crate::condition::{Condition, Date, Operator};
use crate::evaluate::{AccessRequest, Context, Decision, NamedPolicy, PolicySet, Values, evaluate};
use crate::policy::Statement;
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

/// Finds how long a link signed at `signed_at` and made to last until `asked` is allowed without a
/// break, as the policies stand. `None`: it is not allowed even at the moment it is signed.
///
/// The request is the one that the link will make; the three keys that time changes are computed
/// here, whatever its context says of them. A decision can change only at a value with which some
/// condition compares one of them, so that it is asked right before, at and right after each.
pub fn holds_until(
    request: &AccessRequest<'_>,
    policies: &PolicySet<'_>,
    signed_at: Timestamp,
    asked: Timestamp,
) -> Option<HoldsUntil> {
    let left = request.context.work().map_or(STEPS_MAX, Work::left);
    let work = Work::new(left.min(STEPS_MAX));
    let found = holds_within(request, policies, (signed_at, asked), &work);
    if let Some(of_request) = request.context.work() {
        of_request.spend(left.min(STEPS_MAX).saturating_sub(work.left()));
    }
    found
}

fn holds_within(
    request: &AccessRequest<'_>,
    policies: &PolicySet<'_>,
    (signed_at, asked): (Timestamp, Timestamp),
    work: &Work,
) -> Option<HoldsUntil> {
    let allowed = |at: Timestamp| {
        let context = LinkContext::new(request.context, signed_at, at, work);
        let request = AccessRequest { context: &context, ..*request };
        matches!(evaluate(&request, policies), Decision::Allow(_))
    };
    if !allowed(signed_at) {
        return None;
    }
    let mut moments = moments(policies, signed_at);
    moments.retain(|(moment, _)| *moment > signed_at && *moment <= asked);
    moments.sort_unstable_by_key(|(moment, _)| *moment);
    moments.dedup_by_key(|(moment, _)| *moment);
    let mut last = signed_at;
    for (moment, limited_by) in moments {
        if !allowed(moment) {
            return Some(HoldsUntil { at: last, limited_by });
        }
        last = moment;
    }
    // The first refusal may lie between two moments only if it lies at one.
    Some(HoldsUntil { at: asked.max(signed_at), limited_by: PolicyLimit::Nothing })
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
        let found = holds_until(&request, &policies, signed_at, asked);
        let found = found
            .map(|held| (held.at.as_millisecond() - signed_at.as_millisecond(), held.limited_by));
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
