//! The jobs of changes: enqueued, settled and operated on in the transaction of the change.

use apalis_sea_orm::{AttemptError, Settled};
use guestlist_domain::{Change, JobError, JobOutcome, NewJob, Operation, Settlement};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use crate::error::WriteError;
use crate::tables::columns::truncate;

/// Settles jobs. Returns [`WriteError::LeaseLost`] if the lease of one of them was lost.
pub(super) async fn settle(
    tx: &DatabaseTransaction,
    changes: &[&Change],
) -> Result<(), WriteError> {
    let mut settlements: Vec<_> =
        changes.iter().filter_map(|c| c.settlement.as_ref()).map(queue_settlement).collect();
    settlements.sort_by_key(|settlement| settlement.job);
    if settlements.is_empty() {
        return Ok(());
    }
    match apalis_sea_orm::settle(tx, &settlements).await? {
        Settled::All => Ok(()),
        Settled::SomeLost => Err(WriteError::LeaseLost),
    }
}

/// Executes the operations of operators. Returns [`WriteError::Conflict`] if the state of a job does
/// not allow the operation.
pub(super) async fn operate(
    tx: &DatabaseTransaction,
    changes: &[&Change],
) -> Result<(), WriteError> {
    for operation in changes.iter().flat_map(|c| &c.operations) {
        let is_allowed = match operation {
            Operation::Pause { queue, by, reason, at } => {
                let (name, by) = (queue.as_str(), truncate(by, 190));
                apalis_sea_orm::pause(tx, name, &by, reason.as_deref(), *at).await?;
                true
            }
            Operation::Resume(queue) => {
                apalis_sea_orm::resume(tx, queue.as_str()).await?;
                true
            }
            Operation::Cancel { job, at } => {
                apalis_sea_orm::cancel(tx, job.0, *at).await?
                    || apalis_sea_orm::dismiss(tx, job.0, *at).await?
            }
            Operation::CancelIfDead { key, at } => {
                apalis_sea_orm::dismiss_by_key(tx, key, *at).await?;
                true
            }
            Operation::Retry { job, at, requested_at } if at > requested_at => {
                apalis_sea_orm::retry_at(tx, job.0, *at).await?
            }
            Operation::Retry { job, at, .. } => apalis_sea_orm::retry(tx, job.0, *at).await?,
        };
        if !is_allowed {
            return Err(WriteError::Conflict);
        }
    }
    Ok(())
}

/// Enqueues jobs. Returns [`WriteError::Conflict`] if a unique key is taken.
pub(super) async fn enqueue(
    tx: &DatabaseTransaction,
    changes: &[&Change],
) -> Result<(), WriteError> {
    let mut jobs: Vec<_> = changes.iter().flat_map(|c| &c.jobs).map(queue_job).collect();
    jobs.sort_by_key(|job| job.id);
    Ok(apalis_sea_orm::enqueue_all(tx, jobs).await?)
}

fn queue_job(job: &NewJob) -> apalis_sea_orm::NewJob {
    apalis_sea_orm::NewJob {
        id: job.id.0,
        queue: job.queue.to_string(),
        kind: job.kind.to_owned(),
        args: job.args.clone(),
        priority: job.priority,
        run_at: job.run_at,
        max_attempts: job.max_attempts,
        unique_key: job.unique_key.clone(),
        created_at: job.created_at,
    }
}

/// Converts a settlement for the queue.
pub(super) fn queue_settlement(settlement: &Settlement) -> apalis_sea_orm::AttemptResult {
    use apalis_sea_orm::AttemptOutcome as QueueOutcome;
    let (outcome, error) = match &settlement.outcome {
        JobOutcome::Done => (QueueOutcome::Done, None),
        JobOutcome::Retry(at, error) => (QueueOutcome::Retry { at: *at }, Some(failure(error))),
        JobOutcome::Snooze(at, error) => (QueueOutcome::Snooze { at: *at }, Some(failure(error))),
        JobOutcome::Dead(error) => (QueueOutcome::Dead, Some(failure(error))),
    };
    apalis_sea_orm::AttemptResult {
        attempt_id: attempt_id(settlement),
        job: settlement.attempt.job.0,
        queue: settlement.queue.clone(),
        run_at: settlement.run_at,
        fence: settlement.fence,
        worker: settlement.worker.clone(),
        number: settlement.attempt.number,
        started_at: settlement.attempt.started_at,
        finished_at: settlement.finished_at,
        outcome,
        error,
    }
}

fn failure(error: &JobError) -> AttemptError {
    AttemptError {
        code: error.code.clone(),
        message: error.message.clone(),
        request_id: error.request_id.clone(),
    }
}

/// Returns a UUIDv7 made of the job, the fence and the time. It is the same for every attempt at a
/// settlement, so that one whose commit was not answered can be recognized.
fn attempt_id(settlement: &Settlement) -> Uuid {
    let mut noise = [0; 10];
    noise.copy_from_slice(&settlement.attempt.job.0.as_bytes()[6..]);
    for (byte, fence) in noise[2..].iter_mut().zip(settlement.fence.to_be_bytes()) {
        *byte ^= fence;
    }
    let millis = u64::try_from(settlement.finished_at.as_millisecond()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &noise).into_uuid()
}
