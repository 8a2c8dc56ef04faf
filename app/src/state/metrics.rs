//! Prometheus metrics of the requests to this process.

use std::fmt;
use std::time::Duration;

use axum::http::Method;
use guestlist_domain::flows::WebhookOutcome;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Request durations and received webhooks.
#[derive(Debug)]
pub struct HttpMetrics {
    registry: Registry,
    durations: Family<[(&'static str, String); 3], Histogram>,
    webhooks: Family<[(&'static str, &'static str); 1], Counter>,
}

/// Buckets from 0.5 ms to 16 s.
fn duration_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 16))
}

impl Default for HttpMetrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("guestlist");
        let durations = Family::new_with_constructor(duration_histogram as fn() -> Histogram);
        let help = "Time this process took to respond to requests";
        let name = "http_request_duration";
        registry.register_with_unit(name, help, Unit::Seconds, durations.clone());
        let webhooks = Family::default();
        let help = "Webhooks received from Stytch about a user, by outcome: check_scheduled (the \
                    user is looked up at Stytch), consistent (it matches the database), duplicate \
                    (it was received before)";
        registry.register("webhooks", help, webhooks.clone());
        Self { registry, durations, webhooks }
    }
}

impl HttpMetrics {
    /// Observes a request's duration. The labels have a bounded number of values: the matched route
    /// instead of the path, and known methods only.
    pub fn observe_request(&self, method: &Method, route: &str, status: u16, duration: Duration) {
        let known = [Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::DELETE];
        let method = if known.contains(method) { method.as_str() } else { "other" };
        let labels = [("method", method), ("route", route), ("status", &status.to_string())]
            .map(|(name, value)| (name, value.to_owned()));
        self.durations.get_or_create(&labels).observe(duration.as_secs_f64());
    }

    pub fn count_webhook(&self, outcome: WebhookOutcome) {
        let outcome = match outcome {
            WebhookOutcome::CheckScheduled => "check_scheduled",
            WebhookOutcome::Consistent => "consistent",
            WebhookOutcome::Duplicate => "duplicate",
        };
        self.webhooks.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// Writes the metrics in the `OpenMetrics` text format, without the end marker.
    pub fn encode(&self, to: &mut String) -> fmt::Result {
        encode_registry(to, &self.registry)
    }
}
