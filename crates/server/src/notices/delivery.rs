//! Rounds of delivery: what is due is tried, and what comes of it noted.

use jiff::{SignedDuration, Timestamp};
use store::{Notice, NoticeTry, StoreError};
use tokio::task::JoinSet;

use super::undelivered::Undelivered;
use super::{Notices, webhook};

/// How many notices of one account are tried in one round.
const TRIED_OF_EACH: usize = 8;
/// How many notices are tried at once.
const TRIED_AT_ONCE: usize = 16;
/// The pauses after tries that came to nothing, in seconds: ten tries in a day.
const PAUSES: [i64; 9] = [10, 60, 300, 900, 1800, 3600, 7200, 21_600, 50_400];
/// What is said of mail where none is sent.
const NO_MAIL_SERVER: &str = "no mail server is set";

impl Notices {
    /// Tries notices that are due. Says how many there were.
    pub(crate) async fn deliver(&self, now: Timestamp) -> Result<usize, StoreError> {
        let _turn = self.0.delivering.lock().await;
        let due = self.0.store.due_notices(now, TRIED_OF_EACH).await?;
        let count = due.len();
        let (mut due, mut tries) = (due.into_iter(), JoinSet::new());
        let mut all = Ok(());
        loop {
            while tries.len() < TRIED_AT_ONCE
                && let Some(notice) = due.next()
            {
                let notices = self.clone();
                tries.spawn(async move { notices.attempt(&notice, now).await });
            }
            match tries.join_next().await {
                Some(Ok(ended)) => all = all.and(ended),
                Some(Err(error)) => tracing::error!(%error, "a try to deliver a notice broke off"),
                None => break,
            }
        }
        self.count_waiting().await?;
        all.map(|()| count)
    }

    /// Notes in the metrics how many notices wait.
    async fn count_waiting(&self) -> Result<(), StoreError> {
        let waiting = self.0.store.waiting_notices().await?;
        self.0.counts.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        Ok(())
    }

    async fn attempt(&self, notice: &Notice, now: Timestamp) -> Result<(), StoreError> {
        let counts = &self.0.counts;
        let link = notice.link.short();
        let (came, counter) = match self.send(notice, now).await {
            Ok(()) => (NoticeTry::Delivered, Some(&counts.delivered)),
            Err(Undelivered { told: error, may_change }) => {
                if let Some(until) = next_try(notice.tries, now).filter(|_| may_change) {
                    tracing::debug!(link, error, "a notice of a link was put off");
                    (NoticeTry::PutOff { until, error }, None)
                } else {
                    tracing::warn!(link, error, "a notice of a link was given up");
                    (NoticeTry::Failed { error }, Some(&counts.failed))
                }
            }
        };
        let is_noted = self.0.store.end_notice_try(notice.id, came, now).await?;
        if let Some(counter) = counter.filter(|_| is_noted) {
            counter.inc();
        }
        Ok(())
    }

    async fn send(&self, notice: &Notice, now: Timestamp) -> Result<(), Undelivered> {
        if let Some(address) = notice.target.strip_prefix("mailto:") {
            let mailer = self.0.mailer.as_ref();
            let mailer = mailer.ok_or_else(|| Undelivered::for_good(NO_MAIL_SERVER))?;
            return mailer.send(notice, address).await;
        }
        // It is signed for whoever made the link.
        let link = self.0.store.managed_link(&notice.link).await;
        let link = link.map_err(|_| Undelivered::for_now("the store cannot be read"))?;
        let link = link.ok_or_else(|| Undelivered::for_good("the link is forgotten"))?;
        let secret = self.0.store.webhook_secret(&link);
        webhook::post(&self.0.outbound, notice, (&secret, now)).await
    }
}

/// When a notice is tried again that was tried so often before this time. `None`: it is given up.
fn next_try(tries_before: u64, now: Timestamp) -> Option<Timestamp> {
    let pause = PAUSES.get(usize::try_from(tries_before).ok()?)?;
    Some(now.saturating_add(SignedDuration::from_secs(*pause)).unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_tries_take_about_a_day() {
        let (mut now, mut tries) = (Timestamp::UNIX_EPOCH, 0);
        while let Some(next) = next_try(tries, now) {
            assert!(next > now);
            (now, tries) = (next, tries + 1);
        }
        assert_eq!(tries + 1, 10);
        let hours = now.duration_since(Timestamp::UNIX_EPOCH).as_hours();
        assert!((22..=25).contains(&hours), "{hours}");
    }
}
