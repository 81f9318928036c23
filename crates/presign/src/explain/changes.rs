//! What may have happened to a request between its signer and whoever has it now: each [`Change`] is the request as
//! it would have been, and the cause that it would prove.

mod header;
mod path;
mod place;
mod query;
mod text;

use super::ExplainQuestion;
use super::attempt::{Attempt, ClaimFacts};
use super::cause::{Cause, CauseCode};
use super::pasted::UrlParts;

pub(super) use header::{missing_values, without_headers};
pub(super) use query::is_tracking;

/// A request as it may have been signed.
pub(super) struct Change {
    pub attempt: Attempt,
    pub cause: Cause,
}

impl Change {
    fn new(
        attempt: Attempt,
        code: CauseCode,
        text: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { attempt, cause: Cause::new(code, text, mend) }
    }
}

/// What the changes are changes of.
pub(super) struct Original<'o> {
    pub question: &'o ExplainQuestion<'o>,
    pub text: &'o str,
    pub parts: &'o UrlParts,
    pub attempt: &'o Attempt,
}

/// Those by which a text becomes a signed request at all.
pub(super) fn of_text<'o>(original: &'o Original<'o>) -> impl Iterator<Item = Change> + 'o {
    let makes: [fn(&Original<'_>) -> Vec<Change>; 3] =
        [text::changes, query::spellings, header::authorization];
    makes.into_iter().flat_map(move |make| make(original))
}

/// Those by which another signed request becomes the one that was signed, the likeliest first.
pub(super) fn of_request<'o>(
    original: &'o Original<'o>,
    facts: &'o ClaimFacts,
) -> impl Iterator<Item = Change> + 'o {
    let makes: [fn(&Original<'_>, &ClaimFacts) -> Vec<Change>; 10] = [
        place::methods,
        |original, _| text::changes(original),
        place::ports,
        place::hosts,
        path::prefixes,
        path::spellings,
        header::changes,
        query::additions,
        query::changes,
        query::removals,
    ];
    makes.into_iter().flat_map(move |make| make(original, facts))
}
