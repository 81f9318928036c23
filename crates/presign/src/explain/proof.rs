//! Whether the signature of a link holds, and the one change that makes it hold.

use super::allows::decoded_pairs;
use super::attempt::{Attempt, ClaimFacts, Prover};
use super::cause::{Cause, CauseCode};
use super::changes::{self, Change, Original};
use super::{
    EXPLAIN_HASHED_BYTES_MAX, EXPLAIN_PARAMETERS_MAX, EXPLAIN_TRIES_MAX, MissingFact, refusal,
};
use crate::claim::{ExpectedScope, Mechanism, SigV2Use, VerifyError};
use crate::credentials::SecretAccessKey;

/// What a request has beyond its text, for the count of bytes that are hashed.
const REQUEST_BYTES: usize = 1024;
/// What a parameter costs beyond its text, as if so many bytes were hashed.
const PARAMETER_BYTES: usize = 16;

/// What is known of the signature.
pub(super) struct Proof {
    pub holds: Option<bool>,
    /// The method that it is for.
    pub method: Option<String>,
    pub causes: Vec<Cause>,
    /// What may be the cause, if it does not hold.
    pub likely: Vec<Cause>,
    pub missing: Vec<MissingFact>,
}

impl Proof {
    /// Nothing is known yet.
    fn unknown() -> Self {
        let (causes, likely, missing) = (Vec::new(), Vec::new(), Vec::new());
        Self { holds: None, method: None, causes, likely, missing }
    }
}

/// Signed headers that the request has neither as headers nor in its query.
fn absent_headers(attempt: &Attempt, facts: &ClaimFacts) -> Vec<String> {
    let is_absent = |name: &&String| {
        let in_query = name.starts_with("x-amz-") && attempt.query_value(name).is_some();
        *name != "host" && attempt.header(name).is_none() && !in_query
    };
    facts.signed_headers.iter().filter(is_absent).cloned().collect()
}

/// Whether the question describes a request, so that a header which it does not name is not sent.
fn is_described(original: &Original<'_>) -> bool {
    original.question.method.is_some() || !original.question.headers.is_empty()
}

/// Without the secret, or with a signature that cannot be one.
pub(super) fn without_proof(original: &Original<'_>, facts: &ClaimFacts) -> Proof {
    let attempt = original.attempt;
    let absent = absent_headers(attempt, facts);
    let mut proof = Proof { missing: vec![MissingFact::Secret], ..Proof::unknown() };
    if !absent.is_empty() {
        let cause = refusal::of_missing_headers(&absent, None);
        if is_described(original) {
            proof.causes.push(cause);
        } else {
            proof.likely.push(cause);
            proof.missing.push(MissingFact::Headers);
        }
    }
    let pairs = decoded_pairs(&attempt.query);
    let tracking: Vec<&str> =
        pairs.iter().map(|(name, _)| &**name).filter(|name| changes::is_tracking(name)).collect();
    if !tracking.is_empty() && facts.mechanism == Mechanism::V4Query {
        proof.likely.push(Cause::new(
            CauseCode::ParameterAdded,
            format!(
                "Parameters of a kind that mail and marketing tools add are in the link: {}.",
                tracking.join(", ")
            ),
            "Use the link without them.",
        ));
    }
    proof
}

/// AWS and Valet name the keys of sessions so, and of no others; they work with their token alone.
pub(super) fn lost_token(facts: &ClaimFacts) -> Option<Cause> {
    let is_lost = facts.access_key_id.starts_with("ASIA") && !facts.has_token;
    is_lost.then(|| {
        Cause::new(
            CauseCode::SessionToken,
            "The key is that of a session (ASIA…), and the link has no X-Amz-Security-Token.",
            "Sign with the session token as well (AWS_SESSION_TOKEN), or use the whole link.",
        )
    })
}

/// Whether the signature holds, and if not, the one change that makes it hold.
pub(super) fn prove(
    original: &Original<'_>,
    facts: &ClaimFacts,
    secret: &SecretAccessKey,
) -> Proof {
    let given = original.attempt;
    // Headers that must not be sent are a cause already; the signature is judged without them.
    let unsigned = unsigned_headers(given, facts);
    let cleared = changes::without_headers(given, &unsigned);
    let cleared = Original { attempt: &cleared, ..*original };
    let mut budget = Budget::of(original);
    let absent = absent_headers(cleared.attempt, facts);
    if !absent.is_empty() {
        return prove_headers(&cleared, &absent, secret, &mut budget);
    }
    let mut proof = Proof { holds: Some(true), ..Proof::unknown() };
    let prover = prover(&cleared, secret);
    if let Some(method) = cleared.attempt.verified(&prover) {
        proof.method = Some(method.to_owned());
        return proof;
    }
    proof.holds = Some(false);
    let found = budget.first_that_holds(|| changes::of_request(&cleared, facts), &prover);
    if let Some(Change { attempt, cause }) = found {
        proof.method = attempt.verified(&prover).map(str::to_owned);
        proof.causes.push(cause);
        return proof;
    }
    proof.causes.push(other_secret(&cleared, secret, &mut budget));
    proof
}

/// What the header check of a verifier would refuse.
fn unsigned_headers(attempt: &Attempt, facts: &ClaimFacts) -> Vec<String> {
    let Some(then) = facts.life.from.or(facts.life.until) else { return Vec::new() };
    match attempt.admitted(&own_scope(facts), then) {
        Err(VerifyError::HeadersNotSigned { names }) => names,
        Ok(()) | Err(_) => Vec::new(),
    }
}

