//! Gauges that are read from the database on each request, so that every process reports the same
//! values: queues, workers, and the users that differ from the provider's as of the last comparison.

use std::fmt;
use std::time::Duration;

use guestlist_database::operations::{Overview, QueueState, WorkerState};
use guestlist_domain::{Drift, Reconciliation, RepairAction};
use jiff::Timestamp;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

const PROVIDER_STATES: [&str; 4] = ["ok", "down", "recovering", "misconfigured"];

/// Names and values of labels.
type Labels<const N: usize> = [(&'static str, &'static str); N];

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
    let provider = Family::<Labels<1>, Gauge>::default();
    let health = overview.provider_health().as_str();
    for state in PROVIDER_STATES {
        set(&provider, [("state", state)], u64::from(state == health));
    }
    registry.register("provider_state", "State of Stytch: the present one is 1", provider);
    encode_registry(to, &registry)
}

fn add_queues(registry: &mut Registry, queues: &[QueueState]) {
    let jobs = Family::<Labels<2>, Gauge>::default();
    let ages = Family::<Labels<1>, Gauge>::default();
    let pauses = Family::<Labels<1>, Gauge>::default();
    for stats in queues {
        let queue = stats.queue.as_str();
        for (state, count) in [
            ("scheduled", stats.scheduled),
            ("ready", stats.ready),
            ("held", stats.held),
            ("running", stats.running),
            ("retrying", stats.retrying),
            ("dead", stats.dead),
        ] {
            set(&jobs, [("queue", queue), ("state", state)], count);
        }
        let age = stats.oldest_ready.map_or(0, |age| age.as_secs());
        set(&ages, [("queue", queue)], age);
        set(&pauses, [("queue", queue)], u64::from(stats.pause.is_some()));
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

fn set<const N: usize>(family: &Family<Labels<N>, Gauge>, labels: Labels<N>, value: u64) {
    family.get_or_create(&labels).set(i64::try_from(value).unwrap_or(i64::MAX));
}

/// Encodes the differences without the end marker, or nothing without a comparison.
pub fn encode_drift(last: Option<&Reconciliation>, now: Timestamp, to: &mut String) -> fmt::Result {
    let Some(last) = last else { return Ok(()) };
    let mut registry = Registry::with_prefix("guestlist");
    let users = Family::<Labels<1>, Gauge>::default();
    for kind in Drift::ALL {
        set(&users, [("kind", kind.as_str())], last.count(*kind).left());
    }
    let help = "Users that still differ from Stytch after the last comparison";
    registry.register("drift_users", help, users);
    let refused = Gauge::<i64>::default();
    refused.set(i64::from(last.repair_action == RepairAction::Refused));
    let help = "Whether the last comparison repaired nothing because too many users differed";
    registry.register("drift_refused", help, refused);
    let age = Gauge::<i64>::default();
    age.set(now.duration_since(last.finished_at).as_secs().max(0));
    let help = "Time since the last comparison with Stytch";
    registry.register_with_unit("drift_age", help, Unit::Seconds, age);
    encode_registry(to, &registry)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use guestlist_domain::{DriftCount, ProviderHealth, ReconciliationId};

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

    #[test]
    fn the_last_comparisons_differences_and_age_are_encoded() {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let last = Reconciliation {
            id: ReconciliationId("019ab0c1-0000-7000-8000-000000000000".parse().unwrap()),
            started_at: now,
            finished_at: now,
            repair_action: RepairAction::Refused,
            users: 40,
            identities: 30,
            counts: BTreeMap::from([(Drift::Gone, DriftCount { found: 12, repaired: 2 })]),
        };
        let mut text = String::new();
        encode_drift(Some(&last), now + Duration::from_secs(90), &mut text).unwrap();
        for line in [
            "guestlist_drift_users{kind=\"gone\"} 10",
            "guestlist_drift_users{kind=\"orphan\"} 0",
            "guestlist_drift_refused 1",
            "guestlist_drift_age_seconds 90",
        ] {
            assert!(text.lines().any(|encoded| encoded == line), "no {line} in\n{text}");
        }
        let mut nothing = String::new();
        encode_drift(None, now, &mut nothing).unwrap();
        assert_eq!(nothing, "");
    }
}
