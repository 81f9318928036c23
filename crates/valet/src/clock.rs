//! The one place where a client command reads the time.

use jiff::Timestamp;

/// Now, as the machine believes.
#[expect(clippy::disallowed_methods, reason = "this is where time enters; it is passed on")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
