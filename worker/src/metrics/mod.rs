//! What this process counts of its jobs and its calls to Stytch, for Prometheus.

mod board;
mod drift;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use guestlist_domain::{JobOutcome, ProviderError};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

pub use board::encode_overview;
pub use drift::encode_drift;

/// The form in which all of it is told.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One process' counters. Clones count together.
#[derive(Clone)]
pub struct Metrics(Arc<Counters>);

struct Counters {
    registry: Registry,
    attempts: Family<AttemptLabels, Counter>,
    waits: Family<QueueLabels, Histogram>,
    runs: Family<KindLabels, Histogram>,
    calls: Family<CallLabels, Counter>,
    call_times: Family<CallTimeLabels, Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    kind: String,
    outcome: &'static str,
    error: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    queue: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    call: &'static str,
    error: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallTimeLabels {
    call: &'static str,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// From a millisecond to half an hour.
fn waits() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 12))
}

/// From a millisecond to half a minute.
fn runs() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("guestlist");
        let attempts = Family::default();
        registry.register(
            "job_attempts",
            "Attempts at jobs that this worker made, by what came of them",
            attempts.clone(),
        );
        let wait_family = Family::new_with_constructor(waits as fn() -> Histogram);
        registry.register_with_unit(
            "job_wait",
            "From when a job was due to its claim",
            Unit::Seconds,
            wait_family.clone(),
        );
        let run_family = Family::new_with_constructor(runs as fn() -> Histogram);
        registry.register_with_unit(
            "job_run",
            "From a job's claim to its end",
            Unit::Seconds,
            run_family.clone(),
        );
        let calls = Family::default();
        registry.register(
            "provider_calls",
            "Calls that this worker made to Stytch, by the error they came to, if any",
            calls.clone(),
        );
        let call_times = Family::new_with_constructor(runs as fn() -> Histogram);
        registry.register_with_unit(
            "provider_call",
            "How long Stytch took to answer",
            Unit::Seconds,
            call_times.clone(),
        );
        let (waits, runs) = (wait_family, run_family);
        Self(Arc::new(Counters { registry, attempts, waits, runs, calls, call_times }))
    }
}

impl Metrics {
    /// A job was claimed, so long after it was due.
    pub fn claimed(&self, queue: &str, wait: Duration) {
        let labels = QueueLabels { queue: queue.to_owned() };
        self.0.waits.get_or_create(&labels).observe(wait.as_secs_f64());
    }

    /// An attempt ended, so long after its claim.
    pub fn ended(&self, kind: &str, outcome: &JobOutcome, run: Duration) {
        let (outcome, error) = match outcome {
            JobOutcome::Done => ("done", None),
            JobOutcome::Retry(_, error) => ("retry", Some(error)),
            JobOutcome::Snooze(_, error) => ("snooze", Some(error)),
            JobOutcome::Dead(error) => ("dead", Some(error)),
        };
        let error = error.map(|error| error.code.clone()).unwrap_or_default();
        let labels = AttemptLabels { kind: kind.to_owned(), outcome, error };
        self.0.attempts.get_or_create(&labels).inc();
        let labels = KindLabels { kind: kind.to_owned() };
        self.0.runs.get_or_create(&labels).observe(run.as_secs_f64());
    }

    /// Stytch was called.
    pub fn called(&self, call: &'static str, error: Option<&ProviderError>, took: Duration) {
        let error = error.map(|error| error.code.clone()).unwrap_or_default();
        self.0.calls.get_or_create(&CallLabels { call, error }).inc();
        let labels = CallTimeLabels { call };
        self.0.call_times.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// As Prometheus reads it, without the end mark: others may have something to add.
    pub fn encode(&self, to: &mut String) -> fmt::Result {
        encode_registry(to, &self.0.registry)
    }
}

#[cfg(test)]
mod tests {
    use guestlist_domain::JobError;

    use super::*;

    #[test]
    fn what_is_counted_is_told() {
        let metrics = Metrics::default();
        metrics.claimed("invitation", Duration::from_millis(3));
        metrics.ended("send-invite", &JobOutcome::Done, Duration::from_millis(120));
        let error = JobError { code: "a_code".into(), message: "why".into(), request_id: None };
        metrics.ended("send-invite", &JobOutcome::Dead(error), Duration::from_millis(1));
        metrics.called("invite", None, Duration::from_millis(100));
        let mut text = String::new();
        metrics.encode(&mut text).unwrap();
        for line in [
            "# TYPE guestlist_job_attempts counter",
            "guestlist_job_attempts_total{kind=\"send-invite\",outcome=\"done\",error=\"\"} 1",
            "guestlist_job_attempts_total{kind=\"send-invite\",outcome=\"dead\",error=\"a_code\"} 1",
            "guestlist_job_wait_seconds_count{queue=\"invitation\"} 1",
            "guestlist_job_run_seconds_count{kind=\"send-invite\"} 2",
            "guestlist_provider_calls_total{call=\"invite\",error=\"\"} 1",
        ] {
            assert!(text.contains(line), "no {line} in\n{text}");
        }
    }
}
