//! Background task that claims jobs for free slots: when woken, when a slot becomes free, and at
//! each poll. It is separate from the worker's stream so that a claim is never interrupted.

use std::time::Duration;

use apalis_core::worker::context::WorkerContext;
use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;

use super::{
    claimed_jobs::ClaimedJobs,
    maintenance::{Outage, with_timeout},
};
use crate::{
    queue::{claim::ClaimedJob, job_queue::JobQueue},
    waker::WakeReceiver,
};

/// How long a worker that is nearly full waits for a quarter of its slots before the next claim.
/// During the wait, jobs that were claimed ahead take the slots that become free.
const MAX_WAIT_FOR_SLOTS: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) queue: JobQueue,
    pub(super) held: ClaimedJobs,
    pub(super) worker: WorkerContext,
    pub(super) stop: CancellationToken,
}

impl Fetch {
    /// Claims jobs until `stop`, then releases those without a result.
    pub(super) async fn run(self) {
        let mut outage = Outage::new("claiming jobs", &self.queue.options);
        let mut wakes = self.queue.options.waker.subscribe();
        let mut freed = self.queue.leases.freed();
        let stop = self.stop.clone();
        while !stop.is_cancelled() {
            match with_timeout(&self.queue.options, self.claim()).await {
                Ok(has_claimed) => {
                    outage.succeeded();
                    let next = async {
                        self.wait(&mut wakes, &mut freed).await;
                        if has_claimed {
                            self.wait_for_slots(&mut freed).await;
                        }
                    };
                    stop.run_until_cancelled(next).await;
                }
                Err(error) => {
                    let wait = tokio::time::sleep(outage.failed(&error));
                    stop.run_until_cancelled(wait).await;
                }
            }
        }
        self.release_unfinished().await;
    }

    /// Waits, while jobs are claimed one after the other, until a claim is worth its statements.
    async fn wait_for_slots(&self, freed: &mut WakeReceiver) {
        let min_free_slots = (self.queue.options.concurrency / 4).max(1);
        let until_free = async {
            while self.queue.free_slots() < min_free_slots {
                freed.recv().await;
            }
        };
        // After the timeout, the slots that are free are used.
        let _ = tokio::time::timeout(MAX_WAIT_FOR_SLOTS, until_free).await;
    }

    /// Claims jobs for the free slots. Returns whether there were any.
    async fn claim(&self) -> Result<bool, DbErr> {
        // apalis has paused the worker, or the worker drains before it stops.
        if !self.worker.is_running() || self.worker.is_shutting_down() {
            self.release(self.held.take_waiting()).await?;
            return Ok(false);
        }
        let (now, slots) = (self.queue.options.now(), self.queue.free_slots());
        let jobs = self.queue.claim(now, slots).await?;
        let has_claimed = !jobs.is_empty();
        if has_claimed {
            self.held.push(jobs);
        }
        Ok(has_claimed)
    }

    async fn wait(&self, wakes: &mut WakeReceiver, freed: &mut WakeReceiver) {
        let poll = self.queue.options.poll.mul_f64(rand::random_range(0.8..1.2));
        let poll = self.queue.local_rate.blocked().map_or(poll, |blocked| blocked.min(poll));
        tokio::select! {
            () = wakes.recv() => {}
            () = freed.recv() => {}
            () = tokio::time::sleep(poll.max(Duration::from_millis(1))) => {}
        }
    }

    async fn release(&self, jobs: Vec<ClaimedJob>) -> Result<(), DbErr> {
        let leases: Vec<_> = jobs.iter().map(|job| (job.id, job.fence)).collect();
        if let Err(error) = self.queue.release(&leases).await {
            self.held.push(jobs);
            return Err(error);
        }
        Ok(())
    }

    /// Releases jobs that were not started and, if the worker was dropped, those in progress.
    async fn release_unfinished(&self) {
        let waiting = self.held.take_waiting();
        let mut leases: Vec<_> = waiting.iter().map(|job| (job.id, job.fence)).collect();
        leases.extend(self.held.started());
        if let Err(error) = self.queue.release(&leases).await {
            tracing::warn!(%error, jobs = leases.len(), "jobs not released; their leases will expire");
        }
    }
}
