//! One act on many jobs: each its own flow with its own record of who did it, many at a time, so
//! that their commits are one.

use std::time::{Duration, Instant};

use futures::future::join_all;
use guestlist_database::SqlStore;
use guestlist_database::board::{JobFilter, JobStatus};
use guestlist_domain::flows::{self, OperateError};
use guestlist_domain::{Actor, Ctx, JobId, JobState, StoreError};
use serde::Serialize;

/// Flows under way at once.
const AT_ONCE: usize = 64;
/// Jobs looked up at once.
const PIECE: u64 = 512;

/// What is done to jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// They run again now.
    Retry,
    /// They are withdrawn.
    Cancel,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Bulk {
    /// How many jobs it was done to; of a dry run, how many match.
    pub matched: u64,
    /// Whether time ran out before all were done: ask again for the rest.
    pub has_more: bool,
}

impl Act {
    /// Whether it can be done to jobs that stand there.
    pub fn applies_to(self, status: JobStatus) -> bool {
        match self {
            Self::Retry => status.state().can_be_retried(),
            Self::Cancel => status.state().can_be_cancelled(),
        }
    }

    /// Where jobs may stand that it can be done to, in words.
    pub fn states(self) -> String {
        let states = JobState::ALL.iter().map(|state| JobStatus::In(*state));
        let states = states.chain([JobStatus::Held]).filter(|status| self.applies_to(*status));
        states.map(JobStatus::as_str).collect::<Vec<_>>().join(", ")
    }

    /// Does it to one.
    pub async fn on(self, ctx: &Ctx, id: JobId, by: &Actor) -> Result<(), OperateError> {
        match self {
            Self::Retry => flows::retry_job(ctx, id, by).await,
            Self::Cancel => flows::cancel_job(ctx, id, by).await,
        }
    }

    /// Does it to all that match, for no longer than that. What has moved meanwhile is left.
    pub async fn on_all(
        self,
        ctx: &Ctx,
        store: &SqlStore,
        filter: &JobFilter,
        by: &Actor,
        patience: Duration,
    ) -> Result<Bulk, StoreError> {
        let began = Instant::now();
        let mut matched = 0;
        let mut after = None;
        loop {
            let ids = store.job_ids(filter, after, PIECE, ctx.now()).await?;
            let Some(last) = ids.last() else { return Ok(Bulk { matched, has_more: false }) };
            after = Some(*last);
            for group in ids.chunks(AT_ONCE) {
                if began.elapsed() >= patience {
                    return Ok(Bulk { matched, has_more: true });
                }
                matched += self.on_these(ctx, group, by).await?;
            }
        }
    }

    async fn on_these(self, ctx: &Ctx, ids: &[JobId], by: &Actor) -> Result<u64, StoreError> {
        let mut done = 0;
        for result in join_all(ids.iter().map(|id| self.on(ctx, *id, by))).await {
            match result {
                Ok(()) => done += 1,
                Err(OperateError::Store(error)) => return Err(error),
                Err(
                    OperateError::NotFound | OperateError::WrongState(_) | OperateError::Superseded,
                ) => {}
            }
        }
        Ok(done)
    }
}
