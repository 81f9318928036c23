//! The hint for whoever holds a link whose signature does not hold: the one change that would make it hold, if there is
//! one. The holder could find it by trying. It costs more than the refusal itself, so few are found a second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use presign::{Cause, ExplainQuestion, SecretAccessKey, explain};
use tokio::time::Instant;

use super::searches::Searches;
use crate::head::Head;

/// How many hints are looked for in a second, for the whole process.
const HINTS_A_SECOND: u32 = 10;

/// How many hints were looked for in this second, and whether one is.
#[derive(Debug)]
pub(super) struct Hints(Mutex<(Instant, u32)>, Searches);

impl Default for Hints {
    fn default() -> Self {
        Self(Mutex::new((Instant::now(), 0)), Searches::default())
    }
}

impl Hints {
    fn take(&self) -> bool {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.0.elapsed() >= Duration::from_secs(1) {
            *taken = (Instant::now(), 0);
        }
        taken.1 = taken.1.saturating_add(1);
        taken.1 <= HINTS_A_SECOND
    }

    /// Looks for the cause in a thread that may take its time.
    pub(super) async fn find(
        &self,
        head: &Head<'_>,
        secret: &SecretAccessKey,
        now: Timestamp,
    ) -> Option<Cause> {
        if !self.take() {
            return None;
        }
        let signed = head.signed_part();
        let host = signed.header("host").map(|host| String::from_utf8_lossy(host).into_owned())?;
        let scheme = if head.secure() { "https" } else { "http" };
        let url = format!("{scheme}://{host}{}?{}", signed.path, signed.query);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = signed.headers.iter().filter(|(name, _)| *name != "host");
        let headers: Vec<_> =
            headers.map(|(name, value)| ((*name).to_owned(), text(value))).collect();
        let (method, secret) = (signed.method.to_owned(), secret.clone());
        let found = self.1.run_if_free(move || {
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (&**name, &**value)).collect();
            let mut question = ExplainQuestion::new(&url);
            question.method = Some(&method);
            question.headers = &headers;
            question.secret = Some(&secret);
            explain(&question, now).ok()?.causes.into_iter().next()
        });
        found.await.flatten()
    }
}
