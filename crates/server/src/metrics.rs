//! Counters for Prometheus. Their names and labels are bounded: no bucket, key or client ever becomes a label.
//!
//! Each thread counts in a shard of its own, so that threads do not wait for each other, or for a cache line,
//! with every request. A scrape adds the shards up.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use edge::EdgeCache;
use hyper::StatusCode;
use ledger::Ledger;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// The number of shards. Where there are more threads, some share one.
const SHARDS: usize = 16;
/// Upper bounds of durations in seconds: 0.1 ms to 28 minutes in steps of four, and everything above.
const DURATIONS: [f64; 14] = durations();

const fn durations() -> [f64; 14] {
    let mut bounds = [f64::INFINITY; 14];
    let (mut rest, mut bound) = (bounds.as_mut_slice(), 0.0001);
    while let [first, after @ ..] = rest
        && !after.is_empty()
    {
        *first = bound;
        (rest, bound) = (after, bound * 4.0);
    }
    bounds
}

/// The labels of one request: the operation of the route table, and the status of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct Labels {
    operation: &'static str,
    status: u16,
}

/// The label of a duration. The status is left out, because it would multiply the buckets for little gain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

/// One request whose answer is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered {
    pub(crate) operation: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) elapsed: Duration,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

/// The sum over requests with the same labels.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    requests: u64,
    seconds: f64,
    /// For each of [`DURATIONS`]: how many requests took at most that long, and longer than the duration
    /// before.
    durations: [u64; DURATIONS.len()],
    bytes_in: u64,
    bytes_out: u64,
}

impl Tally {
    fn count(&mut self, answered: &Answered) {
        let Answered { operation: _, status: _, elapsed, bytes_in, bytes_out } = *answered;
        let seconds = elapsed.as_secs_f64();
        self.requests += 1;
        self.seconds += seconds;
        let fits = |(bound, _): &(&f64, &mut u64)| seconds <= **bound;
        if let Some((_, count)) = DURATIONS.iter().zip(&mut self.durations).find(fits) {
            *count += 1;
        }
        self.bytes_in = self.bytes_in.saturating_add(bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(bytes_out);
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.seconds += other.seconds;
        for (count, more) in self.durations.iter_mut().zip(other.durations) {
            *count += more;
        }
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
    }

    fn buckets(&self) -> Vec<(f64, u64)> {
        DURATIONS.into_iter().zip(self.durations).collect()
    }
}

/// The counts of some threads, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(Mutex<BTreeMap<Labels, Tally>>);

impl Shard {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Labels, Tally>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The counts of all threads.
#[derive(Debug, Default)]
pub(crate) struct Requests([Shard; SHARDS]);

impl Requests {
    pub(crate) fn count(&self, answered: &Answered) {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static SHARD: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS;
        }
        let labels = Labels { operation: answered.operation, status: answered.status.as_u16() };
        if let Some(shard) = self.0.get(SHARD.with(|shard| *shard)) {
            shard.lock().entry(labels).or_default().count(answered);
        }
    }

    /// Adds the shards up. `label` says which label of the result a request counts for.
    fn sum<L: Ord>(&self, label: impl Fn(Labels) -> L) -> BTreeMap<L, Tally> {
        let mut sum = BTreeMap::<L, Tally>::new();
        for shard in &self.0 {
            for (labels, tally) in &*shard.lock() {
                sum.entry(label(*labels)).or_default().add(tally);
            }
        }
        sum
    }
}

impl Collector for Requests {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let kind = MetricType::Counter;
        let mut requests =
            encoder.encode_descriptor("requests", "Requests answered.", None, kind)?;
        for (labels, tally) in self.sum(|labels| labels) {
            let mut metric = requests.encode_family(&labels)?;
            metric.encode_counter::<NoLabelSet, u64, f64>(&tally.requests, None)?;
        }
        let mut durations = encoder.encode_descriptor(
            "request_duration",
            "From the request's head to the last byte of the answer.",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for (label, tally) in self.sum(|Labels { operation, .. }| OperationLabel { operation }) {
            let mut metric = durations.encode_family(&label)?;
            let (seconds, requests) = (tally.seconds, tally.requests);
            metric.encode_histogram::<NoLabelSet>(seconds, requests, &tally.buckets(), None)?;
        }
        let all = self.sum(|_| ()).into_values().next().unwrap_or_default();
        for (name, help, bytes) in [
            ("request_body", "Body bytes taken from clients.", all.bytes_in),
            ("response_body", "Body bytes given to clients.", all.bytes_out),
        ] {
            let mut metric = encoder.encode_descriptor(name, help, Some(&Unit::Bytes), kind)?;
            metric.encode_counter::<NoLabelSet, u64, f64>(&bytes, None)?;
        }
        Ok(())
    }
}

/// Counts lines that were lost because nobody took the log. Whoever writes the log counts them.
#[derive(Clone, Debug, Default)]
pub struct DroppedLines(Counter);

impl DroppedLines {
    /// Counts `lines` more lost lines.
    pub fn add(&self, lines: u64) {
        self.0.inc_by(lines);
    }

