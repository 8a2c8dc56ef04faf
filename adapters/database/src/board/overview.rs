//! Queues and workers as they stand.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use apalis_sea_orm::board;
use guestlist_domain::{HeldBy, HoldReasons, QueueName, WorkerReport, ProviderHealth, StoreError};
use jiff::Timestamp;

use crate::errors::store_error;
use crate::store::SqlStore;
use crate::values::Row;

/// Workers report every five seconds; one that was silent for longer than this is gone.
const SILENT: Duration = Duration::from_secs(15);
/// The rate that all jobs which call Stytch share, by its name in the queue.
pub const PROVIDER_RATE: &str = "provider";

/// How queues and workers stand.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    /// What keeps jobs waiting that are due.
    pub holds: HoldReasons,
    /// Every queue, the most urgent first.
    pub queues: Vec<QueueState>,
    /// Every worker seen in the last quarter of an hour that did not sign off.
    pub workers: Vec<WorkerState>,
    /// Set while the database answers queries and refuses writes.
    pub refused_writes: Option<RefusedWrites>,
}

/// Writes that the database refuses: its disk is full, or it is a replica by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedWrites {
    /// When the first of them failed, as far as this process knows.
    pub since: Timestamp,
    /// The last one's error.
    pub reason: String,
}

/// How a queue stands.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueState {
    /// Which.
    pub queue: QueueName,
    /// Jobs that wait for their time.
    pub scheduled: u64,
    /// Jobs that wait for their turn.
    pub ready: u64,
    /// Jobs that are due, and that something else keeps waiting.
    pub held: u64,
    /// Jobs that workers have.
    pub running: u64,
    /// Jobs that failed and will be tried again.
    pub retrying: u64,
    /// Jobs that failed for good.
    pub dead: u64,
    /// For how long the first of the due ones has waited, held or not.
    pub oldest_ready: Option<Duration>,
    /// Set while it is paused.
    pub pause: Option<Pause>,
    /// What keeps its due jobs waiting.
    pub held_by: Option<HeldBy>,
}

/// A queue's pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Since when.
    pub at: Timestamp,
    /// Who paused it.
    pub by: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// A worker as it last reported.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerState {
    /// Its name.
    pub id: String,
    /// The machine's.
    pub host: String,
    /// The process.
    pub pid: i64,
    /// What it works on.
    pub queues: Vec<String>,
    /// How many jobs it had.
    pub running: u64,
    /// How many it takes at most.
    pub concurrency: u64,
    /// Since when it is there.
    pub started_at: Timestamp,
    /// How long ago it reported.
    pub silent: Duration,
    /// What it says of Stytch.
    pub report: WorkerReport,
}

impl WorkerState {
    /// Whether it has reported lately enough to be there still.
    pub fn is_live(&self) -> bool {
        self.silent <= SILENT
    }
}

impl QueueState {
    /// Jobs that have not begun and will.
    pub fn waiting(&self) -> u64 {
        self.scheduled + self.ready + self.held + self.retrying
    }
}

impl Overview {
    /// The workers that are there.
    pub fn live(&self) -> impl Iterator<Item = &WorkerState> {
        self.workers.iter().filter(|worker| worker.is_live())
    }

    /// Of the workers' standings the one that most wants to be told; as [`HoldReasons`] has it, down
    /// comes before misconfigured. Of equals the one that has been so for longest.
    pub fn standing(&self) -> &ProviderHealth {
        let rank = |standing: &ProviderHealth| match standing {
            ProviderHealth::Ok => 0,
            ProviderHealth::Recovering(_) => 1,
            ProviderHealth::Misconfigured(_) => 2,
            ProviderHealth::Down(_) => 3,
        };
        let since = |standing: &ProviderHealth| standing.issue().map(|trouble| trouble.since);
        let standings = self.live().map(|worker| &worker.report.health);
        let longest = |standing: &&ProviderHealth| (rank(standing), std::cmp::Reverse(since(standing)));
        standings.max_by_key(longest).unwrap_or(&ProviderHealth::Ok)
    }
}

impl SqlStore {
    /// What keeps jobs waiting that are due: three reads of a few rows.
    pub async fn holds(&self, now: Timestamp) -> Result<HoldReasons, StoreError> {
        let rows = board::pauses(self.database.read()).await.map_err(store_error)?;
        let paused = rows.iter().filter_map(|(name, _)| QueueName::parse(name)).collect();
        let workers = self.workers().await?;
        self.held(paused, &workers, now).await
    }

    /// How queues and workers stand.
    pub async fn overview(&self, now: Timestamp) -> Result<Overview, StoreError> {
        let rows = board::queues(self.database.read(), now).await.map_err(store_error)?;
        let mut rows: BTreeMap<String, board::QueueState> =
            rows.into_iter().map(|row| (row.name.clone(), row)).collect();
        let workers = self.workers().await?;
        let paused = rows.iter().filter(|(_, row)| row.pause.is_some());
        let paused = paused.filter_map(|(name, _)| QueueName::parse(name)).collect();
        let holds = self.held(paused, &workers, now).await?;
        let queues = QueueName::ALL.iter().map(|queue| {
            let row = rows.remove(queue.as_str()).unwrap_or_default();
            state(*queue, row, holds.for_queue(*queue, now))
        });
        let queues = queues.collect();
        Ok(Overview { queues, holds, workers, refused_writes: self.refused_writes(now).await })
    }

    /// Finds out whether writes are refused, by a write.
    async fn refused_writes(&self, now: Timestamp) -> Option<RefusedWrites> {
        self.database.check_writable().await.err()?;
        let failure = self.database.write_failure()?;
        Some(RefusedWrites { since: now - failure.age, reason: failure.reason })
    }

    async fn workers(&self) -> Result<Vec<WorkerState>, StoreError> {
        let rows = board::workers(self.database.read()).await.map_err(store_error)?;
        rows.into_iter().map(worker).collect()
    }

    async fn held(
        &self,
        paused: BTreeSet<QueueName>,
        workers: &[WorkerState],
        now: Timestamp,
    ) -> Result<HoldReasons, StoreError> {
        let limited =
            board::rate_hold(self.database.read(), PROVIDER_RATE).await.map_err(store_error)?;
        let live = workers.iter().filter(|worker| worker.is_live());
        Ok(HoldReasons {
            paused,
            workers: live.map(|worker| worker.report.clone()).collect(),
            rate_limited_until: limited.map(|left| now + left),
        })
    }
}

fn state(queue: QueueName, row: board::QueueState, held_by: Option<HeldBy>) -> QueueState {
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
        pause: row.pause.map(|pause| Pause { at: pause.at, by: pause.by, reason: pause.reason }),
        held_by,
    }
}

fn worker(state: board::WorkerState) -> Result<WorkerState, StoreError> {
    let board::WorkerState { worker, silent } = state;
    let row = Row::of("job_workers", &worker.id);
    let started_at = row.time("started_at", worker.started_at)?;
    // One that says nothing of Stytch, or says it as no version known here does, has no complaint.
    let told = worker.info.as_deref().and_then(|info| serde_json::from_str(info).ok());
    Ok(WorkerState {
        started_at,
        silent,
        host: worker.host,
        pid: worker.pid,
        queues: worker.queues.split(',').map(ToOwned::to_owned).collect(),
        running: u64::try_from(worker.running).unwrap_or(0),
        concurrency: u64::try_from(worker.concurrency).unwrap_or(0),
        report: told.unwrap_or(ProviderHealth::Ok.into()),
        id: worker.id,
    })
}
