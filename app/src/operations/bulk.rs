//! One act on many jobs: each its own flow with its own record of who did it, many at a time, so
//! that their commits are one.

use std::time::{Duration, Instant};

use futures::future::join_all;
use guestlist_database::SqlStore;
use guestlist_database::board::{JobFilter, JobStatus};
use guestlist_domain::flows::{self, OperateError};
use guestlist_domain::{Actor, Ctx, JobId, JobState, StoreError};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::shapes;

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
    /// They failed for good, and need not be looked after any more.
    Dismiss,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(transform = shapes::whole)]
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
            Self::Dismiss => status.state().can_be_dismissed(),
        }
    }

    /// Where jobs may stand that it can be done to.
    pub fn states(self) -> impl Iterator<Item = JobStatus> {
        let states = JobState::ALL.iter().map(|state| JobStatus::In(*state));
        states.chain([JobStatus::Held]).filter(move |status| self.applies_to(*status))
    }

    /// The same in words.
    pub fn states_in_words(self) -> String {
        self.states().map(JobStatus::as_str).collect::<Vec<_>>().join(", ")
    }

    /// Does it to one.
    pub async fn on(self, ctx: &Ctx, id: JobId, by: &Actor) -> Result<(), OperateError> {
        match self {
            Self::Retry => flows::retry_job(ctx, id, by).await,
            Self::Cancel => flows::cancel_job(ctx, id, by).await,
            Self::Dismiss => flows::dismiss_job(ctx, id, by).await,
        }
    }

    /// Does it to all that match and were there when it was asked for, for no longer than that.
    /// What has moved meanwhile is left; so is the rest, where the database fails in the middle.
    pub async fn on_all(
        self,
        ctx: &Ctx,
        store: &SqlStore,
        filter: &JobFilter,
        by: &Actor,
        patience: Duration,
    ) -> Result<Bulk, StoreError> {
        let began = Instant::now();
        let newest = first_id_after(ctx.now());
        let mut matched = 0;
        let mut after = None;
        loop {
            let mut ids = store.job_ids(filter, after, PIECE, ctx.now()).await?;
            ids.retain(|id| *id < newest);
            let Some(last) = ids.last() else { return Ok(Bulk { matched, has_more: false }) };
            after = Some(*last);
            for group in ids.chunks(AT_ONCE) {
                if began.elapsed() >= patience {
                    return Ok(Bulk { matched, has_more: true });
                }
                let (done, failure) = self.on_these(ctx, group, by).await;
                matched += done;
                match failure {
                    Some(error) if matched == 0 => return Err(error),
                    Some(error) => {
                        tracing::warn!(%error, matched, "an act on many jobs did not come to its end");
                        return Ok(Bulk { matched, has_more: true });
                    }
                    None => {}
                }
            }
        }
    }

    /// How many it was done to, and why not to all.
    async fn on_these(self, ctx: &Ctx, ids: &[JobId], by: &Actor) -> (u64, Option<StoreError>) {
        let (mut done, mut failure) = (0, None);
        for result in join_all(ids.iter().map(|id| self.on(ctx, *id, by))).await {
            match result {
                Ok(()) => done += 1,
                Err(OperateError::Store(error)) => failure = Some(error),
                Err(
                    OperateError::NotFound | OperateError::WrongState(_) | OperateError::Superseded,
                ) => {}
            }
        }
        (done, failure)
    }
}

/// Ids of version 7 begin with their time: what this act itself enqueues, and whatever else comes
/// after it was asked for, has a greater one.
fn first_id_after(time: Timestamp) -> JobId {
    let millis = u64::try_from(time.as_millisecond() + 1).unwrap_or_default();
    JobId(uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid())
}