/// Signed headers are not sent: the signature can only be judged where their value is guessed.
fn prove_headers(
    original: &Original<'_>,
    absent: &[String],
    secret: &SecretAccessKey,
    budget: &mut Budget,
) -> Proof {
    let prover = prover(original, secret);
    let mut proof = Proof::unknown();
    let mut known = None;
    if let [name] = absent {
        for (value, attempt) in changes::missing_values(original.attempt, name) {
            // With any method: a link for an upload may have been used for a download.
            let attempt = Attempt { method: None, ..attempt };
            if !budget.takes(attempt.methods().len()) {
                break;
            }
            if let Some(method) = attempt.verified(&prover) {
                proof.method = Some(method.to_owned());
                known = Some((name.as_str(), value));
                break;
            }
        }
    }
    let used = original.attempt.method.as_deref();
    let known = known.as_ref().map(|(name, value)| (*name, value.as_str()));
    let cause = refusal::of_missing_headers(absent, known);
    if is_described(original) {
        proof.causes.push(cause);
    } else {
        proof.likely.push(cause);
        proof.missing.push(MissingFact::Headers);
    }
    if let (Some(used), Some(signed)) = (used, proof.method.as_deref())
        && used != signed
    {
        proof.causes.insert(
            0,
            Cause::new(
                CauseCode::Method,
                format!("The link is signed for {signed}, and is used with {used}."),
                format!("Use {signed}, or sign a link for {used}."),
            ),
        );
    }
    proof
}

/// Nothing that was done to the request explains it: it was signed with another secret, or in another way.
fn other_secret(original: &Original<'_>, secret: &SecretAccessKey, budget: &mut Budget) -> Cause {
    let text = secret.expose();
    let trimmed = text.trim();
    let spellings = [
        trimmed.to_owned(),
        format!("{trimmed}\n"),
        format!("{trimmed}\r\n"),
        format!("{trimmed}\r"),
        format!("{trimmed} "),
        format!(" {trimmed}"),
        format!("\"{trimmed}\""),
        format!("'{trimmed}'"),
    ];
    for spelling in spellings {
        let other = SecretAccessKey::new(spelling);
        let is_other = other.expose() != text;
        let tries = original.attempt.methods().len();
        if is_other
            && budget.takes(tries)
            && original.attempt.verified(&prover(original, &other)).is_some()
        {
            return Cause::new(
                CauseCode::Secret,
                "The link was signed with the right secret and a blank, line end or quote around it.",
                "Take what does not belong to the secret out of the signer's configuration, and sign a new link.",
            );
        }
    }
    Cause::new(
        CauseCode::Secret,
        "The signature does not hold, and no single change that was tried makes it hold: the link was signed for \
         another address, with another secret, or changed in a way that was not tried.",
        "Check the address that the signer signs for (--endpoint-url, AWS_ENDPOINT_URL), then its secret (a newer or \
         older one of the same key?), and sign a new link.",
    )
}

/// How much may still be tried.
pub(super) struct Budget {
    tries: usize,
}

impl Budget {
    pub(super) fn of(original: &Original<'_>) -> Self {
        let headers = original.question.headers.iter();
        let header_bytes: usize = headers.map(|(name, value)| name.len() + value.len()).sum();
        let parameters = original.attempt.query.split('&').count();
        let each =
            original.text.len() + header_bytes + REQUEST_BYTES + parameters * PARAMETER_BYTES;
        // Each guess reads, sorts and joins all parameters.
        let is_usual = parameters <= EXPLAIN_PARAMETERS_MAX;
        let tries = EXPLAIN_TRIES_MAX.min(EXPLAIN_HASHED_BYTES_MAX / each);
        Self { tries: if is_usual { tries } else { 0 } }
    }

    /// Whether anything is tried at all.
    pub(super) fn is_spent(&self) -> bool {
        self.tries == 0
    }

    /// The first change by which the signature holds. What is no longer tried is not made either.
    pub(super) fn first_that_holds<I: Iterator<Item = Change>>(
        &mut self,
        changes: impl FnOnce() -> I,
        prover: &Prover<'_>,
    ) -> Option<Change> {
        if self.is_spent() {
            return None;
        }
        for change in changes() {
            if self.proves(&change, prover) {
                return Some(change);
            }
            if self.is_spent() {
                return None;
            }
        }
        None
    }

    /// `false`: it is spent.
    fn takes(&mut self, tries: usize) -> bool {
        let left = self.tries.checked_sub(tries);
        self.tries = left.unwrap_or(0);
        left.is_some()
    }

    fn proves(&mut self, change: &Change, prover: &Prover<'_>) -> bool {
        let tries = change.attempt.methods().len() * (1 + prover.declared.len());
        self.takes(tries) && change.attempt.verified(prover).is_some()
    }
}

pub(super) fn own_scope(facts: &ClaimFacts) -> ExpectedScope<'_> {
    match &facts.scope {
        Some((region, service)) => ExpectedScope::new(region, service),
        None => ExpectedScope::new("", "s3"),
    }
    .with_sigv2(SigV2Use::Allow)
}

pub(super) fn prover<'p>(original: &'p Original<'_>, secret: &'p SecretAccessKey) -> Prover<'p> {
    Prover { secret, declared: original.question.declared }
}
