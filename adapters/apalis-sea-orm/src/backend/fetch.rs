//! Claims for free slots: when woken, when a slot becomes free, and every so often. A task of its
//! own, so that no claim is cut off half-way.

use std::time::Duration;

use apalis_core::worker::context::WorkerContext;
use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;

use super::{
    buffer::Buffer,
    outage::{Outage, limited},
    perform::Begun,
};
use crate::{Claimed, Queue, wake::Wakes};

#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) queue: Queue,
    pub(super) buffer: Buffer,
    pub(super) begun: Begun,
    pub(super) worker: WorkerContext,
    pub(super) stop: CancellationToken,
}

impl Fetch {
    pub(super) async fn run(self) {
        let mut outage = Outage::of("claiming jobs", &self.queue.options);
        let mut wakes = self.queue.options.waker.subscribe();
        let mut freed = self.queue.leases.freed();
        let stop = self.stop.clone();
        while !stop.is_cancelled() {
            match limited(&self.queue.options, self.turn()).await {
                Ok(()) => {
                    outage.succeeded();
                    let next = self.next(&mut wakes, &mut freed);
                    stop.run_until_cancelled(next).await;
                }
                Err(error) => {
                    let wait = tokio::time::sleep(outage.failed(&error));
                    stop.run_until_cancelled(wait).await;
                }
            }
        }
        self.leave().await;
    }

    async fn turn(&self) -> Result<(), DbErr> {
        // A worker that was paused, or drains before it stops, begins nothing more.
        if !self.worker.is_running() || self.worker.is_shutting_down() {
            return self.give_back(self.buffer.take_all()).await;
        }
        self.start_again().await?;
        let now = self.queue.options.now();
        let jobs = self.queue.claim(now, self.queue.free_slots()).await?;
        if !jobs.is_empty() {
            self.buffer.put(jobs);
        }
        Ok(())
    }

    /// Gives jobs that missed their start another.
    async fn start_again(&self) -> Result<(), DbErr> {
        let late = self.buffer.take_late();
        if late.is_empty() {
            return Ok(());
        }
        match self.queue.start_again(&late, None).await {
            Ok(true) => self.buffer.put(late),
            Ok(false) => return self.give_back(late).await,
            Err(error) => {
                self.buffer.keep_late(late);
                return Err(error);
            }
        }
        Ok(())
    }

    async fn next(&self, wakes: &mut Wakes, freed: &mut Wakes) {
        let poll = self.queue.options.poll.mul_f64(rand::random_range(0.8..1.2));
        let poll = self.queue.pace.blocked().map_or(poll, |blocked| blocked.min(poll));
        tokio::select! {
            () = wakes.woken() => {}
            () = freed.woken() => {}
            () = tokio::time::sleep(poll.max(Duration::from_millis(1))) => {}
        }
    }

    async fn give_back(&self, jobs: Vec<Claimed>) -> Result<(), DbErr> {
        let leases: Vec<_> = jobs.iter().map(|job| (job.id, job.fence)).collect();
        if let Err(error) = self.queue.give_back(&leases).await {
            self.buffer.put(jobs);
            return Err(error);
        }
        Ok(())
    }

    /// Gives back what was not begun and, if the worker was dropped over it, not finished.
    async fn leave(&self) {
        let mut left: Vec<_> = self.buffer.take_all().iter().map(|j| (j.id, j.fence)).collect();
        left.extend(self.begun.all());
        if let Err(error) = self.queue.give_back(&left).await {
            tracing::warn!(%error, jobs = left.len(), "jobs not given back; their leases will end");
        }
    }
}
