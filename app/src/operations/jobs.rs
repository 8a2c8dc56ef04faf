//! Jobs and errors, as they are shown.

use guestlist_database::board::{BoardJob, ErrorGroup, JobAttempt};
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
    /// Which job it is, as in `send-invite`; never renamed.
    kind: &'a str,
    /// What it is about: ids, never addresses or tokens.
    args: &'a Value,
    #[schemars(with = "schemas::JobState")]
    state: &'a str,
    /// What keeps it waiting; null unless it is `held`.
    #[schemars(with = "Option<schemas::HeldBy>")]
    held_by: Option<&'a str>,
    /// Lower goes first.
    priority: i16,
    /// Not before.
    run_at: Time,
    /// Attempts that were charged, the running one included.
    attempt_count: u32,
    /// How many of them there can be until it is dead.
    max_attempts: u32,
    /// Why its latest attempt failed; null unless it did.
    last_error: Option<Failure<'a>>,
    /// Who has it; null unless it runs.
    worker: Option<&'a str>,
    /// When it was asked for.
    created_at: Time,
    /// When its latest attempt began; null before the first.
    started_at: Option<Time>,
    /// When it became `done`, `dead` or `cancelled`; null until then.
    finished_at: Option<Time>,
    /// When somebody withdrew it; null if nobody did.
    cancel_requested_at: Option<Time>,
}

/// A job with its attempts, the first first.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WholeJob", transform = schemas::all_required)]
pub struct WholeJobView<'a> {
    #[serde(flatten)]
    job: JobView<'a>,
    /// The first first.
    attempts: Vec<AttemptView<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Attempt", transform = schemas::all_required)]
struct AttemptView<'a> {
    /// From 1; one that was not charged shares its number with the next.
    number: u32,
    /// Who made it; null of a success at the first attempt, of which that is not kept.
    worker: Option<&'a str>,
    started_at: Time,
    /// Null while it runs.
    finished_at: Option<Time>,
    /// How long it took; null while it runs.
    duration_ms: Option<i64>,
    /// `running`, `done`, `retry`, `snooze`, `dead`, `cancelled` or `lost`.
    outcome: &'a str,
    /// Null unless it failed or was put off.
    error: Option<Failure<'a>>,
    /// Stytch's own id of the call, to ask them about; null if it gave none.
    request_id: Option<&'a str>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Failure", transform = schemas::all_required)]
struct Failure<'a> {
    /// Stytch's `error_type`, or ours for what never reached it, as in `timeout`.
    code: &'a str,
    /// For people.
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
#[schemars(rename = "ErrorGroup", transform = schemas::all_required)]
pub struct ErrorView<'a> {
    /// What the latest attempt of each failed with; null if without a code.
    code: Option<&'a str>,
    /// All of them: `dead`, `retrying` and `waiting`.
    count: u64,
    /// Those that failed for good.
    dead: u64,
    /// Those that failed and will be tried again.
    retrying: u64,
    /// Those that were put off, which cost them no attempt, or are due again.
    waiting: u64,
    /// When the first of these attempts began.
    first_seen: Time,
    /// When the last one did.
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
