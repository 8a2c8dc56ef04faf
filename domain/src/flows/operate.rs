//! Operators steer the queue: they pause and resume queues, withdraw jobs, have them run again.

use serde_json::json;
use thiserror::Error;

use crate::flows::subject::covers_job;
use crate::flows::{DeleteUser, SendInvite};
use crate::{
    Actor, Change, Ctx, Event, EventKind, Job, JobId, JobState, Operation, Queue, QueuedJob, Reach,
    Rounds, StoreError,
};

/// Why nothing was done to a job.
#[derive(Debug, Error)]
pub enum OperateError {
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
    #[error("beyond the reach of the caller")]
    OutOfReach,
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
    queue: Queue,
    reason: Option<String>,
    by: &Actor,
) -> Result<(), StoreError> {
    let detail = json!({ "queue": queue.as_str(), "reason": reason });
    let who = by.name().unwrap_or(by.kind()).to_owned();
    let pause = Operation::Pause { queue, by: who, reason, at: ctx.now() };
    operate(ctx, pause, EventKind::QueuePaused, detail, by).await
}

/// Lets a queue go on.
pub async fn resume_queue(ctx: &Ctx, queue: Queue, by: &Actor) -> Result<(), StoreError> {
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
    let mut rounds = Rounds::default();
    loop {
        let event = ctx.event(kind, by, detail.clone());
        if rounds.apply(ctx, Change::new().operation(operation.clone()).event(event)).await? {
            return Ok(());
        }
    }
}

/// Withdraws a job. A delivery's invitation fails at once with the code `cancelled`, whatever a
/// worker that is just sending it achieves.
pub async fn cancel_job(
    ctx: &Ctx,
    id: JobId,
    reach: Reach,
    by: &Actor,
) -> Result<(), OperateError> {
    withdraw(ctx, id, reach, by, JobState::can_be_cancelled).await
}

/// Takes a dead job off the list of what is to be looked after.
pub async fn dismiss_job(
    ctx: &Ctx,
    id: JobId,
    reach: Reach,
    by: &Actor,
) -> Result<(), OperateError> {
    withdraw(ctx, id, reach, by, JobState::can_be_dismissed).await
}

/// Whether the caller may cancel or dismiss a job, whatever its state; answers the job.
pub async fn can_withdraw_job(
    ctx: &Ctx,
    id: JobId,
    reach: Reach,
) -> Result<QueuedJob, OperateError> {
    let job = can_retry_job(ctx, id, reach).await?;
    // A person would stay `deleting` for ever: neither here nor gone.
    if job.kind == DeleteUser::KIND { Err(OperateError::Erasure) } else { Ok(job) }
}

/// Whether the caller may retry a job, whatever its state; answers the job.
pub async fn can_retry_job(ctx: &Ctx, id: JobId, reach: Reach) -> Result<QueuedJob, OperateError> {
    let job = ctx.store.job(id).await?.ok_or(OperateError::NotFound)?;
    if covers_job(ctx, reach, &job).await? { Ok(job) } else { Err(OperateError::OutOfReach) }
}

async fn withdraw(
    ctx: &Ctx,
    id: JobId,
    reach: Reach,
    by: &Actor,
    can_be: fn(JobState) -> bool,
) -> Result<(), OperateError> {
    let mut rounds = Rounds::default();
    loop {
        let job = can_withdraw_job(ctx, id, reach).await?;
        if !can_be(job.state) {
            return Err(OperateError::WrongState(job.state));
        }
        let cancel = Operation::Cancel { job: id, at: ctx.now() };
        let mut change =
            Change::new().operation(cancel).event(about(ctx, EventKind::JobCancelled, &job, by));
        if let Some(delivery) = delivery(&job) {
            change = delivery.cancel(ctx, change, &job, by).await?;
        }
        if rounds.apply(ctx, change).await? {
            return Ok(());
        }
    }
}

/// Has a job run again now, with all its attempts before it. A delivery's invitation is sent
/// again: with a new link and a new end.
pub async fn retry_job(ctx: &Ctx, id: JobId, reach: Reach, by: &Actor) -> Result<(), OperateError> {
    let mut rounds = Rounds::default();
    loop {
        let job = can_retry_job(ctx, id, reach).await?;
        if !job.state.can_be_retried() {
            return Err(OperateError::WrongState(job.state));
        }
        let asked_at = ctx.now();
        let mut at = asked_at;
        let mut change = Change::new().event(about(ctx, EventKind::JobRetried, &job, by));
        if let Some(delivery) = delivery(&job) {
            let again = delivery.again(ctx, change, by).await?;
            (at, change) = again.ok_or(OperateError::Superseded)?;
        }
        let retry = Operation::Retry { job: id, at, asked_at };
        if rounds.apply(ctx, change.operation(retry)).await? {
            return Ok(());
        }
    }
}

fn delivery(job: &QueuedJob) -> Option<SendInvite> {
    (job.kind == SendInvite::KIND).then(|| SendInvite::from_args(&job.args)).flatten()
}

fn about(ctx: &Ctx, kind: EventKind, job: &QueuedJob, by: &Actor) -> Event {
    ctx.event(kind, by, json!({ "job": job.id, "kind": job.kind }))
}