    /// The number of lost lines so far.
    pub fn total(&self) -> u64 {
        self.0.get()
    }
}

/// Counts what becomes of notices. Whoever tells them counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct NoticeCounts {
    pub(crate) delivered: Counter,
    pub(crate) failed: Counter,
    pub(crate) dropped: Counter,
    pub(crate) waiting: Gauge,
}

/// Tells what the ledger has counted.
#[derive(Debug)]
struct LedgerCollector(Ledger);

impl Collector for LedgerCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counts = self.0.counts();
        for (name, help, count) in [
            ("ledger_uses", "Uses of links written into the ledger.", counts.recorded),
            ("ledger_uses_lost", "Uses of links that the ledger could not take.", counts.lost),
        ] {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            metric.encode_counter::<NoLabelSet, u64, f64>(&count, None)?;
        }
        let queued = i64::try_from(counts.queued).unwrap_or(i64::MAX);
        let size = i64::try_from(counts.file_bytes).unwrap_or(i64::MAX);
        for (name, help, unit, value) in [
            ("ledger_queued", "Uses of links that wait to be written.", None, queued),
            ("ledger_size", "The ledger's file.", Some(&Unit::Bytes), size),
        ] {
            let mut metric = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
            metric.encode_gauge(&value)?;
        }
        Ok(())
    }
}

/// Tells what the cache of distributions has counted.
#[derive(Debug)]
struct EdgeCollector(EdgeCache);

impl Collector for EdgeCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counts = self.0.stats().counts();
        for (name, help, count) in [
            ("edge_hits", "Requests of viewers answered from the cache.", counts.hits),
            ("edge_misses", "Requests of viewers answered from an origin.", counts.misses),
            (
                "edge_refreshes",
                "Requests of viewers answered once the origin had confirmed it.",
                counts.refreshes,
            ),
            ("edge_stale", "Requests of viewers answered with what was stale.", counts.stale),
            (
                "edge_shared",
                "Requests of viewers that waited for the answer to another.",
                counts.shared,
            ),
            ("edge_fetches", "How often origins were asked.", counts.fetches),
            ("edge_evictions", "Entries that memory had no more room for.", counts.evictions),
            ("edge_disk_hits", "Entries that were read from the cache's disk.", counts.disk_hits),
            ("edge_disk_failures", "Failed writes to the cache's disk.", counts.disk_failures),
        ] {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            metric.encode_counter::<NoLabelSet, u64, f64>(&count, None)?;
        }
        let unit = Some(&Unit::Bytes);
        for (name, help, count) in [
            ("edge_origin", "Bytes that origins sent to the cache.", counts.origin_bytes),
            ("edge_hit", "Bytes of answers from the cache.", counts.hit_bytes),
            ("edge_disk", "Bytes of bodies read from the cache's disk.", counts.disk_bytes),
        ] {
            let mut metric = encoder.encode_descriptor(name, help, unit, MetricType::Counter)?;
            metric.encode_counter::<NoLabelSet, u64, f64>(&count, None)?;
        }
        for (name, help, held) in [
            ("edge_cache", "Bytes in the cache's memory.", self.0.bytes()),
            ("edge_cache_disk", "Bytes on the cache's disk.", self.0.disk_bytes()),
        ] {
            let mut metric = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
            metric.encode_gauge(&i64::try_from(held).unwrap_or(i64::MAX))?;
        }
        Ok(())
    }
}

