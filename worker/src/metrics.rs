//! Metrics of this process for Prometheus: jobs and calls to the provider.

mod gauges;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use apalis_sea_orm::UnknownKind;
use guestlist_domain::{JobOutcome, ProviderError};
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

pub use gauges::{encode_drift, encode_overview};

/// The content type of metrics.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Counters of a process. Clones share them.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    registry: Registry,
    attempts: Family<Labels<3>, Counter>,
    waits: Family<Labels<1>, Histogram>,
    runs: Family<Labels<1>, Histogram>,
    calls: Family<Labels<2>, Counter>,
    call_times: Family<Labels<1>, Histogram>,
}

/// Names and values of labels.
type Labels<const N: usize> = [(&'static str, String); N];

/// From a millisecond to about an hour.
fn wait_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 12))
}

/// From a millisecond to half a minute.
fn run_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("guestlist");
        let attempts = Family::default();
        let help = "Attempts of this worker, by kind, outcome and error code";
        registry.register("job_attempts", help, attempts.clone());
        let waits = Family::new_with_constructor(wait_histogram as fn() -> Histogram);
        let help = "Time from due to claimed";
        registry.register_with_unit("job_wait", help, Unit::Seconds, waits.clone());
        let runs = Family::new_with_constructor(run_histogram as fn() -> Histogram);
        let help = "Time from claimed to ended";
        registry.register_with_unit("job_run", help, Unit::Seconds, runs.clone());
        let calls = Family::default();
        let help = "Calls of this worker to Stytch, by call and error code";
        registry.register("provider_calls", help, calls.clone());
        let call_times = Family::new_with_constructor(run_histogram as fn() -> Histogram);
        let help = "Duration of calls to Stytch";
        registry.register_with_unit("provider_call", help, Unit::Seconds, call_times.clone());
        Self(Arc::new(Counters { registry, attempts, waits, runs, calls, call_times }))
    }
}

impl Metrics {
    /// Records the time from a job's due time to its claim.
    pub fn record_wait(&self, queue: &str, wait: Duration) {
        self.0.waits.get_or_create(&[("queue", queue.to_owned())]).observe(wait.as_secs_f64());
    }

    /// Records an attempt and the time from its claim to its end.
    pub fn record_attempt(&self, kind: &str, outcome: &JobOutcome, run: Duration) {
        let (outcome, error) = match outcome {
            JobOutcome::Done => ("done", None),
            JobOutcome::Retry(_, error) => ("retry", Some(error)),
            JobOutcome::Snooze(_, error) => ("snooze", Some(error)),
            JobOutcome::Dead(error) => ("dead", Some(error)),
        };
        let error = error.map(|error| error.code.as_str()).unwrap_or_default();
        self.count_attempt(kind, outcome, error);
        self.0.runs.get_or_create(&[("kind", kind.to_owned())]).observe(run.as_secs_f64());
    }

    /// Records that a job was snoozed because its kind is unknown.
    pub fn record_unknown_kind(&self, kind: &str) {
        self.count_attempt(kind, "snooze", UnknownKind::CODE);
    }

    fn count_attempt(&self, kind: &str, outcome: &str, error: &str) {
        let labels = [("kind", kind), ("outcome", outcome), ("error", error)];
        let labels = labels.map(|(name, value)| (name, value.to_owned()));
        self.0.attempts.get_or_create(&labels).inc();
    }

    /// Records a call to the provider.
    pub fn record_call(&self, call: &str, error: Option<&ProviderError>, took: Duration) {
        let error = error.map(|error| error.code.clone()).unwrap_or_default();
        let call = ("call", call.to_owned());
        self.0.calls.get_or_create(&[call.clone(), ("error", error)]).inc();
        self.0.call_times.get_or_create(&[call]).observe(took.as_secs_f64());
    }

    /// Encodes the metrics without the end marker, so that others can be added.
    pub fn encode(&self, to: &mut String) -> fmt::Result {
        encode_registry(to, &self.0.registry)
    }
}

#[cfg(test)]
mod tests {
    use guestlist_domain::JobError;

    use super::*;

    #[test]
    fn recorded_values_are_encoded() {
        let metrics = Metrics::default();
        metrics.record_wait("invitation", Duration::from_millis(3));
        metrics.record_attempt("send-invite", &JobOutcome::Done, Duration::from_millis(120));
        let error = JobError { code: "a_code".into(), message: "why".into(), request_id: None };
        metrics.record_attempt("send-invite", &JobOutcome::Dead(error), Duration::from_millis(1));
        metrics.record_call("invite", None, Duration::from_millis(100));
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
