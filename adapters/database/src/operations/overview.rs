//! The current state of queues and workers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use apalis_sea_orm::inspect;
use guestlist_domain::{HeldBy, HoldReasons, ProviderHealth, QueueName, WorkerReport};
use jiff::Timestamp;

use crate::error::{StoreResult, store_error};
use crate::store::SqlStore;
use crate::tables::columns::RowReader;

/// The age of the last report from which a worker counts as gone: two reports of every five seconds
/// are missing.
const LIVENESS_TIMEOUT: Duration = Duration::from_secs(10);
/// The age of the last report from which a worker counts as late.
const LATE_AFTER: Duration = Duration::from_secs(7);
/// The name of the rate limit that all jobs share which call Stytch.
pub const PROVIDER_RATE: &str = "provider";

/// The state of queues and workers.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    /// The reasons that due jobs are held.
    pub holds: HoldReasons,
    /// All queues, the most urgent first.
    pub queues: Vec<QueueState>,
    /// The workers that reported in the last 15 minutes and did not shut down.
    pub workers: Vec<WorkerState>,
    /// Set while the database answers queries but rejects writes.
    pub refused_writes: Option<RefusedWrites>,
}

/// Rejected writes: the disk is full, or the server has become read-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedWrites {
    /// The time of the first write of this process that failed.
    pub since: Timestamp,
    /// The error of the last write that failed.
    pub reason: String,
}

/// The state of a queue.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueState {
    pub queue: QueueName,
    /// Jobs that are not due yet.
    pub scheduled: u64,
    /// Due jobs that wait for a worker.
    pub ready: u64,
    /// Due jobs that are held.
    pub held: u64,
    pub running: u64,
    pub retrying: u64,
    pub dead: u64,
    /// How long the oldest due job has waited, held or not.
    pub oldest_ready: Option<Duration>,
    pub pause: Option<inspect::Pause>,
    pub held_by: Option<HeldBy>,
}

/// The last report of a worker.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerState {
    pub id: String,
    /// The name of its machine.
    pub host: String,
    pub pid: i64,
    pub queues: Vec<String>,
    /// The number of jobs it had.
    pub running: u64,
    /// The maximum number of jobs it runs at a time.
    pub concurrency: u64,
    pub started_at: Timestamp,
    pub report_age: Duration,
    /// The state of the provider, as the worker sees it.
    pub report: WorkerReport,
}

impl WorkerState {
    pub fn is_live(&self) -> bool {
        self.report_age <= LIVENESS_TIMEOUT
    }

    /// Returns whether the worker counts as running, but has missed a report.
    pub fn is_late(&self) -> bool {
        self.is_live() && self.report_age > LATE_AFTER
    }
}

impl QueueState {
    /// Returns the number of jobs that are yet to run.
    pub fn waiting(&self) -> u64 {
        self.scheduled + self.ready + self.held + self.retrying
    }
}

impl Overview {
    pub fn live_workers(&self) -> impl Iterator<Item = &WorkerState> {
        self.workers.iter().filter(|worker| worker.is_live())
    }

    /// Returns the workers that stopped without shutting down, and were not replaced by one that
    /// started on the same machine later.
    pub fn lost_workers(&self, now: Timestamp) -> impl Iterator<Item = &WorkerState> {
        let is_replaced = move |lost: &WorkerState| {
            let seen_at = now - lost.report_age;
            self.live_workers().any(|live| live.host == lost.host && live.started_at > seen_at)
        };
        self.workers.iter().filter(move |worker| !worker.is_live() && !is_replaced(worker))
    }

    /// Returns the most severe provider health that a live worker reports, and of equally severe
    /// ones the oldest. As in [`HoldReasons`], down is more severe than misconfigured.
    pub fn provider_health(&self) -> &ProviderHealth {
        let severity = |health: &ProviderHealth| match health {
            ProviderHealth::Ok => 0,
            ProviderHealth::Recovering(_) => 1,
            ProviderHealth::Misconfigured(_) => 2,
            ProviderHealth::Down(_) => 3,
        };
        let since = |health: &ProviderHealth| health.issue().map(|issue| issue.since);
        let reported = self.live_workers().map(|worker| &worker.report.health);
        let order = |health: &&ProviderHealth| (severity(health), std::cmp::Reverse(since(health)));
        reported.max_by_key(order).unwrap_or(&ProviderHealth::Ok)
    }
}