/// All counters of the server.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Arc<Requests>,
    connections: Gauge,
    connections_refused: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("valet");
        let (requests, connections) = (Arc::<Requests>::default(), Gauge::default());
        registry.register("connections", "Open connections", connections.clone());
        let connections_refused = Counter::default();
        let help = "Connections closed because their address had its share";
        registry.register("connections_refused", help, connections_refused.clone());
        registry.register_collector(Box::new(Arc::clone(&requests)));
        Self { registry, requests, connections, connections_refused }
    }

    pub(crate) fn count_lost_lines(&mut self, dropped: &DroppedLines) {
        let help = "Lines of the log that were dropped because nobody took them";
        self.registry.register("log_lines_dropped", help, dropped.0.clone());
    }

    /// Adds what becomes of notices.
    pub(crate) fn count_notices(&mut self, counts: &NoticeCounts) {
        let NoticeCounts { delivered, failed, dropped, waiting } = counts;
        for (name, help, counter) in [
            ("notices_delivered", "Notices of links that their receivers have", delivered),
            ("notices_failed", "Notices of links that were given up", failed),
            ("notices_dropped", "Notices of links that there was no room for", dropped),
        ] {
            self.registry.register(name, help, counter.clone());
        }
        self.registry.register("notices_waiting", "Notices of links that wait", waiting.clone());
    }

    /// Adds what the cache of distributions has counted.
    pub(crate) fn count_edge(&mut self, cache: &EdgeCache) {
        self.registry.register_collector(Box::new(EdgeCollector(cache.clone())));
    }

    /// Adds what the ledger has counted.
    pub(crate) fn count_ledger(&mut self, ledger: &Ledger) {
        self.registry.register_collector(Box::new(LedgerCollector(ledger.clone())));
    }

    /// The counters of requests.
    pub(crate) fn requests(&self) -> &Arc<Requests> {
        &self.requests
    }

    pub(crate) fn connection_opened(&self) {
        self.connections.inc();
    }

    pub(crate) fn connection_refused(&self) {
        self.connections_refused.inc();
    }

    pub(crate) fn connection_closed(&self) {
        self.connections.dec();
    }

    /// All counters as `OpenMetrics` text.
    pub(crate) fn encode(&self) -> String {
        let mut out = String::new();
        // Writing to a `String` cannot fail.
        let _ = encode(&mut out, &self.registry);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_count_is_added_up() {
        let mut metrics = Metrics::new();
        metrics.connection_opened();
        let dropped = DroppedLines::default();
        metrics.count_lost_lines(&dropped);
        dropped.add(3);
        let answered = |operation, status, micros| Answered {
            operation,
            status: StatusCode::from_u16(status).unwrap(),
            elapsed: Duration::from_micros(micros),
            bytes_in: 1,
            bytes_out: 10,
        };
        std::thread::scope(|scope| {
            for _ in 0..2 * SHARDS {
                scope.spawn(|| {
                    metrics.requests().count(&answered("GetObject", 200, 100));
                    metrics.requests().count(&answered("GetObject", 404, 101));
                });
            }
        });
        metrics.requests().count(&answered("PutObject", 200, 4_000_000_000));
        let text = metrics.encode();
        for line in [
            "valet_connections 1",
            "valet_log_lines_dropped_total 3",
            "# TYPE valet_requests counter",
            "valet_requests_total{operation=\"GetObject\",status=\"200\"} 32",
            "valet_requests_total{operation=\"GetObject\",status=\"404\"} 32",
            "valet_requests_total{operation=\"PutObject\",status=\"200\"} 1",
            "# TYPE valet_request_duration_seconds histogram",
            "# UNIT valet_request_duration_seconds seconds",
            "valet_request_duration_seconds_count{operation=\"GetObject\"} 64",
            "valet_request_duration_seconds_bucket{le=\"0.0001\",operation=\"GetObject\"} 32",
            "valet_request_duration_seconds_bucket{le=\"0.0004\",operation=\"GetObject\"} 64",
            "valet_request_duration_seconds_bucket{le=\"1677.7216\",operation=\"PutObject\"} 0",
            "valet_request_duration_seconds_bucket{le=\"+Inf\",operation=\"PutObject\"} 1",
            "valet_request_duration_seconds_sum{operation=\"PutObject\"} 4000.0",
            "valet_request_body_bytes_total 65",
            "valet_response_body_bytes_total 650",
            "# EOF",
        ] {
            assert!(text.lines().any(|written| written == line), "{line}\n{text}");
        }
    }
}
