//! How queues and workers stand, for Prometheus: read from the database whenever it asks, so that
//! every process tells the same.

use std::fmt;
use std::time::Duration;

use guestlist_database::board::{Overview, QueueState, WorkerState};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

const PROVIDER: [&str; 4] = ["ok", "down", "recovering", "misconfigured"];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    queue: &'static str,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    queue: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

/// Writes it as Prometheus reads it, without the end mark; of a database that can't be used only
/// that.
pub fn encode_overview(overview: Option<&Overview>, to: &mut String) -> fmt::Result {
    let mut registry = Registry::with_prefix("guestlist");
    let up = Gauge::<i64>::default();
    up.set(i64::from(overview.is_some()));
    registry.register("database_up", "Whether the database could be read", up);
    let Some(overview) = overview else { return encode_registry(to, &registry) };
    add_queues(&mut registry, &overview.queues);
    add_workers(&mut registry, overview);
    let provider = Family::<StateLabels, Gauge>::default();
    let standing = overview.standing().as_str();
    for state in PROVIDER {
        set(&provider, &StateLabels { state }, u64::from(state == standing));
    }
    registry.register("provider_state", "How it stands with Stytch: one of these is 1", provider);
    encode_registry(to, &registry)
}

fn add_queues(registry: &mut Registry, queues: &[QueueState]) {
    let jobs = Family::<JobLabels, Gauge>::default();
    let ages = Family::<QueueLabels, Gauge>::default();
    let pauses = Family::<QueueLabels, Gauge>::default();
    for state in queues {
        let queue = state.queue.as_str();
        for (word, count) in [
            ("scheduled", state.scheduled),
            ("ready", state.ready),
            ("held", state.held),
            ("running", state.running),
            ("retrying", state.retrying),
            ("dead", state.dead),
        ] {
            set(&jobs, &JobLabels { queue, state: word }, count);
        }
        let age = state.oldest_ready.map_or(0, |age| age.as_secs());
        set(&ages, &QueueLabels { queue }, age);
        set(&pauses, &QueueLabels { queue }, u64::from(state.pause.is_some()));
    }
    registry.register("jobs", "Jobs that have not ended well", jobs);
    let help = "For how long the first of the due jobs has waited";
    registry.register_with_unit("oldest_ready_age", help, Unit::Seconds, ages);
    registry.register("queue_paused", "Whether an operator paused the queue", pauses);
}

fn add_workers(registry: &mut Registry, overview: &Overview) {
    let live = Gauge::<i64>::default();
    live.set(i64::try_from(overview.live().count()).unwrap_or(i64::MAX));
    registry.register("workers", "Workers that are there", live);
    let silence = Gauge::<i64>::default();
    silence.set(i64::try_from(silence_of(&overview.workers).as_secs()).unwrap_or(i64::MAX));
    let help = "How long ago the most silent live worker reported, which each does every five \
                seconds; without a live one, how long ago any worker did";
    registry.register_with_unit("worker_silence", help, Unit::Seconds, silence);
}

/// A worker that died beside live ones is missing in `workers`; its silence says nothing more.
fn silence_of(workers: &[WorkerState]) -> Duration {
    let live = workers.iter().filter(|worker| worker.is_live()).map(|worker| worker.silent);
    let any = workers.iter().map(|worker| worker.silent);
    live.max().or_else(|| any.min()).unwrap_or_default()
}

fn set<L>(family: &Family<L, Gauge>, labels: &L, value: u64)
where
    L: Clone + std::hash::Hash + Eq,
{
    family.get_or_create(labels).set(i64::try_from(value).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests {
    use guestlist_domain::ProviderHealth;
    use jiff::Timestamp;

    use super::*;

    fn worker(silent: u64) -> WorkerState {
        WorkerState {
            id: String::new(),
            host: String::new(),
            pid: 1,
            queues: Vec::new(),
            running: 0,
            concurrency: 1,
            started_at: Timestamp::UNIX_EPOCH,
            silent: Duration::from_secs(silent),
            report: ProviderHealth::Ok.into(),
        }
    }

    #[test]
    fn the_silence_of_a_dead_worker_does_not_count_beside_a_live_one() {
        let silence = |silences: &[u64]| {
            silence_of(&silences.iter().copied().map(worker).collect::<Vec<_>>()).as_secs()
        };
        assert_eq!(silence(&[3, 600, 7]), 7);
        assert_eq!(silence(&[300, 600]), 300, "nobody is left");
        assert_eq!(silence(&[]), 0);
    }
}
