//! Retrying, cancelling and dismissing jobs, one by one or all that match a filter.
//!
//! Each job is changed by a flow of its own, which records who did it. Bulk actions run many flows
//! concurrently, so that the store can group their commits.

use std::time::{Duration, Instant};

use futures::future::join_all;
use guestlist_database::SqlStore;
use guestlist_database::operations::{JobFilter, JobStatus};
use guestlist_domain::flows::{self, JobOperationError};
use guestlist_domain::jobs::DeleteIdentity;
use guestlist_domain::{Actor, Ctx, Job, JobId, JobState, ManageableRoles, StoreError};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::openapi::schemas;

/// Number of flows run concurrently.
const CONCURRENCY: usize = 64;
/// Number of job ids read per query.
const PAGE_SIZE: u64 = 512;

/// An operator's action on a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobAction {
    /// Runs the job again now.
    Retry,
    /// Cancels the job.
    Cancel,
    /// Marks a dead job as cancelled, so that it no longer counts as a failure.
    Dismiss,
}

/// The result of an action on all matching jobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(transform = schemas::all_required)]
pub struct BulkResult {
    /// Number of jobs changed; in a dry run, the number that match.
    pub matched: u64,
    /// Whether the time limit was reached before all jobs were processed. Repeat the request to
    /// process the rest.
    pub has_more: bool,
}

impl JobAction {
    pub const ALL: [Self; 3] = [Self::Retry, Self::Cancel, Self::Dismiss];

    pub fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Dismiss => "dismiss",
        }
    }

    /// Returns the name as the first word of a question.
    pub fn question(self) -> &'static str {
        match self {
            Self::Retry => "Retry",
            Self::Cancel => "Cancel",
            Self::Dismiss => "Dismiss",
        }
    }

    /// Returns whether the action ends jobs that would otherwise run.
    pub fn is_ending(self) -> bool {
        self == Self::Cancel
    }

    pub fn past_tense(self) -> &'static str {
        match self {
            Self::Retry => "retried",
            Self::Cancel => "cancelled",
            Self::Dismiss => "dismissed",
        }
    }

    /// Returns whether the action is allowed for a job with this status.
    pub fn applies_to(self, status: JobStatus) -> bool {
        match self {
            Self::Retry => status.state().can_be_retried(),
            Self::Cancel => status.state().can_be_cancelled(),
            Self::Dismiss => status.state().can_be_dismissed(),
        }
    }

    pub fn allowed_states(self) -> impl Iterator<Item = JobStatus> {
        let states = JobState::ALL.iter().map(|state| JobStatus::In(*state));
        states.chain([JobStatus::Held]).filter(move |status| self.applies_to(*status))
    }

    /// Returns the names of the allowed states, separated by commas.
    pub fn allowed_states_text(self) -> String {
        self.allowed_states().map(JobStatus::as_str).collect::<Vec<_>>().join(", ")
    }

    pub async fn apply(
        self,
        ctx: &Ctx,
        id: JobId,
        manageable: ManageableRoles,
        actor: &Actor,
    ) -> Result<(), JobOperationError> {
        match self {
            Self::Retry => flows::retry_job(ctx, id, manageable, actor).await,
            Self::Cancel => flows::cancel_job(ctx, id, manageable, actor).await,
            Self::Dismiss => flows::dismiss_job(ctx, id, manageable, actor).await,
        }
    }

    /// Counts the matching jobs that the caller may change, for at most `time_limit`.
    pub async fn count_matching(
        self,
        ctx: &Ctx,
        store: &SqlStore,
        filter: &JobFilter,
        manageable: ManageableRoles,
        time_limit: Duration,
    ) -> Result<BulkResult, StoreError> {
        if manageable != ManageableRoles::All {
            let run = BulkRun { action: self, manageable, actor: None };
            return run.execute(ctx, store, filter, time_limit).await;
        }
        let matched = store.count_jobs(filter, ctx.now()).await?;
        // The erasure of a user can be retried, but not cancelled or dismissed.
        let refused = match (self, &filter.kind) {
            (Self::Retry, _) => 0,
            (_, Some(kind)) if kind == DeleteIdentity::KIND => matched,
            (_, Some(_)) => 0,
            (_, None) => {
                let kind = Some(DeleteIdentity::KIND.to_owned());
                store.count_jobs(&JobFilter { kind, ..filter.clone() }, ctx.now()).await?
            }
        };
        Ok(BulkResult { matched: matched.saturating_sub(refused), has_more: false })
    }

    /// Applies the action to all matching jobs that existed at the call and that the caller may
    /// change, for at most `time_limit`.
    ///
    /// Jobs whose state has changed in the meantime are skipped. If the database fails partway,
    /// the rest is reported by `has_more`.
    pub async fn apply_to_all(
        self,
        ctx: &Ctx,
        store: &SqlStore,
        filter: &JobFilter,
        manageable: ManageableRoles,
        actor: &Actor,
        time_limit: Duration,
    ) -> Result<BulkResult, StoreError> {
        let run = BulkRun { action: self, manageable, actor: Some(actor) };
        run.execute(ctx, store, filter, time_limit).await
    }
}

