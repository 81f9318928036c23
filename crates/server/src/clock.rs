//! The only file that reads the time: once a request, passed down from there.

use jiff::Timestamp;

/// The time at which a request is judged.
#[expect(clippy::disallowed_methods, reason = "this is the one place where time enters")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
