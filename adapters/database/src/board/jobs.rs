//! Jobs, as operators look for them.

use apalis_sea_orm::entity::{attempt, job};
use apalis_sea_orm::{board, count_matching, matching};
use guestlist_domain::{HeldBy, HoldReasons, JobId, JobState, Page, QueueName, StoreError};
use jiff::Timestamp;
use serde_json::Value;

use crate::errors::store_error;
use crate::store::SqlStore;
use crate::values::Row;

type Answer<T> = Result<T, StoreError>;

/// Where a job stands, as operators are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobStatus {
    /// As the queue has it. Ready is what waits for its turn only.
    In(JobState),
    /// It is due, and something else than its turn keeps it waiting.
    Held,
}

/// Which jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// In that queue.
    pub queue: Option<QueueName>,
    /// Of that kind.
    pub kind: Option<String>,
    /// That stand there.
    pub status: Option<JobStatus>,
    /// Whose latest attempt failed with that code.
    pub error: Option<String>,
    /// Whose latest error holds that text, or whose id begins with it.
    pub q: Option<String>,
}

/// A job.
#[derive(Debug, Clone, PartialEq)]
pub struct BoardJob {
    /// Ours.
    pub id: JobId,
    /// Where it is.
    pub queue: String,
    /// Which job it is.
    pub kind: String,
    /// What it is about: ids.
    pub args: Value,
    /// Where it stands.
    pub status: JobStatus,
    /// What keeps it waiting, if it is held.
    pub held_by: Option<HeldBy>,
    /// Lower goes first.
    pub priority: i16,
    /// Not before.
    pub run_at: Timestamp,
    /// Charged so far.
    pub attempts: u32,
    /// In all.
    pub max_attempts: u32,
    /// Code and message of the latest attempt, unless that succeeded.
    pub error: Option<(String, String)>,
    /// Who has it.
    pub worker: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its latest attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When somebody wanted it to end.
    pub cancel_requested_at: Option<Timestamp>,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobAttempt {
    /// From 1; one that cost nothing shares its number with the next.
    pub number: u32,
    /// Who made it; not kept of a success at the first attempt.
    pub worker: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; none while it runs.
    pub finished_at: Option<Timestamp>,
    /// `running`, `done`, `retry`, `snooze`, `dead`, `cancelled` or `lost`.
    pub outcome: String,
    /// Code and message.
    pub error: Option<(String, String)>,
    /// Stytch's, to ask them about.
    pub request_id: Option<String>,
}

/// Jobs whose latest attempt failed with one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorGroup {
    /// The code.
    pub code: Option<String>,
    /// Of these jobs, those that are dead.
    pub dead: u64,
    /// Those that will be tried again.
    pub retrying: u64,
    /// Those that were put off, which cost them no attempt.
    pub waiting: u64,
    /// When the first of these attempts began.
    pub first_seen: Timestamp,
    /// When the last did.
    pub last_seen: Timestamp,
}

impl JobStatus {
    /// The word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In(state) => state.as_str(),
            Self::Held => "held",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        if word == "held" { Some(Self::Held) } else { JobState::parse(word).map(Self::In) }
    }

    /// As the queue has it.
    pub fn state(self) -> JobState {
        match self {
            Self::In(state) => state,
            Self::Held => JobState::Ready,
        }
    }
}

impl SqlStore {
    /// A piece of the list of jobs, newest first.
    pub async fn list_jobs(
        &self,
        filter: &JobFilter,
        page: Page<JobId>,
        now: Timestamp,
    ) -> Answer<Vec<BoardJob>> {
        let holds = self.holds(now).await?;
        let wanted = wanted(filter, &holds, now);
        let before = page.after.map(|id| id.0);
        let rows = board::jobs(self.database.read(), &wanted, before, page.limit).await;
        let rows = rows.map_err(store_error)?.into_iter();
        rows.map(|row| told(row, &holds, now)).collect()
    }

    /// That job and its attempts, the first first.
    pub async fn job_with_attempts(
        &self,
        id: JobId,
        now: Timestamp,
    ) -> Answer<Option<(BoardJob, Vec<JobAttempt>)>> {
        let found = board::job(self.database.read(), id.0).await.map_err(store_error)?;
        let Some(found) = found else { return Ok(None) };
        let latest = latest_attempt(&found)?;
        let attempts = found.attempts.into_iter().map(attempt);
        let attempts = attempts.chain(latest.map(Ok)).collect::<Answer<_>>()?;
        let holds = self.holds(now).await?;
        Ok(Some((told(found.job, &holds, now)?, attempts)))
    }

