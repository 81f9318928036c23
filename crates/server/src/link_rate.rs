//! Holds the bodies of a link to its rate, over all connections that use the link at once.

use std::collections::HashMap;
use std::future::Future as _;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use presign::Fingerprint;
use tokio::time::{Instant, Sleep};

/// A piece is sent for each of so many parts of a second: shorter pieces come more evenly and cost more.
const PIECES_A_SECOND: u64 = 8;
/// What is through sooner goes on at once: no timer is as fine, and those behind wait for it all the same.
const TICK: Duration = Duration::from_millis(1);
/// The most bodies of one link at a time; each request counts as two.
const BODIES_MAX: usize = 32;
/// After so many links that have a rate, those that nobody uses any more are looked for.
const LINKS_FREE: usize = 1024;

/// The rates of the links that are being used.
#[derive(Debug, Default)]
pub(crate) struct LinkRates(Mutex<HashMap<Fingerprint, Weak<Lane>>>);

/// The bytes of one link, one after the other.
#[derive(Debug)]
struct Lane {
    rate: NonZeroU64,
    /// When the bytes that were let in so far are through.
    free_at: Mutex<Instant>,
}

/// One body on its link's lane.
#[derive(Debug)]
pub(crate) struct Throttle {
    lane: Arc<Lane>,
    /// Until its next bytes may pass, and how long these take.
    waiting: Option<(Pin<Box<Sleep>>, Duration)>,
}

impl LinkRates {
    /// The throttle of another body of a link. `None`: there are too many of them already.
    pub(crate) fn throttle(&self, link: Fingerprint, rate: NonZeroU64) -> Option<Throttle> {
        let mut lanes = lock(&self.0);
        if lanes.len() >= LINKS_FREE && !lanes.contains_key(&link) {
            lanes.retain(|_, lane| lane.strong_count() > 0);
        }
        let known = lanes.get(&link).and_then(Weak::upgrade);
        let lane = known.unwrap_or_else(|| {
            let lane = Arc::new(Lane { rate, free_at: Mutex::new(Instant::now()) });
            lanes.insert(link, Arc::downgrade(&lane));
            lane
        });
        // The map holds none itself.
        (Arc::strong_count(&lane) <= BODIES_MAX).then_some(Throttle { lane, waiting: None })
    }
}

impl Lane {
    /// Lets so many bytes in, behind those that are before them. Says when they are through.
    fn enter(&self, bytes: u64) -> (Instant, Duration) {
        let mut free_at = lock(&self.free_at);
        let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(self.rate.get());
        let takes = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        let begins = (*free_at).max(Instant::now());
        *free_at = begins.checked_add(takes).unwrap_or(begins);
        (*free_at, takes)
    }

    /// Lets those behind come earlier: the bytes that were let in never come.
    fn leave(&self, takes: Duration) {
        let mut free_at = lock(&self.free_at);
        *free_at = free_at.checked_sub(takes).unwrap_or(*free_at).max(Instant::now());
    }
}

impl Throttle {
    /// How long a piece may be.
    pub(crate) fn piece_bytes_max(&self) -> usize {
        let bytes = (self.lane.rate.get() / PIECES_A_SECOND).max(1);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// Waits until so many bytes may go on. Whoever asks again after `Pending` asks for the same bytes.
    pub(crate) fn poll_pass(&mut self, context: &mut Context<'_>, bytes: usize) -> Poll<()> {
        let waiting = match &mut self.waiting {
            Some((waiting, _)) => waiting,
            waiting @ None => {
                let (through, takes) = self.lane.enter(u64::try_from(bytes).unwrap_or(u64::MAX));
                if through.saturating_duration_since(Instant::now()) < TICK {
                    return Poll::Ready(());
                }
                &mut waiting.insert((Box::pin(tokio::time::sleep_until(through)), takes)).0
            }
        };
        ready!(waiting.as_mut().poll(context));
        self.waiting = None;
        Poll::Ready(())
    }

    /// Waits until so many bytes may go on.
    pub(crate) async fn pass(&mut self, bytes: usize) {
        std::future::poll_fn(|context| self.poll_pass(context, bytes)).await;
    }
}

impl Drop for Throttle {
    fn drop(&mut self) {
        if let Some((_, takes)) = self.waiting.take() {
            self.lane.leave(takes);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(n: u8) -> Fingerprint {
        Fingerprint::of_signature(&[n])
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_of_one_link_share_its_rate_and_others_have_their_own() {
        let rates = LinkRates::default();
        let rate = NonZeroU64::new(1000).unwrap();
        let begun = Instant::now();
        let mut bodies =
            [rates.throttle(link(1), rate).unwrap(), rates.throttle(link(1), rate).unwrap()];
        let mut other = rates.throttle(link(2), rate).unwrap();
        for _ in 0..4 {
            for body in &mut bodies {
                body.pass(125).await;
            }
        }
        assert_eq!(begun.elapsed().as_millis(), 1000);
        let begun = Instant::now();
        other.pass(500).await;
        assert_eq!(begun.elapsed().as_millis(), 500);
        // What nobody sends is not saved up.
        tokio::time::sleep(Duration::from_mins(1)).await;
        let begun = Instant::now();
        bodies[0].pass(1000).await;
        assert_eq!(begun.elapsed().as_millis(), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn many_small_bodies_take_as_long_as_a_large_one() {
        let rates = LinkRates::default();
        let mut body = rates.throttle(link(1), NonZeroU64::new(1_000_000).unwrap()).unwrap();
        let begun = Instant::now();
        for _ in 0..10_000 {
            body.pass(100).await;
        }
        assert!((998..=1000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_holds_up_nobody() {
        let rates = LinkRates::default();
        let rate = NonZeroU64::new(1000).unwrap();
        let mut bodies: Vec<_> = std::iter::from_fn(|| rates.throttle(link(1), rate)).collect();
        assert_eq!(bodies.len(), BODIES_MAX);
        for body in &mut bodies {
            let mut passing = std::pin::pin!(body.pass(1000));
            let first = std::future::poll_fn(|context| Poll::Ready(passing.as_mut().poll(context)));
            assert!(first.await.is_pending());
        }
        drop(bodies);
        let begun = Instant::now();
        rates.throttle(link(1), rate).unwrap().pass(1000).await;
        assert_eq!(begun.elapsed().as_millis(), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn links_that_nobody_uses_are_forgotten() {
        let rates = LinkRates::default();
        let rate = NonZeroU64::new(1024).unwrap();
        let held = rates.throttle(link(1), rate).unwrap();
        for n in 0..3000_u32 {
            rates.throttle(Fingerprint::of_signature(&n.to_be_bytes()), rate).unwrap();
        }
        assert!(lock(&rates.0).len() <= LINKS_FREE);
        assert!(lock(&rates.0).contains_key(&link(1)));
        assert_eq!(held.piece_bytes_max(), 128);
    }
}
