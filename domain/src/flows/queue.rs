//! Operates the job queue: cancels, dismisses and retries jobs; pauses and resumes queues.

mod delivery;

use serde_json::{Value, json};
use thiserror::Error;

use self::delivery::{add_delivery_cancellation, add_delivery_retry};
use crate::jobs::{
    CheckIdentity, DeleteIdentity, Reconcile, RevokeInvitation, RevokeSession, SendInvitation,
    SendLoginLink, Sweep,
};
use crate::{
    Actor, Change, Ctx, Event, EventKind, Job, JobId, JobState, ManageableRoles, Operation,
    OptimisticRetry, QueueName, QueuedJob, Role, StoreError, StoreResult,
};

#[derive(Debug, Error)]
pub enum JobOperationError {
    #[error("no such job")]
    NotFound,
    #[error("the job is {0}")]
    WrongState(JobState),
    /// The job's invitation was resent, or is closed.
    #[error("the job's work is obsolete")]
    Superseded,
    /// The caller may not manage the user whom the job concerns.
    #[error("the caller may not manage the user whom the job concerns")]
    Forbidden,
    /// The removal of a user cannot be cancelled once it was requested.
    #[error("the job erases a user, which cannot be cancelled")]
    Erasure,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Cancels a job. The invitation of a cancelled delivery fails at once with the code `cancelled`, even
/// if a worker is just sending it.
pub async fn cancel_job(
    ctx: &Ctx,
    id: JobId,
    manageable: ManageableRoles,
    by: &Actor,
) -> Result<(), JobOperationError> {
    cancel_or_dismiss(ctx, id, manageable, by, JobState::can_be_cancelled).await
}

/// Dismisses a dead job.
pub async fn dismiss_job(
    ctx: &Ctx,
    id: JobId,
    manageable: ManageableRoles,
    by: &Actor,
) -> Result<(), JobOperationError> {
    cancel_or_dismiss(ctx, id, manageable, by, JobState::can_be_dismissed).await
}

/// Checks that the caller may cancel or dismiss the job, regardless of its state, and returns it. The caller needs
/// the permission for a retry, and the job must not erase a user. [`cancel_job`] and [`dismiss_job`]
/// check the state.
pub async fn authorize_job_cancellation(
    ctx: &Ctx,
    id: JobId,
    manageable: ManageableRoles,
) -> Result<QueuedJob, JobOperationError> {
    let job = authorize_job_retry(ctx, id, manageable).await?;
    // Without the job, the user would stay in the state `deleting`.
    if job.kind == DeleteIdentity::KIND { Err(JobOperationError::Erasure) } else { Ok(job) }
}

/// Checks that the caller may retry the job, regardless of its state, and returns it. [`retry_job`] checks
/// the state.
pub async fn authorize_job_retry(
    ctx: &Ctx,
    id: JobId,
    manageable: ManageableRoles,
) -> Result<QueuedJob, JobOperationError> {
    let job = ctx.store.job(id).await?.ok_or(JobOperationError::NotFound)?;
    if includes_job(ctx, manageable, &job).await? {
        Ok(job)
    } else {
        Err(JobOperationError::Forbidden)
    }
}

async fn cancel_or_dismiss(
    ctx: &Ctx,
    id: JobId,
    manageable: ManageableRoles,
    by: &Actor,
    is_permitted: fn(JobState) -> bool,
) -> Result<(), JobOperationError> {
    let mut retry = OptimisticRetry::default();
    loop {
        let job = authorize_job_cancellation(ctx, id, manageable).await?;
        if !is_permitted(job.state) {
            return Err(JobOperationError::WrongState(job.state));
        }
        let cancel = Operation::Cancel { job: id, at: ctx.now() };
        let event = job_event(ctx, EventKind::JobCancelled, &job, by);
        let mut change = Change::new().operation(cancel).event(event);
        if let Some(delivery) = delivery(&job) {
            change = add_delivery_cancellation(ctx, change, delivery, &job, by).await?;
        }
        if retry.apply(ctx, change).await? {
            return Ok(());
        }
    }
}

/// Retries a job with all its attempts. The invitation of a retried delivery is resent, with a new link
/// and a new expiry.
pub async fn retry_job(
    ctx: &Ctx,
    id: JobId,
    manageable: ManageableRoles,
    by: &Actor,
) -> Result<(), JobOperationError> {
    let mut retry = OptimisticRetry::default();
    loop {
        let job = authorize_job_retry(ctx, id, manageable).await?;
        if !job.state.can_be_retried() {
            return Err(JobOperationError::WrongState(job.state));
        }
        let requested_at = ctx.now();
        let mut at = requested_at;
        let mut change = Change::new().event(job_event(ctx, EventKind::JobRetried, &job, by));
        if let Some(delivery) = delivery(&job) {
            let resent = add_delivery_retry(ctx, change, delivery, by).await?;
            (at, change) = resent.ok_or(JobOperationError::Superseded)?;
        }
        let operation = Operation::Retry { job: id, at, requested_at };
        if retry.apply(ctx, change.operation(operation)).await? {
            return Ok(());
        }
    }
}

/// Returns whether the caller may manage the user whom a job concerns. A job whose kind or arguments are
/// unknown may concern anyone.
async fn includes_job(
    ctx: &Ctx,
    manageable: ManageableRoles,
    job: &QueuedJob,
) -> StoreResult<bool> {
    if manageable == ManageableRoles::All {
        return Ok(true);
    }
    let role = match job.kind.as_str() {
        SendInvitation::KIND => subject_role::<SendInvitation>(ctx, job).await?,
        SendLoginLink::KIND => subject_role::<SendLoginLink>(ctx, job).await?,
        RevokeInvitation::KIND => subject_role::<RevokeInvitation>(ctx, job).await?,
        RevokeSession::KIND => subject_role::<RevokeSession>(ctx, job).await?,
        DeleteIdentity::KIND => subject_role::<DeleteIdentity>(ctx, job).await?,
        CheckIdentity::KIND => subject_role::<CheckIdentity>(ctx, job).await?,
        Sweep::KIND => subject_role::<Sweep>(ctx, job).await?,
        Reconcile::KIND => subject_role::<Reconcile>(ctx, job).await?,
        _ => None,
    };
    Ok(role.is_some_and(|role| manageable.includes(role)))
}

async fn subject_role<J: Job>(ctx: &Ctx, job: &QueuedJob) -> StoreResult<Option<Role>> {
    match J::from_args(&job.args) {
        Some(job) => job.subject_role(ctx).await.map(Some),
        None => Ok(None),
    }
}

fn delivery(job: &QueuedJob) -> Option<SendInvitation> {
    (job.kind == SendInvitation::KIND).then(|| SendInvitation::from_args(&job.args)).flatten()
}

fn job_event(ctx: &Ctx, kind: EventKind, job: &QueuedJob, by: &Actor) -> Event {
    ctx.event(kind, by, json!({ "job": job.id, "kind": job.kind }))
}

/// Pauses a queue: workers claim no more of its jobs. Pausing a paused queue replaces the reason and
/// keeps the time.
pub async fn pause_queue(
    ctx: &Ctx,
    queue: QueueName,
    reason: Option<String>,
    by: &Actor,
) -> StoreResult<()> {
    let detail = json!({ "queue": queue.as_str(), "reason": reason });
    let name = by.name().unwrap_or(by.kind()).to_owned();
    let pause = Operation::Pause { queue, by: name, reason, at: ctx.now() };
    operate(ctx, pause, EventKind::QueuePaused, detail, by).await
}

pub async fn resume_queue(ctx: &Ctx, queue: QueueName, by: &Actor) -> StoreResult<()> {
    let detail = json!({ "queue": queue.as_str() });
    operate(ctx, Operation::Resume(queue), EventKind::QueueResumed, detail, by).await
}

async fn operate(
    ctx: &Ctx,
    operation: Operation,
    kind: EventKind,
    detail: Value,
    by: &Actor,
) -> StoreResult<()> {
    let mut retry = OptimisticRetry::default();
    loop {
        let event = ctx.event(kind, by, detail.clone());
        if retry.apply(ctx, Change::new().operation(operation.clone()).event(event)).await? {
            return Ok(());
        }
    }
}
