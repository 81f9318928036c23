//! Says of a link what it allows, until when, and why it does not work: [`explain`].

mod allows;
mod attempt;
mod cause;
mod changes;
mod note;
mod pasted;
mod proof;
mod refusal;

use std::fmt;

use jiff::Timestamp;

use crate::claim::{ExpectedScope, Mechanism, VerifyError};
use crate::conditions::LinkConditions;
use crate::credentials::{SecretAccessKey, SessionToken};
use crate::key::Fingerprint;
use crate::presign::Endpoint;
use allows::decoded_pairs;
use attempt::{Attempt, ClaimFacts};
use changes::{Change, Original};
use pasted::{Pasted, UrlParts};
use proof::{Budget, Proof, lost_token, own_scope, prove, prover, without_proof};

pub use allows::{ExpiryLimit, LinkFreedom, LinkGrant};
pub use cause::{Cause, CauseCode};
pub use note::LinkNote;
pub use pasted::EXPLAIN_TEXT_BYTES_MAX;

/// The most requests that one explanation tries as the one that was signed.
pub const EXPLAIN_TRIES_MAX: usize = 4096;

/// The most parameters of a link of which changes are tried: a longer query is only read as it is.
pub const EXPLAIN_PARAMETERS_MAX: usize = 128;

/// The most bytes of requests that one explanation hashes: a long link is tried in fewer ways.
pub const EXPLAIN_HASHED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A link as somebody has it, and what the one who asks knows besides: an input of [`explain`].
///
/// [`ExplainQuestion::new`] knows nothing but the text; set what is known besides.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ExplainQuestion<'q> {
    /// The text, as it was pasted: the link may be escaped, cut off, broken into lines or in quotes.
    pub text: &'q str,
    /// The method that it is used with; `None`: whatever it is good for.
    pub method: Option<&'q str>,
    /// Headers that are sent with it, names in any case. `host` stands for the host of the URL.
    pub headers: &'q [(&'q str, &'q str)],
    /// The place that the link must be signed for; `None`: the one that it names.
    pub expected: Option<ExpectedScope<'q>>,
    /// The secret of the key that the link names: without it nobody can tell whether a signature holds.
    pub secret: Option<&'q SecretAccessKey>,
    /// The token of the session that the key is of, where it is one.
    pub session_token: Option<&'q SessionToken>,
    /// Other names of the server, at which it takes any request for signed.
    pub declared: &'q [Endpoint],
    /// Other names of the server, for which the link may have been signed by mistake.
    pub origins: &'q [Endpoint],
    /// Names before which a host has a bucket: `BUCKET.NAME`. Others are guessed.
    pub domains: &'q [&'q str],
}

impl<'q> ExplainQuestion<'q> {
    /// A text of which nothing else is known.
    pub const fn new(text: &'q str) -> Self {
        Self {
            text,
            method: None,
            headers: &[],
            expected: None,
            secret: None,
            session_token: None,
            declared: &[],
            origins: &[],
            domains: &[],
        }
    }
}

impl ExplainQuestion<'_> {
    /// The request that the text means, mended so far that it can be read as a signed one; `None`: it cannot.
    ///
    /// For whoever judges further than [`explain`] can. What is wrong with its signature is not mended.
    pub fn request(&self) -> Option<LinkRequest> {
        let text = Pasted::of(self.text).ok()?.text;
        let parts = UrlParts::of(&text);
        let attempt = Attempt::of(&parts, self);
        let original = Original { question: self, text: &text, parts: &parts, attempt: &attempt };
        let is_signed = |attempt: &Attempt| matches!(attempt.read(), Ok(Some(_)));
        if is_signed(&attempt) {
            return Some(attempt.into());
        }
        let mended = changes::of_text(&original).find(|change| is_signed(&change.attempt))?;
        Some(mended.attempt.into())
    }
}

/// The request that a link means. It is a credential: debug output does not show it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkRequest {
    /// With its port, as a client sends it.
    pub host: String,
    /// In wire form, but for what clients encode.
    pub path: String,
    /// In wire form, without its `?`.
    pub query: String,
    /// The headers that are sent, names in lower case, without `host`.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl LinkRequest {
    /// The session token that it has, in its query or among its headers.
    pub fn session_token(&self) -> Option<String> {
        let of_header = self.headers.iter().find(|(name, _)| name == "x-amz-security-token");
        let of_header = of_header.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
        let mut pairs = decoded_pairs(&self.query).into_iter();
        of_header.or_else(|| {
            pairs
                .find(|(name, _)| name.eq_ignore_ascii_case("x-amz-security-token"))
                .map(|(_, value)| value)
        })
    }
}

impl From<Attempt> for LinkRequest {
    fn from(attempt: Attempt) -> Self {
        let Attempt { host, path, query, headers, .. } = attempt;
        Self { host, path, query, headers }
    }
}

impl fmt::Debug for LinkRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LinkRequest(..)")
    }
}

/// Prints neither the link nor a secret.
impl fmt::Debug for ExplainQuestion<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ExplainQuestion")
            .field("text_bytes", &self.text.len())
            .field("method", &self.method)
            .field("has_secret", &self.secret.is_some())
            .finish_non_exhaustive()
    }
}

