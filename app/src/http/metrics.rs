//! What this process counts of its requests, for Prometheus.

use std::fmt;
use std::time::Duration;

use axum::http::Method;
use guestlist_domain::flows::WebhookOutcome;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// One process' requests.
pub struct Requests {
    registry: Registry,
    times: Family<Labels, Histogram>,
    webhooks: Family<News, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct News {
    heard: &'static str,
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Requests")
    }
}

/// From half a millisecond to a quarter of a minute.
fn buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 16))
}

impl Default for Requests {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("guestlist");
        let times = Family::new_with_constructor(buckets as fn() -> Histogram);
        let help = "How long this process took to answer requests";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, times.clone());
        let webhooks = Family::default();
        let help = "What Stytch told this process of somebody: doubted is looked at, known fits \
                    what stands here, before was told before";
        registry.register("webhooks", help, webhooks.clone());
        Self { registry, times, webhooks }
    }
}

impl Requests {
    /// A request was answered. The route, never the address, and methods that we know: whatever
    /// callers may think up is endless.
    pub fn answered(&self, method: &Method, route: &str, status: u16, took: Duration) {
        let known = [Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::DELETE];
        let method = if known.contains(method) { method.as_str() } else { "other" };
        let labels = Labels { method: method.to_owned(), route: route.to_owned(), status };
        self.times.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Stytch told of somebody.
    pub fn heard(&self, heard: WebhookOutcome) {
        let heard = match heard {
            WebhookOutcome::CheckScheduled => "doubted",
            WebhookOutcome::Consistent => "known",
            WebhookOutcome::Duplicate => "before",
        };
        self.webhooks.get_or_create(&News { heard }).inc();
    }

    /// As Prometheus reads it, without the end mark.
    pub fn encode(&self, to: &mut String) -> fmt::Result {
        encode_registry(to, &self.registry)
    }
}
