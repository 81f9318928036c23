//! Counters for Prometheus. Names and labels are bounded: no bucket, key or client ever becomes a label.

use std::time::Duration;

use hyper::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// One request's labels: an operation of the route table, and the status it got.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    operation: &'static str,
    status: u16,
}

/// Labels of a duration: the status would multiply the buckets for little.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

/// One request, when its answer is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered {
    pub(crate) operation: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) elapsed: Duration,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

/// What the server counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    durations: Family<OperationLabel, Histogram>,
    bytes_in: Counter,
    bytes_out: Counter,
    connections: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("valet");
        let requests = Family::<Labels, Counter>::default();
        // 0.1 ms to 27 minutes in steps of four.
        let durations = Family::<OperationLabel, Histogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.0001, 4.0, 13))
        });
        let (bytes_in, bytes_out) = (Counter::default(), Counter::default());
        let connections = Gauge::default();
        registry.register("requests", "Requests answered", requests.clone());
        registry.register_with_unit(
            "request_duration",
            "From the request's head to the last byte of the answer",
            Unit::Seconds,
            durations.clone(),
        );
        registry.register_with_unit(
            "request_body",
            "Body bytes taken from clients",
            Unit::Bytes,
            bytes_in.clone(),
        );
        registry.register_with_unit(
            "response_body",
            "Body bytes given to clients",
            Unit::Bytes,
            bytes_out.clone(),
        );
        registry.register("connections", "Open connections", connections.clone());
        Self { registry, requests, durations, bytes_in, bytes_out, connections }
    }

    pub(crate) fn request(&self, answered: &Answered) {
        let Answered { operation, status, elapsed, bytes_in, bytes_out } = *answered;
        self.requests.get_or_create(&Labels { operation, status: status.as_u16() }).inc();
        self.durations.get_or_create(&OperationLabel { operation }).observe(elapsed.as_secs_f64());
        self.bytes_in.inc_by(bytes_in);
        self.bytes_out.inc_by(bytes_out);
    }

    pub(crate) fn connection_opened(&self) {
        self.connections.inc();
    }

    pub(crate) fn connection_closed(&self) {
        self.connections.dec();
    }

    /// The whole registry as `OpenMetrics` text.
    pub(crate) fn encode(&self) -> String {
        let mut out = String::new();
        // Writing to a `String` cannot fail.
        let _ = encode(&mut out, &self.registry);
        out
    }
}
