//! Jobs and errors, as they are shown.

use guestlist_database::board::{BoardJob, ErrorGroup, JobAttempt};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::http::{Time, shapes};

/// A job.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Job", transform = shapes::whole)]
pub struct JobView<'a> {
    id: Uuid,
    #[schemars(with = "shapes::Queue")]
    queue: &'a str,
    kind: &'a str,
    args: &'a Value,
    #[schemars(with = "shapes::JobState")]
    state: &'a str,
    #[schemars(with = "Option<shapes::HeldBy>")]
    held_by: Option<&'a str>,
    priority: i16,
    run_at: Time,
    attempt_count: u32,
    max_attempts: u32,
    last_error: Option<Failure<'a>>,
    worker: Option<&'a str>,
    created_at: Time,
    started_at: Option<Time>,
    finished_at: Option<Time>,
    cancel_requested_at: Option<Time>,
}

/// A job with its attempts, the first first.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WholeJob", transform = shapes::whole)]
pub struct WholeJobView<'a> {
    #[serde(flatten)]
    job: JobView<'a>,
    attempts: Vec<AttemptView<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Attempt", transform = shapes::whole)]
struct AttemptView<'a> {
    number: u32,
    worker: Option<&'a str>,
    started_at: Time,
    finished_at: Option<Time>,
    duration_ms: Option<i64>,
    outcome: &'a str,
    error: Option<Failure<'a>>,
    request_id: Option<&'a str>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Failure", transform = shapes::whole)]
struct Failure<'a> {
    code: &'a str,
    message: &'a str,
}

impl<'a> From<&'a BoardJob> for JobView<'a> {
    fn from(job: &'a BoardJob) -> Self {
        Self {
            id: job.id.0,
            queue: &job.queue,
            kind: &job.kind,
            args: &job.args,
            state: job.status.as_str(),
            held_by: job.held_by.map(guestlist_domain::HeldBy::as_str),
            priority: job.priority,
            run_at: Time(job.run_at),
            attempt_count: job.attempts,
            max_attempts: job.max_attempts,
            last_error: job.error.as_ref().map(Failure::of),
            worker: job.worker.as_deref(),
            created_at: Time(job.created_at),
            started_at: job.started_at.map(Time),
            finished_at: job.finished_at.map(Time),
            cancel_requested_at: job.cancel_requested_at.map(Time),
        }
    }
}

impl<'a> WholeJobView<'a> {
    /// Of both parts.
    pub fn of(job: &'a BoardJob, attempts: &'a [JobAttempt]) -> Self {
        Self { job: job.into(), attempts: attempts.iter().map(AttemptView::from).collect() }
    }
}

impl<'a> From<&'a JobAttempt> for AttemptView<'a> {
    fn from(attempt: &'a JobAttempt) -> Self {
        let length = attempt.finished_at.map(|end| end.duration_since(attempt.started_at));
        Self {
            number: attempt.number,
            worker: attempt.worker.as_deref(),
            started_at: Time(attempt.started_at),
            finished_at: attempt.finished_at.map(Time),
            duration_ms: length.map(|length| i64::try_from(length.as_millis()).unwrap_or(i64::MAX)),
            outcome: &attempt.outcome,
            error: attempt.error.as_ref().map(Failure::of),
            request_id: attempt.request_id.as_deref(),
        }
    }
}

impl<'a> Failure<'a> {
    fn of((code, message): &'a (String, String)) -> Self {
        Self { code, message }
    }
}

/// Jobs whose latest attempt failed with one code.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ErrorGroup", transform = shapes::whole)]
pub struct ErrorView<'a> {
    code: Option<&'a str>,
    count: u64,
    dead: u64,
    retrying: u64,
    waiting: u64,
    first_seen: Time,
    last_seen: Time,
}

impl<'a> From<&'a ErrorGroup> for ErrorView<'a> {
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
