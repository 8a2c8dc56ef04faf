//! The queue, as far as changes touch it: what is to be done, how what was done ended, and what
//! operators do. The rows are the queue's own; they are written in our transaction.

use apalis_sea_orm::{Failure, Settled, entity};
use async_trait::async_trait;
use guestlist_domain::{
    Change, JobError, JobId, JobState, NewJob, Operation, JobOutcome, QueuedJob, ReadJobs, Settlement,
    StoreError,
};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};
use uuid::Uuid;

use crate::apply::Refusal;
use crate::errors::store_error;
use crate::store::SqlStore;
use crate::values::{Row, cut, micros};

/// Writes how jobs ended, or refuses if one of them is no longer its worker's.
pub(crate) async fn settle(tx: &DatabaseTransaction, changes: &[&Change]) -> Result<(), Refusal> {
    let mut settlements: Vec<_> =
        changes.iter().filter_map(|c| c.settlement.as_ref()).map(settlement).collect();
    settlements.sort_by_key(|settlement| settlement.job);
    if settlements.is_empty() {
        return Ok(());
    }
    match apalis_sea_orm::settle(tx, &settlements).await? {
        Settled::All => Ok(()),
        Settled::SomeLost => Err(Refusal::LeaseLost),
    }
}

/// Does what operators want, or refuses if a job is in a state in which it can't be done.
pub(crate) async fn operate(tx: &DatabaseTransaction, changes: &[&Change]) -> Result<(), Refusal> {
    for operation in changes.iter().flat_map(|c| &c.operations) {
        let is_done = match operation {
            Operation::Pause { queue, by, reason, at } => {
                let (name, by) = (queue.as_str(), cut(by, 190));
                apalis_sea_orm::pause(tx, name, &by, reason.as_deref(), *at).await?;
                true
            }
            Operation::Resume(queue) => {
                apalis_sea_orm::resume(tx, queue.as_str()).await?;
                true
            }
            Operation::Cancel { job, at } => {
                let cancelled = apalis_sea_orm::cancel(tx, &[job.0], *at).await?;
                !cancelled.at_once.is_empty()
                    || !cancelled.requested.is_empty()
                    || apalis_sea_orm::dismiss(tx, &[job.0], *at).await? > 0
            }
            Operation::CancelIfDead { key, at } => {
                apalis_sea_orm::dismiss_by_key(tx, std::slice::from_ref(key), *at).await?;
                true
            }
            Operation::Retry { job, at, asked_at } if at > asked_at => {
                !apalis_sea_orm::retry_at(tx, &[job.0], *at).await?.ready.is_empty()
            }
            Operation::Retry { job, at, .. } => {
                !apalis_sea_orm::retry(tx, &[job.0], *at).await?.ready.is_empty()
            }
        };
        if !is_done {
            return Err(Refusal::Conflict);
        }
    }
    Ok(())
}

#[async_trait]
impl ReadJobs for SqlStore {
    async fn job(&self, id: JobId) -> Result<Option<QueuedJob>, StoreError> {
        let row = entity::job::Entity::find_by_id(id.0).one(self.database.read()).await;
        row.map_err(store_error)?.map(queued).transpose()
    }

    async fn first_lost_attempt(
        &self,
        id: JobId,
        since: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        use entity::attempt::Column as C;
        let lost = entity::attempt::Entity::find()
            .filter(C::JobId.eq(id.0))
            .filter(C::Outcome.eq("lost"))
            .filter(C::StartedAt.gte(micros(since)))
            .all(self.database.read())
            .await
            .map_err(store_error)?;
        let first = lost.iter().map(|attempt| attempt.started_at).min();
        Row::of("job_attempts", id.0).maybe_time("started_at", first)
    }
}

fn queued(model: entity::job::Model) -> Result<QueuedJob, StoreError> {
    let row = Row::of("jobs", model.id);
    Ok(QueuedJob {
        id: JobId(model.id),
        queue: model.queue,
        kind: model.kind,
        args: serde_json::from_str(&model.args).unwrap_or_default(),
        state: row.whole("state", JobState::parse(&model.state))?,
    })
}

/// Enqueues jobs, or refuses if one has a unique key that is taken.
pub(crate) async fn enqueue(tx: &DatabaseTransaction, changes: &[&Change]) -> Result<(), Refusal> {
    let mut jobs: Vec<_> = changes.iter().flat_map(|c| &c.jobs).map(new_job).collect();
    jobs.sort_by_key(|job| job.id);
    Ok(apalis_sea_orm::enqueue_all(tx, jobs).await?)
}

fn new_job(job: &NewJob) -> apalis_sea_orm::NewJob {
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

/// As the queue has it.
pub(crate) fn settlement(settlement: &Settlement) -> apalis_sea_orm::Settlement {
    use apalis_sea_orm::Outcome as Theirs;
    let (outcome, error) = match &settlement.outcome {
        JobOutcome::Done => (Theirs::Done, None),
        JobOutcome::Retry(at, error) => (Theirs::Retry { at: *at }, Some(failure(error))),
        JobOutcome::Snooze(at, error) => (Theirs::Snooze { at: *at }, Some(failure(error))),
        JobOutcome::Dead(error) => (Theirs::Dead, Some(failure(error))),
    };
    apalis_sea_orm::Settlement {
        attempt_id: attempt_id(settlement),
        job: settlement.attempt.job.0,
        fence: settlement.fence,
        worker: settlement.worker.clone(),
        number: settlement.attempt.number,
        started_at: settlement.attempt.started_at,
        finished_at: settlement.finished_at,
        outcome,
        error,
    }
}

fn failure(error: &JobError) -> Failure {
    Failure {
        code: error.code.clone(),
        message: error.message.clone(),
        request_id: error.request_id.clone(),
    }
}

/// Made of the job, the fence and the time: the same however often the same settlement is tried,
/// so that one whose commit was lost is known again; in order of time, as version 7 is.
fn attempt_id(settlement: &Settlement) -> Uuid {
    let mut noise = [0; 10];
    noise.copy_from_slice(&settlement.attempt.job.0.as_bytes()[6..]);
    for (byte, fence) in noise[2..].iter_mut().zip(settlement.fence.to_be_bytes()) {
        *byte ^= fence;
    }
    let millis = u64::try_from(settlement.finished_at.as_millisecond()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &noise).into_uuid()
}