/// An action on all matching jobs; a dry run if there is no actor.
#[derive(Clone, Copy)]
struct BulkRun<'a> {
    action: JobAction,
    manageable: ManageableRoles,
    actor: Option<&'a Actor>,
}

impl BulkRun<'_> {
    async fn execute(
        self,
        ctx: &Ctx,
        store: &SqlStore,
        filter: &JobFilter,
        time_limit: Duration,
    ) -> Result<BulkResult, StoreError> {
        let start = Instant::now();
        let end_id = first_id_after(ctx.now());
        let mut matched = 0;
        let mut after = None;
        loop {
            let mut ids = store.job_ids(filter, after, PAGE_SIZE, ctx.now()).await?;
            ids.retain(|id| *id < end_id);
            let Some(last) = ids.last() else { return Ok(BulkResult { matched, has_more: false }) };
            after = Some(*last);
            for chunk in ids.chunks(CONCURRENCY) {
                if start.elapsed() >= time_limit {
                    return Ok(BulkResult { matched, has_more: true });
                }
                let (changed, error) = self.process_chunk(ctx, chunk).await;
                matched += changed;
                match error {
                    Some(error) if matched == 0 => return Err(error),
                    Some(error) => {
                        tracing::warn!(%error, matched, "bulk action stopped by a database error");
                        return Ok(BulkResult { matched, has_more: true });
                    }
                    None => {}
                }
            }
        }
    }

    /// Returns the number of jobs changed, and a database error if one occurred.
    async fn process_chunk(self, ctx: &Ctx, ids: &[JobId]) -> (u64, Option<StoreError>) {
        let (mut changed, mut store_error) = (0, None);
        for result in join_all(ids.iter().map(|id| self.process(ctx, *id))).await {
            match result {
                Ok(()) => changed += 1,
                Err(JobOperationError::Store(error)) => store_error = Some(error),
                Err(
                    JobOperationError::NotFound
                    | JobOperationError::WrongState(_)
                    | JobOperationError::Superseded
                    | JobOperationError::Forbidden
                    | JobOperationError::Erasure,
                ) => {}
            }
        }
        (changed, store_error)
    }

    async fn process(self, ctx: &Ctx, id: JobId) -> Result<(), JobOperationError> {
        let Self { action, manageable, actor } = self;
        if let Some(actor) = actor {
            return action.apply(ctx, id, manageable, actor).await;
        }
        let allowed = match action {
            JobAction::Retry => flows::authorize_job_retry(ctx, id, manageable).await,
            JobAction::Cancel | JobAction::Dismiss => {
                flows::authorize_job_cancellation(ctx, id, manageable).await
            }
        };
        allowed.map(drop)
    }
}

/// Returns a bound that is above the id of every existing job and below the ids of later ones:
/// UUIDv7 begin with their time. It excludes jobs that the action itself enqueues.
fn first_id_after(time: Timestamp) -> JobId {
    let millis = u64::try_from(time.as_millisecond() + 1).unwrap_or_default();
    JobId(uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid())
}