/// Why nothing can be said of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// The text is longer than [`EXPLAIN_TEXT_BYTES_MAX`].
    #[error("a link has at most {EXPLAIN_TEXT_BYTES_MAX} bytes")]
    TooLong,
    /// There is no URL in the text, and nothing of a signature.
    #[error("there is no link in the text")]
    NotALink,
    /// It is signed as CloudFront signs, for a distribution.
    #[error(
        "this URL is signed for a distribution, not for a bucket: what the distribution answers says why it does not open"
    )]
    Distribution,
}

/// Whether a link works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkVerdict {
    /// Nothing that was asked speaks against it.
    Works,
    /// It does not, for the causes that are given.
    Fails,
    /// That cannot be told without what is missing.
    Unknown,
}

impl LinkVerdict {
    /// `yes`, `no` or `unknown`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Works => "yes",
            Self::Fails => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// What would have to be known to tell whether a link works.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingFact {
    /// The secret of the key.
    Secret,
    /// The values of the headers that are to be sent with it.
    Headers,
    /// Whether the host of the link leads to the server. Only a server can miss it.
    Host,
    /// The policies of the signer.
    Policies,
    /// When the session that signed it ends.
    Session,
    /// The value of this condition key of the policies, in lower case.
    ConditionKey(String),
}

impl MissingFact {
    /// The word for it, for instance `secret`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Secret => "secret",
            Self::Headers => "headers",
            Self::Host => "host",
            Self::Policies => "policies",
            Self::Session => "session",
            Self::ConditionKey(key) => key,
        }
    }
}

/// What is to be said of a link. Nothing in it is a secret, a signature or a whole link.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// Whether it works.
    pub works: LinkVerdict,
    /// What would have to be known to tell.
    pub missing: Vec<MissingFact>,
    /// Why it does not work, the likeliest first.
    pub causes: Vec<Cause>,
    /// What it allows; `None` where the text is not readable as a link.
    pub allows: Option<LinkGrant>,
    /// What whoever has it may choose.
    pub unsigned: Vec<LinkFreedom>,
    /// What is worth knowing of it.
    pub notes: Vec<LinkNote>,
    /// Its conditions; none where they cannot be read, which is a cause then.
    pub conditions: LinkConditions,
    /// The name of its signature.
    pub fingerprint: Option<Fingerprint>,
    /// Whether its signature holds; `None`: that was not to be told without the secret.
    pub signature_holds: Option<bool>,
}

/// Says of a link what it allows, until when, and why it does not work.
///
/// With the secret of its key it finds the one change that would make its signature hold: another method, host, port
/// or path, a parameter or header that was added, lost or changed. Every guess is a request that is read and verified
/// as a server would, so what is said to be the cause is. At most [`EXPLAIN_TRIES_MAX`] are tried.
///
/// ```
/// use presign::{CauseCode, ExplainQuestion, LinkVerdict, SecretAccessKey, explain};
///
/// let link = "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
///      &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
///      &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
///      &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
/// let now = "2013-05-24T12:00:00Z".parse()?;
/// let secret = SecretAccessKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
///
/// let mut question = ExplainQuestion::new(link);
/// assert_eq!(explain(&question, now)?.works, LinkVerdict::Unknown);
/// question.secret = Some(&secret);
/// assert_eq!(explain(&question, now)?.works, LinkVerdict::Works);
/// question.method = Some("HEAD");
/// assert_eq!(explain(&question, now)?.causes[0].code, CauseCode::Method);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn explain(
    question: &ExplainQuestion<'_>,
    now: Timestamp,
) -> Result<Explanation, ExplainError> {
    let Pasted { text, was_tidied } = Pasted::of(question.text)?;
    let parts = UrlParts::of(&text);
    let attempt = Attempt::of(&parts, question);
    let has = |name: &str| attempt.query_value(name).is_some();
    if has("Key-Pair-Id") && (has("Policy") || has("Expires")) {
        return Err(ExplainError::Distribution);
    }
    let original = Original { question, text: &text, parts: &parts, attempt: &attempt };
    let mut explanation = match attempt.read() {
        Ok(Some(facts)) => of_readable(&original, &facts, now),
        Ok(None) if !pasted::may_be_link(&text) && !refusal::is_of_others(&attempt) => {
            return Err(ExplainError::NotALink);
        }
        Ok(None) => of_unreadable(&original, refusal::of_anonymous(&attempt, &parts), now),
        Err(error) => of_unreadable(&original, refusal::of_claim_error(&error, &attempt), now),
    };
    if was_tidied {
        explanation.notes.insert(0, LinkNote::Tidied);
    }
    Ok(explanation)
}

