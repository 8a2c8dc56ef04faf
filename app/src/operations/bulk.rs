//! One act on many jobs: each its own flow with its own record of who did it, many at a time, so
//! that their commits are one.

use std::time::{Duration, Instant};

use futures::future::join_all;
use guestlist_database::SqlStore;
use guestlist_database::board::{JobFilter, JobStatus};
use guestlist_domain::flows::{self, DeleteUser, OperateError};
use guestlist_domain::{Actor, Ctx, Job, JobId, JobState, Reach, StoreError};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::openapi::schemas;

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
#[schemars(transform = schemas::all_required)]
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
    pub async fn on(
        self,
        ctx: &Ctx,
        id: JobId,
        reach: Reach,
        by: &Actor,
    ) -> Result<(), OperateError> {
        match self {
            Self::Retry => flows::retry_job(ctx, id, reach, by).await,
            Self::Cancel => flows::cancel_job(ctx, id, reach, by).await,
            Self::Dismiss => flows::dismiss_job(ctx, id, reach, by).await,
        }
    }

    /// Whether the caller may do it to one, whatever that one's state.
    async fn is_allowed(self, ctx: &Ctx, id: JobId, reach: Reach) -> Result<(), OperateError> {
        let allowed = match self {
            Self::Retry => flows::can_retry_job(ctx, id, reach).await,
            Self::Cancel | Self::Dismiss => flows::can_withdraw_job(ctx, id, reach).await,
        };
        allowed.map(drop)
    }

    /// Counts the jobs that match and to which the caller may do it, for at most `patience`.
    pub async fn count(
        self,
        ctx: &Ctx,
        store: &SqlStore,
        filter: &JobFilter,
        reach: Reach,
        patience: Duration,
    ) -> Result<Bulk, StoreError> {
        if reach != Reach::Everybody {
            let pass = Pass { act: self, reach, by: None };
            return pass.over(ctx, store, filter, patience).await;
        }
        let matched = store.count_jobs(filter, ctx.now()).await?;
        let refused = match (self, &filter.kind) {
            (Self::Retry, _) => 0,
            (_, Some(kind)) if kind == DeleteUser::KIND => matched,
            (_, Some(_)) => 0,
            (_, None) => {
                let kind = Some(DeleteUser::KIND.to_owned());
                store.count_jobs(&JobFilter { kind, ..filter.clone() }, ctx.now()).await?
            }
        };
        Ok(Bulk { matched: matched.saturating_sub(refused), has_more: false })
    }

    /// Does it to all jobs that match, were there when it was asked for, and are the caller's to act
    /// on, for at most `patience`. Jobs whose state has changed since are left; so are the rest where
    /// the database fails in the middle.
    pub async fn on_all(
        self,
        ctx: &Ctx,
        store: &SqlStore,
        filter: &JobFilter,
        reach: Reach,
        by: &Actor,
        patience: Duration,
    ) -> Result<Bulk, StoreError> {
        let pass = Pass { act: self, reach, by: Some(by) };
        pass.over(ctx, store, filter, patience).await
    }
}

/// One pass over many jobs: the act by somebody, or only its count.
#[derive(Clone, Copy)]
struct Pass<'a> {
    act: Act,
    reach: Reach,
    by: Option<&'a Actor>,
}

impl Pass<'_> {
    /// Goes over all jobs that match and were there at the call.
    async fn over(
        self,
        ctx: &Ctx,
        store: &SqlStore,
        filter: &JobFilter,
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
                let (done, failure) = self.on_these(ctx, group).await;
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
    async fn on_these(self, ctx: &Ctx, ids: &[JobId]) -> (u64, Option<StoreError>) {
        let (mut done, mut failure) = (0, None);
        for result in join_all(ids.iter().map(|id| self.on_one(ctx, *id))).await {
            match result {
                Ok(()) => done += 1,
                Err(OperateError::Store(error)) => failure = Some(error),
                Err(
                    OperateError::NotFound
                    | OperateError::WrongState(_)
                    | OperateError::Superseded
                    | OperateError::OutOfReach
                    | OperateError::Erasure,
                ) => {}
            }
        }
        (done, failure)
    }

    async fn on_one(self, ctx: &Ctx, id: JobId) -> Result<(), OperateError> {
        match self.by {
            Some(by) => self.act.on(ctx, id, self.reach, by).await,
            None => self.act.is_allowed(ctx, id, self.reach).await,
        }
    }
}

/// Ids of version 7 begin with their time: what this act itself enqueues, and whatever else comes
/// after it was asked for, has a greater one.
fn first_id_after(time: Timestamp) -> JobId {
    let millis = u64::try_from(time.as_millisecond() + 1).unwrap_or_default();
    JobId(uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid())
}
