//! The jobs of all queues, with their attempts and errors.

use apalis_sea_orm::entity::{attempt, job};
use apalis_sea_orm::{count_matching, inspect, matching_ids};
use guestlist_domain::{HeldBy, HoldReasons, JobId, JobState, Page, QueueName};
use jiff::Timestamp;
use serde_json::Value;

use crate::error::{StoreResult, store_error};
use crate::store::SqlStore;
use crate::tables::columns::RowReader;

/// The status of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobStatus {
    /// The state in the queue. `Ready` excludes jobs that are held.
    In(JobState),
    /// The job is due and held back, for example by a paused queue.
    Held,
}

/// A filter for jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    pub queue: Option<QueueName>,
    pub kind: Option<String>,
    pub status: Option<JobStatus>,
    /// The error code of the latest attempt.
    pub error: Option<String>,
    /// A part of the latest error's message, or the beginning of the job's id.
    pub q: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct JobRecord {
    pub id: JobId,
    pub queue: String,
    pub kind: String,
    /// The arguments, such as ids.
    pub args: Value,
    pub status: JobStatus,
    pub held_by: Option<HeldBy>,
    /// Jobs with a lower value run first.
    pub priority: i16,
    /// The earliest time of the next attempt.
    pub run_at: Timestamp,
    /// The attempts so far, without those that cost none.
    pub attempts: u32,
    pub max_attempts: u32,
    /// Code and message of the latest attempt, unless it succeeded.
    pub error: Option<(String, String)>,
    /// The worker that has claimed the job.
    pub worker: Option<String>,
    pub created_at: Timestamp,
    /// The start of the latest attempt.
    pub started_at: Option<Timestamp>,
    /// The time at which the job ended.
    pub finished_at: Option<Timestamp>,
    /// The time at which an operator cancelled the job.
    pub cancel_requested_at: Option<Timestamp>,
}

/// An attempt at a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobAttempt {
    /// The number of the attempt, from 1. A snoozed attempt is not counted: the next one has the
    /// same number.
    pub number: u32,
    /// The worker that ran the attempt. `None` for a job that succeeded at its first attempt, whose
    /// worker is not stored.
    pub worker: Option<String>,
    pub started_at: Timestamp,
    /// `None` while the attempt runs.
    pub finished_at: Option<Timestamp>,
    /// `running`, `done`, `retry`, `snooze`, `dead` or `lost`.
    pub outcome: String,
    /// Code and message of the error.
    pub error: Option<(String, String)>,
    /// Stytch's id of the request, for its support.
    pub request_id: Option<String>,
}

impl JobStatus {
    /// Returns the value in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In(state) => state.as_str(),
            Self::Held => "held",
        }
    }

    /// Parses a value of the API.
    pub fn parse(word: &str) -> Option<Self> {
        if word == "held" { Some(Self::Held) } else { JobState::parse(word).map(Self::In) }
    }

    /// Returns the state in the queue.
    pub fn state(self) -> JobState {
        match self {
            Self::In(state) => state,
            Self::Held => JobState::Ready,
        }
    }
}

impl SqlStore {
    /// Returns a page of jobs, newest first.
    pub async fn list_jobs(
        &self,
        filter: &JobFilter,
        page: Page<JobId>,
        now: Timestamp,
    ) -> StoreResult<Vec<JobRecord>> {
        let holds = self.holds(now).await?;
        let filter = queue_filter(filter, &holds, now);
        let before = page.after.map(|id| id.0);
        let rows = inspect::jobs(self.database.read(), &filter, before, page.limit).await;
        let rows = rows.map_err(store_error)?.into_iter();
        rows.map(|row| job_record(row, &holds, now)).collect()
    }

    /// Returns a job and its attempts, in order.
    pub async fn job_with_attempts(
        &self,
        id: JobId,
        now: Timestamp,
    ) -> StoreResult<Option<(JobRecord, Vec<JobAttempt>)>> {
        let found = inspect::job(self.database.read(), id.0).await.map_err(store_error)?;
        let Some(found) = found else { return Ok(None) };
        let latest = latest_attempt(&found)?;
        let attempts = found.attempts.into_iter().map(job_attempt);
        let attempts = attempts.chain(latest.map(Ok)).collect::<StoreResult<_>>()?;
        let holds = self.holds(now).await?;
        Ok(Some((job_record(found.job, &holds, now)?, attempts)))
    }

    /// Returns the number of jobs that match. The filter must have a status.
    pub async fn count_jobs(&self, filter: &JobFilter, now: Timestamp) -> StoreResult<u64> {
        let holds = self.holds(now).await?;
        let states = states(filter);
        let filter = queue_filter(filter, &holds, now);
        count_matching(self.database.read(), &filter, &states).await.map_err(store_error)
    }

    /// Returns the ids of the jobs that match, in ascending order. The filter must have a status.
    pub async fn job_ids(
        &self,
        filter: &JobFilter,
        after: Option<JobId>,
        limit: u64,
        now: Timestamp,
    ) -> StoreResult<Vec<JobId>> {
        let holds = self.holds(now).await?;
        let (states, after) = (states(filter), after.map(|id| id.0));
        let filter = queue_filter(filter, &holds, now);
        let found = matching_ids(self.database.read(), &filter, &states, after, limit).await;
        Ok(found.map_err(store_error)?.into_iter().map(JobId).collect())
    }