    /// How many match. The filter's status must be given.
    pub async fn count_jobs(&self, filter: &JobFilter, now: Timestamp) -> Answer<u64> {
        let holds = self.holds(now).await?;
        let states = states(filter);
        let wanted = wanted(filter, &holds, now);
        count_matching(self.database.read(), &wanted, &states).await.map_err(store_error)
    }

    /// The ids of those that match, in order, from the one after that. The filter's status must
    /// be given.
    pub async fn job_ids(
        &self,
        filter: &JobFilter,
        after: Option<JobId>,
        limit: u64,
        now: Timestamp,
    ) -> Answer<Vec<JobId>> {
        let holds = self.holds(now).await?;
        let wanted = wanted(filter, &holds, now);
        let (states, after) = (states(filter), after.map(|id| id.0));
        let found = matching(self.database.read(), &wanted, &states, after, limit).await;
        Ok(found.map_err(store_error)?.into_iter().map(JobId).collect())
    }

    /// Jobs by the code that their latest attempt failed with, the most frequent first.
    pub async fn job_errors(&self) -> Answer<Vec<ErrorGroup>> {
        let groups = board::errors(self.database.read()).await.map_err(store_error)?;
        let group = |group: board::ErrorGroup| ErrorGroup {
            code: group.code,
            dead: group.dead,
            retrying: group.retrying,
            waiting: group.waiting,
            first_seen: group.first_seen,
            last_seen: group.last_seen,
        };
        Ok(groups.into_iter().map(group).collect())
    }
}

fn states(filter: &JobFilter) -> Vec<&'static str> {
    filter.status.iter().map(|status| status.state().as_str()).collect()
}

/// As the queue is asked: what is held is what is ready in queues that are held.
fn wanted(filter: &JobFilter, holds: &HoldReasons, now: Timestamp) -> apalis_sea_orm::JobFilter {
    let is_held = |queue: QueueName| holds.for_queue(queue, now).is_some();
    let of_status = |queue: &QueueName| match filter.status {
        Some(JobStatus::Held) => is_held(*queue),
        Some(JobStatus::In(JobState::Ready)) => !is_held(*queue),
        _ => true,
    };
    let all_of_them = QueueName::ALL.iter().all(of_status);
    let named = filter.queue.map(|queue| vec![queue]);
    // Only where it makes a difference, so that jobs of queues unknown to this version show too.
    let queues = named.or_else(|| (!all_of_them).then(|| QueueName::ALL.to_vec()));
    let queues = queues.map(|queues| queues.into_iter().filter(of_status));
    let queues = queues.map(|queues| queues.map(|queue| queue.as_str().to_owned()).collect());
    // Kinds and codes are ASCII, and MySQL compares them to nothing else.
    let can_be = [&filter.kind, &filter.error].into_iter().flatten().all(|word| word.is_ascii());
    apalis_sea_orm::JobFilter {
        queues: if can_be { queues } else { Some(Vec::new()) },
        kind: filter.kind.clone(),
        state: filter.status.map(|status| status.state().as_str().to_owned()),
        error_code: filter.error.clone(),
        text: filter.q.as_deref().map(str::trim).filter(|q| !q.is_empty()).map(ToOwned::to_owned),
    }
}

fn told(model: job::Model, holds: &HoldReasons, now: Timestamp) -> Answer<BoardJob> {
    let row = Row::of("jobs", model.id);
    let state = row.whole("state", JobState::parse(&model.state))?;
    let queue = QueueName::parse(&model.queue).filter(|_| state == JobState::Ready);
    let held_by = queue.and_then(|queue| holds.for_queue(queue, now));
    Ok(BoardJob {
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
        started_at: row.maybe_time("started_at", model.started_at)?,
        finished_at: row.maybe_time("finished_at", model.finished_at)?,
        cancel_requested_at: row.maybe_time("cancel_requested_at", model.cancel_requested_at)?,
        queue: model.queue,
        kind: model.kind,
    })
}

fn attempt(model: attempt::Model) -> Answer<JobAttempt> {
    let row = Row::of("job_attempts", model.id);
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

/// The one that has no row of its own: it runs, or it was a success at the first attempt.
fn latest_attempt(found: &board::JobWithAttempts) -> Answer<Option<JobAttempt>> {
    let job = &found.job;
    let row = Row::of("jobs", job.id);
    let state = row.whole("state", JobState::parse(&job.state))?;
    let is_told = found.attempts.iter().any(|attempt| attempt.fence == job.fence);
    let Some(started_at) = job.started_at.filter(|_| !is_told) else { return Ok(None) };
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
