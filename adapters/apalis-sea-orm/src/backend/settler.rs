//! Writes results in groups: those that arrive while a group is being written form the next one. A
//! single result never waits for others.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use sea_orm::{DbErr, TransactionTrait};
use tokio::sync::{mpsc, oneshot};

use super::{
    attempt::Attempt,
    outage::{Outage, with_timeout},
};
use crate::{
    backoff::Backoff,
    errors::is_transient,
    queue::{
        attempt::{AttemptError, AttemptOutcome, AttemptResult},
        job_queue::JobQueue,
        lease::JobLease,
        settle::{Settled, SettlementStatus, settle, settlement_statuses},
    },
    sql,
};

/// How long a result is kept while it cannot be written.
const MAX_RETRY_TIME: Duration = Duration::from_mins(2);

/// Sends results to the [`ResultWriter`].
#[derive(Clone, Debug)]
pub(super) struct Settler {
    queue: JobQueue,
    results: mpsc::UnboundedSender<PendingResult>,
}

#[derive(Debug)]
pub(super) struct ResultWriter {
    queue: JobQueue,
    results: mpsc::UnboundedReceiver<PendingResult>,
}

#[derive(Debug)]
struct PendingResult {
    result: AttemptResult,
    _lease: JobLease,
    written: oneshot::Sender<()>,
}

impl Settler {
    pub(super) fn new(queue: JobQueue) -> (Self, ResultWriter) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let writer = ResultWriter { queue: queue.clone(), results: receiver };
        (Self { queue, results: sender }, writer)
    }

    pub(super) fn backoff(&self) -> Backoff {
        self.queue.options().backoff
    }

    pub(super) fn now(&self) -> Timestamp {
        self.queue.options().now()
    }

    /// Returns when the result is written, or was given up.
    pub(super) async fn settle(
        &self,
        attempt: Attempt,
        outcome: AttemptOutcome,
        error: Option<AttemptError>,
        now: Timestamp,
    ) {
        let options = self.queue.options();
        let result = AttemptResult {
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
        let pending = PendingResult { result, _lease: attempt.lease, written };
        if self.results.send(pending).is_ok() {
            // The sender is dropped if the result is given up, which is logged there.
            let _ = is_written.await;
        }
    }
}

impl ResultWriter {
    /// Writes results until all [`Settler`]s are dropped.
    pub(super) async fn run(mut self) {
        let mut group = Vec::new();
        while self.results.recv_many(&mut group, sql::MAX_ROWS).await > 0 {
            let results = group.iter().map(|pending| pending.result.clone()).collect();
            self.write(results).await;
            for pending in group.drain(..) {
                // The receiver is gone if the worker was dropped.
                let _ = pending.written.send(());
            }
        }
    }

    /// Writes a group, trying again while the database is unavailable.
    async fn write(&self, mut group: Vec<AttemptResult>) {
        let mut outage = Outage::new("writing results of jobs", &self.queue.options);
        let started = Instant::now();
        while !group.is_empty() {
            let error = match with_timeout(&self.queue.options, self.try_write(&mut group)).await {
                Ok(()) => continue,
                Err(error) => error,
            };
            if !is_transient(&error) && group.len() > 1 {
                for result in group {
                    Box::pin(self.write(vec![result])).await;
                }
                return;
            }
            if !is_transient(&error) || started.elapsed() > MAX_RETRY_TIME {
                let jobs: Vec<_> = group.iter().map(|result| result.job).collect();
                tracing::error!(%error, ?jobs, "results not written; the jobs will run again");
                return;
            }
            tokio::time::sleep(outage.failed(&error)).await;
        }
        outage.succeeded();
    }

    /// Writes the group and empties it. If leases were lost, writes nothing and removes the results
    /// that were written already or never can be.
    async fn try_write(&self, group: &mut Vec<AttemptResult>) -> Result<(), DbErr> {
        let transaction = self.queue.write.begin().await?;
        let settled = settle(&transaction, group).await?;
        if settled == Settled::All {
            transaction.commit().await?;
            group.clear();
            return Ok(());
        }
        transaction.rollback().await?;
        let mut statuses = settlement_statuses(&self.queue.write, group).await?.into_iter();
        group.retain(|result| match statuses.next() {
            Some(SettlementStatus::Pending) => true,
            Some(SettlementStatus::Written) => false,
            Some(SettlementStatus::LeaseLost) | None => {
                let (job, outcome) = (result.job, result.outcome.name());
                tracing::warn!(%job, outcome, "result dropped: the lease was lost");
                false
            }
        });
        Ok(())
    }
}