impl SqlStore {
    /// Returns the reasons that due jobs are held. Reads a few rows in three queries.
    pub async fn holds(&self, now: Timestamp) -> StoreResult<HoldReasons> {
        let rows = inspect::pauses(self.database.read()).await.map_err(store_error)?;
        let paused = rows.iter().filter_map(|(name, _)| QueueName::parse(name)).collect();
        let workers = self.workers().await?;
        self.holds_of(paused, &workers, now).await
    }

    pub async fn overview(&self, now: Timestamp) -> StoreResult<Overview> {
        let rows = inspect::queues(self.database.read(), now).await.map_err(store_error)?;
        let mut rows: BTreeMap<String, inspect::QueueState> =
            rows.into_iter().map(|row| (row.name.clone(), row)).collect();
        let workers = self.workers().await?;
        let paused = rows.iter().filter(|(_, row)| row.pause.is_some());
        let paused = paused.filter_map(|(name, _)| QueueName::parse(name)).collect();
        let holds = self.holds_of(paused, &workers, now).await?;
        let queues = QueueName::ALL.iter().map(|queue| {
            let row = rows.remove(queue.as_str()).unwrap_or_default();
            queue_state(*queue, row, holds.for_queue(*queue, now))
        });
        let queues = queues.collect();
        Ok(Overview { queues, holds, workers, refused_writes: self.refused_writes(now).await })
    }

    /// Checks by a write whether the database rejects writes.
    async fn refused_writes(&self, now: Timestamp) -> Option<RefusedWrites> {
        self.database.check_writable().await.err()?;
        let failure = self.database.write_failure()?;
        Some(RefusedWrites { since: now - failure.age, reason: failure.reason })
    }

    async fn workers(&self) -> StoreResult<Vec<WorkerState>> {
        let rows = inspect::workers(self.database.read()).await.map_err(store_error)?;
        rows.into_iter().map(worker_state).collect()
    }

    async fn holds_of(
        &self,
        paused: BTreeSet<QueueName>,
        workers: &[WorkerState],
        now: Timestamp,
    ) -> StoreResult<HoldReasons> {
        let limited =
            inspect::rate_hold(self.database.read(), PROVIDER_RATE).await.map_err(store_error)?;
        let live = workers.iter().filter(|worker| worker.is_live());
        Ok(HoldReasons {
            paused,
            workers: live.map(|worker| worker.report.clone()).collect(),
            rate_limited_until: limited.map(|left| now + left),
        })
    }
}

fn queue_state(queue: QueueName, row: inspect::QueueState, held_by: Option<HeldBy>) -> QueueState {
    use apalis_sea_orm::entity::state::{DEAD, READY, RETRYING, RUNNING, SCHEDULED};
    let count = |state: &str| row.counts.get(state).copied().unwrap_or(0);
    let due = count(READY);
    let (ready, held) = if held_by.is_some() { (0, due) } else { (due, 0) };
    QueueState {
        queue,
        scheduled: count(SCHEDULED),
        ready,
        held,
        running: count(RUNNING),
        retrying: count(RETRYING),
        dead: count(DEAD),
        oldest_ready: row.oldest_ready,
        pause: row.pause,
        held_by,
    }
}

fn worker_state(state: inspect::WorkerState) -> StoreResult<WorkerState> {
    let inspect::WorkerState { worker, silent } = state;
    let row = RowReader::new("job_workers", &worker.id);
    let started_at = row.time("started_at", worker.started_at)?;
    // A report that is missing or of an unknown format counts as healthy.
    let report = worker.info.as_deref().and_then(|info| serde_json::from_str(info).ok());
    Ok(WorkerState {
        started_at,
        report_age: silent,
        host: worker.host,
        pid: worker.pid,
        queues: worker.queues.split(',').map(ToOwned::to_owned).collect(),
        running: u64::try_from(worker.running).unwrap_or(0),
        concurrency: u64::try_from(worker.concurrency).unwrap_or(0),
        report: report.unwrap_or(ProviderHealth::Ok.into()),
        id: worker.id,
    })
}
