//! Fair shares of the connections: how many of them one address may have.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How often, at most, the log says that an address was refused.
const TOLD_PERIOD: Duration = Duration::from_mins(1);

/// What counts as one client: an IPv4 address, or a /64 network of IPv6, which is what one subscriber gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Neighbour(IpAddr);

impl Neighbour {
    pub(crate) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let network = u128::from(address) >> 64 << 64;
                IpAddr::V6(network.into())
            }
        })
    }
}

/// How many connections each address has, and how many it may have.
#[derive(Debug)]
pub(crate) struct Shares {
    /// The most for one address; 0 means no limit.
    most: u32,
    taken: Mutex<HashMap<Neighbour, Taken>>,
    told_at: Mutex<Option<Instant>>,
}

/// What one address holds.
#[derive(Debug, Default)]
struct Taken {
    count: u32,
    documents: Arc<AtomicUsize>,
}

impl Shares {
    /// At most `most` for each address; 0 means no limit.
    pub(crate) fn new(most: u32) -> Self {
        Self { most, taken: Mutex::default(), told_at: Mutex::default() }
    }

    /// Counts one more connection of an address. `None`: the address has as many as it may.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Share> {
        if self.most == 0 {
            return Some(Share::unlimited());
        }
        let neighbour = Neighbour::of(address);
        let mut taken = self.lock();
        let has = taken.entry(neighbour).or_default();
        if has.count >= self.most {
            drop(taken);
            self.tell(address);
            return None;
        }
        has.count = has.count.saturating_add(1);
        let documents = Arc::clone(&has.documents);
        Some(Share { of: Some((Arc::clone(self), neighbour)), documents })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Neighbour, Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, address: IpAddr) {
        let mut told_at = self.told_at.lock().unwrap_or_else(PoisonError::into_inner);
        if told_at.is_none_or(|told_at| told_at.elapsed() >= TOLD_PERIOD) {
            *told_at = Some(Instant::now());
            drop(told_at);
            let most = self.most;
            tracing::warn!(
                %address,
                most,
                "an address has all connections that one may have; if it is a proxy, name it with --trusted-proxy"
            );
        }
    }
}

/// One connection of an address, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    of: Option<(Arc<Shares>, Neighbour)>,
    /// The bytes of whole answers that all connections of the address hold together (see `unsent`).
    documents: Arc<AtomicUsize>,
}

impl Share {
    /// A share that is not counted.
    pub(crate) fn unlimited() -> Self {
        Self { of: None, documents: Arc::default() }
    }

    /// The count of the bytes of whole answers that connections of this address hold together.
    pub(crate) fn documents(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.documents)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some((shares, neighbour)) = &self.of else { return };
        let mut taken = shares.lock();
        if let Some(has) = taken.get_mut(neighbour) {
            has.count = has.count.saturating_sub(1);
            if has.count == 0 {
                taken.remove(neighbour);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_has_its_share_and_no_more() {
        let shares = Arc::new(Shares::new(2));
        let take = |address: &str| shares.take(address.parse().unwrap());
        let held = [take("192.0.2.1"), take("::ffff:192.0.2.1")];
        assert!(held.iter().all(Option::is_some));
        assert!(take("192.0.2.1").is_none());
        assert!(take("192.0.2.2").is_some());
        // A /64 is one subscriber, whatever follows.
        let network = [take("2001:db8::1"), take("2001:db8:0:0:ffff::1")];
        assert!(network.iter().all(Option::is_some));
        assert!(take("2001:db8::2").is_none());
        assert!(take("2001:db8:0:1::2").is_some());
        drop(held);
        assert!(take("192.0.2.1").is_some());
        drop(network);
        assert!(shares.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_no_limit() {
        let shares = Arc::new(Shares::new(0));
        let held: Vec<_> = (0..1000).map(|_| shares.take("192.0.2.1".parse().unwrap())).collect();
        assert!(held.iter().all(Option::is_some));
    }
}
