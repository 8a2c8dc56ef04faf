//! Writes what came of jobs, in groups: whatever ended while the last commit ran is the next
//! group. A lone job never waits for company.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use sea_orm::{DbErr, TransactionTrait};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::outage::{Outage, limited};
use crate::{
    Backoff, Claimed, Failure, Lease, Outcome, Queue, Settled, Settlement, Standing, guard,
    is_transient, settle, standings,
};

/// How long a result is kept while it cannot be written.
const PATIENCE: Duration = Duration::from_mins(2);

/// Hands results over to be written.
#[derive(Clone, Debug)]
pub(super) struct Settler {
    queue: Queue,
    ended: mpsc::UnboundedSender<Ended>,
}

/// Results waiting to be written, and what writes them.
#[derive(Debug)]
pub(super) struct Unsettled {
    queue: Queue,
    ended: mpsc::UnboundedReceiver<Ended>,
}

/// What is to be known of an attempt to settle it.
#[derive(Debug)]
pub(super) struct Attempt {
    job: Uuid,
    fence: i64,
    number: u32,
    started_at: Timestamp,
    /// Holds the slot until the result is written.
    lease: Lease,
}

#[derive(Debug)]
struct Ended {
    settlement: Settlement,
    _lease: Lease,
    written: oneshot::Sender<()>,
}

impl Attempt {
    pub(super) fn of(job: &Claimed) -> Self {
        Self {
            job: job.id,
            fence: job.fence,
            number: job.number,
            started_at: job.started_at,
            lease: job.lease.clone(),
        }
    }

    pub(super) fn lease(&self) -> (Uuid, i64) {
        (self.job, self.fence)
    }
}

impl Settler {
    pub(super) fn new(queue: Queue) -> (Self, Unsettled) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let unsettled = Unsettled { queue: queue.clone(), ended: receiver };
        (Self { queue, ended: sender }, unsettled)
    }

    pub(super) fn backoff(&self) -> Backoff {
        self.queue.options().backoff
    }

    pub(super) fn now(&self) -> Timestamp {
        self.queue.options().now()
    }

    /// Returns when the result is written, or never will be.
    pub(super) async fn settle(
        &self,
        attempt: Attempt,
        outcome: Outcome,
        error: Option<Failure>,
        now: Timestamp,
    ) {
        let options = self.queue.options();
        let settlement = Settlement {
            attempt_id: (options.ids)(),
            job: attempt.job,
            fence: attempt.fence,
            worker: options.worker.clone(),
            number: attempt.number,
            started_at: attempt.started_at,
            finished_at: now,
            outcome,
            error,
        };
        let (written, is_written) = oneshot::channel();
        let ended = Ended { settlement, _lease: attempt.lease, written };
        if self.ended.send(ended).is_ok() {
            // It is dropped unsent when the result is given up, which was logged.
            let _ = is_written.await;
        }
    }
}

impl Unsettled {
    /// Writes results until the worker is gone.
    pub(super) async fn settle(mut self) {
        let mut group = Vec::new();
        while self.ended.recv_many(&mut group, guard::ROWS).await > 0 {
            let settlements = group.iter().map(|ended| ended.settlement.clone()).collect();
            self.write(settlements).await;
            for ended in group.drain(..) {
                // The job's future may be gone by now.
                let _ = ended.written.send(());
            }
        }
    }

    /// Writes a group, trying again while the database is out of reach.
    async fn write(&self, mut group: Vec<Settlement>) {
        let mut outage = Outage::of("writing jobs' results", &self.queue.options);
        let begun = Instant::now();
        while !group.is_empty() {
            let error = match limited(&self.queue.options, self.try_write(&mut group)).await {
                Ok(()) => continue,
                Err(error) => error,
            };
            if !is_transient(&error) && group.len() > 1 {
                for alone in group {
                    Box::pin(self.write(vec![alone])).await;
                }
                return;
            }
            if !is_transient(&error) || begun.elapsed() > PATIENCE {
                let jobs: Vec<_> = group.iter().map(|s| s.job).collect();
                tracing::error!(%error, ?jobs, "results given up; the jobs will run again");
                return;
            }
            tokio::time::sleep(outage.failed(&error)).await;
        }
        outage.succeeded();
    }

    /// Writes the group and empties it; or takes out of it what was written already or never can
    /// be.
    async fn try_write(&self, group: &mut Vec<Settlement>) -> Result<(), DbErr> {
        let transaction = self.queue.write.begin().await?;
        let settled = settle(&transaction, group).await?;
        if settled == Settled::All {
            transaction.commit().await?;
            group.clear();
            return Ok(());
        }
        transaction.rollback().await?;
        let mut standings = standings(&self.queue.write, group).await?.into_iter();
        group.retain(|settlement| match standings.next() {
            Some(Standing::Held) => true,
            Some(Standing::Settled) => false,
            Some(Standing::Lost) | None => {
                let (job, outcome) = (settlement.job, settlement.outcome.name());
                tracing::warn!(%job, outcome, "the lease was lost before the result was written");
                false
            }
        });
        Ok(())
    }
}
