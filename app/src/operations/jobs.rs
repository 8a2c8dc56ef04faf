//! Jobs, their attempts and their errors as JSON.

use guestlist_database::operations::{ErrorGroup, JobAttempt, JobRecord};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::openapi::schemas::{self, Time};

/// A job.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Job", transform = schemas::all_required)]
pub struct JobView<'a> {
    id: Uuid,
    #[schemars(with = "schemas::Queue")]
    queue: &'a str,
    /// Stable name of the job's type, such as `send-invite`.
    kind: &'a str,
    /// The job's arguments: ids, never addresses or tokens.
    args: &'a Value,
    #[schemars(with = "schemas::JobState")]
    state: &'a str,
    /// What holds the job back; null unless its state is `held`.
    held_by: Option<schemas::HeldBy>,
    /// Jobs with a lower number run first.
    priority: i16,
    /// Earliest time of the next attempt.
    run_at: Time,
    /// Number of attempts that count towards `max_attempts`, including a running one.
    attempt_count: u32,
    /// Number of attempts after which the job is dead.
    max_attempts: u32,
    /// Error of the latest attempt; null if it did not fail.
    last_error: Option<ErrorView<'a>>,
    /// Worker that runs the job; null unless it is running.
    worker: Option<&'a str>,
    /// When the job was enqueued.
    created_at: Time,
    /// When the latest attempt started; null before the first.
    started_at: Option<Time>,
    /// When the job became `done`, `dead` or `cancelled`; null until then.
    finished_at: Option<Time>,
    /// When cancellation was requested; null if it was not.
    cancel_requested_at: Option<Time>,
}

/// A job with its attempts.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "JobDetail", transform = schemas::all_required)]
pub struct JobDetailView<'a> {
    #[serde(flatten)]
    job: JobView<'a>,
    /// Attempts, oldest first.
    attempts: Vec<AttemptView<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Attempt", transform = schemas::all_required)]
struct AttemptView<'a> {
    /// Number of the attempt, from 1. An attempt that does not count shares its number with the
    /// next one.
    number: u32,
    /// Worker that made the attempt; null if the first attempt succeeded, for which it is not
    /// stored.
    worker: Option<&'a str>,
    started_at: Time,
    /// Null while the attempt is running.
    finished_at: Option<Time>,
    /// Duration in milliseconds; null while the attempt is running.
    duration_ms: Option<i64>,
    /// `running`, `done`, `retry`, `snooze`, `dead` or `lost`.
    outcome: &'a str,
    /// Null unless the attempt failed or was postponed.
    error: Option<ErrorView<'a>>,
    /// Stytch's id of the API request, for their support; null if there is none.
    request_id: Option<&'a str>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ErrorDetail", transform = schemas::all_required)]
pub struct ErrorView<'a> {
    /// Stytch's `error_type`, or Guestlist's own code, such as `timeout`.
    pub code: &'a str,
    /// Explanation for people.
    pub message: &'a str,
}

impl<'a> From<&'a JobRecord> for JobView<'a> {
    fn from(job: &'a JobRecord) -> Self {
        Self {
            id: job.id.0,
            queue: &job.queue,
            kind: &job.kind,
            args: &job.args,
            state: job.status.as_str(),
            held_by: job.held_by.map(Into::into),
            priority: job.priority,
            run_at: Time(job.run_at),
            attempt_count: job.attempts,
            max_attempts: job.max_attempts,
            last_error: job.error.as_ref().map(ErrorView::new),
            worker: job.worker.as_deref(),
            created_at: Time(job.created_at),
            started_at: job.started_at.map(Time),
            finished_at: job.finished_at.map(Time),
            cancel_requested_at: job.cancel_requested_at.map(Time),
        }
    }
}

impl<'a> JobDetailView<'a> {
    pub fn new(job: &'a JobRecord, attempts: &'a [JobAttempt]) -> Self {
        Self { job: job.into(), attempts: attempts.iter().map(AttemptView::from).collect() }
    }
}

impl<'a> From<&'a JobAttempt> for AttemptView<'a> {
    fn from(attempt: &'a JobAttempt) -> Self {
        let duration = attempt.finished_at.map(|end| end.duration_since(attempt.started_at));
        let millis = |duration: jiff::SignedDuration| {
            i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
        };
        Self {
            number: attempt.number,
            worker: attempt.worker.as_deref(),
            started_at: Time(attempt.started_at),
            finished_at: attempt.finished_at.map(Time),
            duration_ms: duration.map(millis),
            outcome: &attempt.outcome,
            error: attempt.error.as_ref().map(ErrorView::new),
            request_id: attempt.request_id.as_deref(),
        }
    }
}

impl<'a> ErrorView<'a> {
    fn new((code, message): &'a (String, String)) -> Self {
        Self { code, message }
    }
}

/// Failed jobs grouped by the error of their latest attempt.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ErrorGroup", transform = schemas::all_required)]
pub struct ErrorGroupView<'a> {
    /// Error code of the latest attempts; null if they have none.
    code: Option<&'a str>,
    /// Total number of jobs: `dead`, `retrying` and `waiting`.
    count: u64,
    /// Jobs that failed for good.
    dead: u64,
    /// Jobs that failed and will be retried.
    retrying: u64,
    /// Jobs that were postponed without using up an attempt, or are due again.
    waiting: u64,
    /// When the earliest of these attempts started.
    first_seen: Time,
    /// When the latest of these attempts started.
    last_seen: Time,
}

impl<'a> From<&'a ErrorGroup> for ErrorGroupView<'a> {
    fn from(group: &'a ErrorGroup) -> Self {
        Self {
            code: group.code.as_deref(),
            count: group.dead + group.retrying + group.waiting,
            dead: group.dead,
            retrying: group.retrying,
            waiting: group.waiting,
            first_seen: Time(group.first_seen),
            last_seen: Time(group.last_seen),
        }
    }
}
