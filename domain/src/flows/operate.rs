//! Operators steer the queue: they pause and resume queues, withdraw jobs, have them run again.

use serde_json::json;
use thiserror::Error;

use crate::flows::subject::covers_job;
use crate::flows::{DeleteIdentity, SendInvitation};
use crate::{
    Actor, Change, Ctx, Event, EventKind, Job, JobId, JobState, ManageableRoles, Operation,
    OptimisticRetry, QueueName, QueuedJob, StoreError,
};

/// Why nothing was done to a job.
#[derive(Debug, Error)]
pub enum JobOperationError {
    /// There is none.
    #[error("no such job")]
    NotFound,
    /// It is in a state in which this can't be done.
    #[error("the job is {0}")]
    WrongState(JobState),
    /// What it would send is not wanted any more: its invitation was sent again since, or is
    /// closed.
    #[error("nobody wants the job's work any more")]
    Superseded,
    /// It is about a person whom the caller may not act on.
    #[error("beyond the manageable of the caller")]
    Forbidden,
    /// It erases a person, which can't be called off once it was asked for.
    #[error("the job erases a person, which can't be called off")]
    Erasure,
    /// Ask again later.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// From now on nobody takes jobs of that queue; what runs goes on. Paused again, it keeps its time
/// and takes the new reason.
pub async fn pause_queue(
    ctx: &Ctx,
    queue: QueueName,
    reason: Option<String>,
    by: &Actor,
) -> Result<(), StoreError> {
    let detail = json!({ "queue": queue.as_str(), "reason": reason });
    let who = by.name().unwrap_or(by.kind()).to_owned();
    let pause = Operation::Pause { queue, by: who, reason, at: ctx.now() };
    operate(ctx, pause, EventKind::QueuePaused, detail, by).await
}

/// Lets a queue go on.
pub async fn resume_queue(ctx: &Ctx, queue: QueueName, by: &Actor) -> Result<(), StoreError> {
    let detail = json!({ "queue": queue.as_str() });
    operate(ctx, Operation::Resume(queue), EventKind::QueueResumed, detail, by).await
}

async fn operate(
    ctx: &Ctx,
    operation: Operation,
    kind: EventKind,
    detail: serde_json::Value,
    by: &Actor,
) -> Result<(), StoreError> {
    let mut retry = OptimisticRetry::default();
    loop {
        let event = ctx.event(kind, by, detail.clone());
        if retry.apply(ctx, Change::new().operation(operation.clone()).event(event)).await? {
            return Ok(());
        }
    }
}

/// Withdraws a job. A delivery's invitation fails at once with the code `cancelled`, whatever a
/// worker that is just sending it achieves.
pub async fn cancel_job(
    ctx: &Ctx,
    id: JobId,
    manageable: ManageableRoles,
    by: &Actor,
) -> Result<(), JobOperationError> {
    withdraw(ctx, id, manageable, by, JobState::can_be_cancelled).await
}

/// Takes a dead job off the list of what is to be looked after.
pub async fn dismiss_job(
    ctx: &Ctx,
    id: JobId,
    manageable: ManageableRoles,
    by: &Actor,
) -> Result<(), JobOperationError> {
    withdraw(ctx, id, manageable, by, JobState::can_be_dismissed).await
}

/// Whether the caller may cancel or dismiss a job, whatever its state; answers the job.
pub async fn authorize_job_cancellation(
    ctx: &Ctx,
    id: JobId,
    manageable: ManageableRoles,
) -> Result<QueuedJob, JobOperationError> {
    let job = authorize_job_retry(ctx, id, manageable).await?;
    // A person would stay `deleting` for ever: neither here nor gone.
    if job.kind == DeleteIdentity::KIND { Err(JobOperationError::Erasure) } else { Ok(job) }
}

/// Whether the caller may retry a job, whatever its state; answers the job.
pub async fn authorize_job_retry(
    ctx: &Ctx,
    id: JobId,
    manageable: ManageableRoles,
) -> Result<QueuedJob, JobOperationError> {
    let job = ctx.store.job(id).await?.ok_or(JobOperationError::NotFound)?;
    if covers_job(ctx, manageable, &job).await? {
        Ok(job)
    } else {
        Err(JobOperationError::Forbidden)
    }
}

async fn withdraw(
    ctx: &Ctx,
    id: JobId,
    manageable: ManageableRoles,
    by: &Actor,
    can_be: fn(JobState) -> bool,
) -> Result<(), JobOperationError> {
    let mut retry = OptimisticRetry::default();
    loop {
        let job = authorize_job_cancellation(ctx, id, manageable).await?;
        if !can_be(job.state) {
            return Err(JobOperationError::WrongState(job.state));
        }
        let cancel = Operation::Cancel { job: id, at: ctx.now() };
        let mut change =
            Change::new().operation(cancel).event(about(ctx, EventKind::JobCancelled, &job, by));
        if let Some(delivery) = delivery(&job) {
            change = delivery.cancel(ctx, change, &job, by).await?;
        }
        if retry.apply(ctx, change).await? {
            return Ok(());
        }
    }
}

/// Has a job run again now, with all its attempts before it. A delivery's invitation is sent
/// again: with a new link and a new end.
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
        let asked_at = ctx.now();
        let mut at = asked_at;
        let mut change = Change::new().event(about(ctx, EventKind::JobRetried, &job, by));
        if let Some(delivery) = delivery(&job) {
            let again = delivery.again(ctx, change, by).await?;
            (at, change) = again.ok_or(JobOperationError::Superseded)?;
        }
        let operation = Operation::Retry { job: id, at, asked_at };
        if retry.apply(ctx, change.operation(operation)).await? {
            return Ok(());
        }
    }
}

fn delivery(job: &QueuedJob) -> Option<SendInvitation> {
    (job.kind == SendInvitation::KIND).then(|| SendInvitation::from_args(&job.args)).flatten()
}

fn about(ctx: &Ctx, kind: EventKind, job: &QueuedJob, by: &Actor) -> Event {
    ctx.event(kind, by, json!({ "job": job.id, "kind": job.kind }))
}