    /// Returns the failed jobs grouped by the code of their latest error, the most frequent first.
    pub async fn job_errors(&self) -> StoreResult<Vec<inspect::ErrorGroup>> {
        inspect::errors(self.database.read()).await.map_err(store_error)
    }
}

pub(super) fn states(filter: &JobFilter) -> Vec<&'static str> {
    filter.status.iter().map(|status| status.state().as_str()).collect()
}

/// Converts a filter for the queue. Held jobs are the ready jobs in queues that are held.
pub(super) fn queue_filter(
    filter: &JobFilter,
    holds: &HoldReasons,
    now: Timestamp,
) -> apalis_sea_orm::JobFilter {
    let is_held = |queue: QueueName| holds.for_queue(queue, now).is_some();
    let of_status = |queue: &QueueName| match filter.status {
        Some(JobStatus::Held) => is_held(*queue),
        Some(JobStatus::In(JobState::Ready)) => !is_held(*queue),
        _ => true,
    };
    let all_match = QueueName::ALL.iter().all(of_status);
    let named = filter.queue.map(|queue| vec![queue]);
    // Without a restriction the jobs of queues that this version does not know match as well.
    let queues = named.or_else(|| (!all_match).then(|| QueueName::ALL.to_vec()));
    let queues = queues.map(|queues| queues.into_iter().filter(of_status));
    let queues = queues.map(|queues| queues.map(|queue| queue.as_str().to_owned()).collect());
    // Kinds and codes are ASCII columns, which MySQL compares with ASCII text only.
    let may_match = [&filter.kind, &filter.error].into_iter().flatten().all(|word| word.is_ascii());
    apalis_sea_orm::JobFilter {
        queues: if may_match { queues } else { Some(Vec::new()) },
        kind: filter.kind.clone(),
        state: filter.status.map(|status| status.state().as_str().to_owned()),
        error_code: filter.error.clone(),
        text: filter.q.as_deref().map(str::trim).filter(|q| !q.is_empty()).map(ToOwned::to_owned),
    }
}

fn job_record(model: job::Model, holds: &HoldReasons, now: Timestamp) -> StoreResult<JobRecord> {
    let row = RowReader::new("jobs", model.id);
    let state = row.require("state", JobState::parse(&model.state))?;
    let queue = QueueName::parse(&model.queue).filter(|_| state == JobState::Ready);
    let held_by = queue.and_then(|queue| holds.for_queue(queue, now));
    Ok(JobRecord {
        id: JobId(model.id),
        status: if held_by.is_some() { JobStatus::Held } else { JobStatus::In(state) },
        held_by,
        args: serde_json::from_str(&model.args).unwrap_or_default(),
        priority: model.priority,
        run_at: row.time("run_at", model.run_at)?,
        attempts: count(model.attempts),
        max_attempts: count(model.max_attempts),
        error: model.last_error_code.map(|code| (code, model.last_error.unwrap_or_default())),
        worker: model.locked_by,
        created_at: row.time("created_at", model.created_at)?,
        started_at: row.optional_time("started_at", model.started_at)?,
        finished_at: row.optional_time("finished_at", model.finished_at)?,
        cancel_requested_at: row.optional_time("cancel_requested_at", model.cancel_requested_at)?,
        queue: model.queue,
        kind: model.kind,
    })
}

fn job_attempt(model: attempt::Model) -> StoreResult<JobAttempt> {
    let row = RowReader::new("job_attempts", model.id);
    Ok(JobAttempt {
        number: count(model.number),
        worker: Some(model.worker),
        started_at: row.time("started_at", model.started_at)?,
        finished_at: Some(row.time("finished_at", model.finished_at)?),
        outcome: model.outcome,
        error: model.error_code.map(|code| (code, model.error.unwrap_or_default())),
        request_id: model.request_id,
    })
}

/// Returns the latest attempt if the queue has no row for it: it runs, or it was the first attempt
/// and succeeded.
fn latest_attempt(found: &inspect::JobWithAttempts) -> StoreResult<Option<JobAttempt>> {
    let job = &found.job;
    let row = RowReader::new("jobs", job.id);
    let state = row.require("state", JobState::parse(&job.state))?;
    let has_row = found.attempts.iter().any(|attempt| attempt.fence == job.fence);
    let Some(started_at) = job.started_at.filter(|_| !has_row) else { return Ok(None) };
    let (outcome, finished_at) = match (state, job.finished_at) {
        (JobState::Running, _) => ("running", None),
        (JobState::Done, Some(at)) => ("done", Some(row.time("finished_at", at)?)),
        _ => return Ok(None),
    };
    Ok(Some(JobAttempt {
        number: count(job.attempts),
        worker: job.locked_by.clone(),
        started_at: row.time("started_at", started_at)?,
        finished_at,
        outcome: outcome.to_owned(),
        error: None,
        request_id: None,
    }))
}

fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}
