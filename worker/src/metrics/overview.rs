//! Gauges of queues and workers, read from the database on each request, so that every process
//! reports the same values.

use std::fmt;
use std::time::Duration;

use guestlist_database::operations::{Overview, QueueState, WorkerState};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

const PROVIDER_STATES: [&str; 4] = ["ok", "down", "recovering", "misconfigured"];

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

/// Encodes the gauges without the end marker. Without an overview, encodes only that the database
/// cannot be read.
pub fn encode_overview(overview: Option<&Overview>, to: &mut String) -> fmt::Result {
    let mut registry = Registry::with_prefix("guestlist");
    let up = Gauge::<i64>::default();
    up.set(i64::from(overview.is_some()));
    registry.register("database_up", "Whether the database could be read", up);
    let Some(overview) = overview else { return encode_registry(to, &registry) };
    add_queues(&mut registry, &overview.queues);
    add_workers(&mut registry, overview);
    let provider = Family::<StateLabels, Gauge>::default();
    let health = overview.provider_health().as_str();
    for state in PROVIDER_STATES {
        set(&provider, &StateLabels { state }, u64::from(state == health));
    }
    registry.register("provider_state", "State of Stytch: the present one is 1", provider);
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
    registry.register("jobs", "Jobs that are not done or cancelled", jobs);
    let help = "How long the oldest ready job has waited";
    registry.register_with_unit("oldest_ready_age", help, Unit::Seconds, ages);
    registry.register("queue_paused", "Whether the queue is paused", pauses);
}

fn add_workers(registry: &mut Registry, overview: &Overview) {
    let live = Gauge::<i64>::default();
    live.set(i64::try_from(overview.live_workers().count()).unwrap_or(i64::MAX));
    registry.register("workers", "Live workers", live);
    let silence = Gauge::<i64>::default();
    silence.set(i64::try_from(worker_silence(&overview.workers).as_secs()).unwrap_or(i64::MAX));
    let help = "Longest time since the report of a live worker, which is due every five \
                seconds; without live workers, the shortest of any worker";
    registry.register_with_unit("worker_silence", help, Unit::Seconds, silence);
}

/// Returns the longest silence of a live worker, or the shortest of all if none is live. A dead
/// worker beside live ones is missing in `workers`, so its silence does not count.
fn worker_silence(workers: &[WorkerState]) -> Duration {
    let live = workers.iter().filter(|worker| worker.is_live()).map(|worker| worker.report_age);
    let any = workers.iter().map(|worker| worker.report_age);
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
            report_age: Duration::from_secs(silent),
            report: ProviderHealth::Ok.into(),
        }
    }

    #[test]
    fn the_silence_of_a_dead_worker_does_not_count_beside_a_live_one() {
        let silence = |silences: &[u64]| {
            worker_silence(&silences.iter().copied().map(worker).collect::<Vec<_>>()).as_secs()
        };
        assert_eq!(silence(&[3, 600, 7]), 7);
        assert_eq!(silence(&[300, 600]), 300, "no live worker");
        assert_eq!(silence(&[]), 0);
    }
}