/// A text that is no signed request, but may become one.
fn of_unreadable(original: &Original<'_>, refusal: Cause, now: Timestamp) -> Explanation {
    let mut budget = Budget::of(original);
    let proven = original.question.secret.and_then(|secret| {
        let prover = prover(original, secret);
        budget.first_that_holds(|| changes::of_text(original), &prover)
    });
    let mended = proven.or_else(|| {
        let is_tried = !Budget::of(original).is_spent();
        is_tried.then(|| changes::of_text(original))?.find(|change| {
            let facts = change.attempt.read();
            facts.is_ok_and(|facts| {
                facts.is_some_and(|it| refusal::of_signature_text(&change.attempt, &it).is_none())
            })
        })
    });
    let facts = mended.as_ref().and_then(|change| change.attempt.read().ok().flatten());
    if let Some((Change { attempt, cause }, facts)) = mended.zip(facts) {
        let mended = Original { attempt: &attempt, ..*original };
        let mut explanation = of_readable(&mended, &facts, now);
        explanation.works = LinkVerdict::Fails;
        explanation.missing = Vec::new();
        explanation.causes.insert(0, cause);
        return explanation;
    }
    Explanation {
        works: LinkVerdict::Fails,
        missing: Vec::new(),
        causes: vec![refusal],
        allows: None,
        unsigned: Vec::new(),
        notes: Vec::new(),
        conditions: LinkConditions::default(),
        fingerprint: None,
        signature_holds: None,
    }
}

/// A request that says who signed it.
fn of_readable(original: &Original<'_>, facts: &ClaimFacts, now: Timestamp) -> Explanation {
    let attempt = original.attempt;
    let mut causes = place_and_time(original, facts, now);
    let conditions = conditions(attempt, facts, now, &mut causes);
    let malformed = refusal::of_signature_text(attempt, facts);
    let is_whole = malformed.is_none();
    causes.extend(malformed);
    causes.extend(lost_token(facts));
    let proof = match original.question.secret {
        Some(secret) if is_whole => prove(original, facts, secret),
        Some(_) | None => without_proof(original, facts),
    };
    let Proof { holds, method, causes: of_signature, likely, mut missing } = proof;
    let known = method.as_deref().or(attempt.method.as_deref());
    let grant = LinkGrant::of(attempt, facts, known, &conditions);
    for cause in of_signature {
        let is_said = |known: &Cause| {
            known.code == cause.code
                && (known.text == cause.text || cause.code == CauseCode::SessionToken)
        };
        if !causes.iter().any(is_said) {
            causes.push(cause);
        }
    }
    let works = match (causes.is_empty(), holds) {
        (false, _) | (true, Some(false)) => LinkVerdict::Fails,
        (true, Some(true)) if missing.is_empty() => LinkVerdict::Works,
        (true, Some(true) | None) => LinkVerdict::Unknown,
    };
    if works == LinkVerdict::Fails {
        missing.clear();
    }
    causes.extend(likely);
    Explanation {
        works,
        missing,
        causes,
        unsigned: LinkFreedom::of_link(attempt, facts, &grant, &conditions),
        notes: LinkNote::of_link(attempt, facts, &grant),
        allows: Some(grant),
        conditions,
        fingerprint: Some(facts.fingerprint),
        signature_holds: holds,
    }
}

/// Why the link is not in its time or place, whoever signed it.
fn place_and_time(original: &Original<'_>, facts: &ClaimFacts, now: Timestamp) -> Vec<Cause> {
    let attempt = original.attempt;
    let own = own_scope(facts);
    let expected = original.question.expected.unwrap_or(own);
    // The place that it names itself, at a time when it is valid: what is wrong then is wrong always.
    let always = facts.life.from.or(facts.life.until);
    let first = attempt.admitted(&expected, now).err();
    let others = always.and_then(|then| attempt.admitted(&own, then).err());
    let elsewhere = always.and_then(|then| attempt.admitted(&expected, then).err());
    let mut errors: Vec<VerifyError> = Vec::new();
    for error in [first, elsewhere, others].into_iter().flatten() {
        let kind = std::mem::discriminant(&error);
        if !errors.iter().any(|known| std::mem::discriminant(known) == kind) {
            errors.push(error);
        }
    }
    errors.iter().flat_map(|error| refusal::of_verify_error(error, facts)).collect()
}

/// Reads what Valet adds to a link; what cannot be kept is a cause.
fn conditions(
    attempt: &Attempt,
    facts: &ClaimFacts,
    now: Timestamp,
    causes: &mut Vec<Cause>,
) -> LinkConditions {
    let pairs = decoded_pairs(&attempt.query);
    let names_one = pairs.iter().any(|(name, _)| LinkConditions::is_condition(name));
    if names_one && facts.mechanism != Mechanism::V4Query {
        causes.push(Cause::new(
            CauseCode::ParameterAdded,
            "Conditions (x-valet-*) count on links of SigV4 alone, which sign them.",
            "Sign the link with SigV4, or without conditions.",
        ));
        return LinkConditions::default();
    }
    match LinkConditions::read(pairs.iter().map(|(name, value)| (&**name, &**value))) {
        Ok(conditions) => {
            if let Some(opens) = conditions.not_before.filter(|opens| now < opens.timestamp()) {
                causes.push(Cause::new(
                    CauseCode::NotYet,
                    format!("The link opens at {}.", opens.timestamp()),
                    "Wait until then.",
                ));
            }
            conditions
        }
        Err(error) => {
            causes.push(refusal::of_condition_error(&error));
            LinkConditions::default()
        }
    }
}
