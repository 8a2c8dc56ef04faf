//! The result of an attempt, as a worker reports it.

use std::{error::Error, fmt};

use jiff::Timestamp;
use sea_orm::ActiveValue::Set;
use uuid::Uuid;

use crate::{entity::attempt, sql::micros};

/// The most characters of an error message that are stored.
const MESSAGE_CHARS: usize = 4_000;

/// The result of one attempt. `job`, `queue`, `run_at`, `fence`, `number` and `started_at` are those
/// of the [`ClaimedJob`](crate::ClaimedJob).
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptResult {
    /// The id of the row in `job_attempts`. Choose it before the first try to write and keep it for
    /// each further one, so that a result can be found after a commit whose answer was lost.
    pub attempt_id: Uuid,
    pub job: Uuid,
    pub queue: String,
    pub run_at: Timestamp,
    pub fence: i64,
    pub worker: String,
    /// The attempt's number, starting at 1.
    pub number: u32,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    /// The job's next state.
    pub outcome: AttemptOutcome,
    pub error: Option<AttemptError>,
}

/// What happens to a job after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    Done,
    /// The job failed and is retried; the attempt is charged.
    Retry {
        /// Earliest start of the next attempt.
        at: Timestamp,
    },
    /// The job could not be tried and waits; the attempt is not charged.
    Snooze {
        /// Earliest start of the next attempt.
        at: Timestamp,
    },
    /// The job failed permanently.
    Dead,
}

/// The error of an attempt. A handler may return it as its error, or as the source of one, to record
/// its code and request id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptError {
    /// A stable code, cut after 64 bytes of ASCII.
    pub code: String,
    /// A description for operators, cut after 4,000 characters.
    pub message: String,
    /// The request id that the called service returned.
    pub request_id: Option<String>,
}

impl AttemptOutcome {
    /// The value of the `outcome` column.
    pub fn name(self) -> &'static str {
        match self {
            AttemptOutcome::Done => "done",
            AttemptOutcome::Retry { .. } => "retry",
            AttemptOutcome::Snooze { .. } => "snooze",
            AttemptOutcome::Dead => "dead",
        }
    }

    pub(crate) fn run_at(self) -> Option<Timestamp> {
        match self {
            AttemptOutcome::Retry { at } | AttemptOutcome::Snooze { at } => Some(at),
            AttemptOutcome::Done | AttemptOutcome::Dead => None,
        }
    }
}

impl AttemptError {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), request_id: None }
    }

    pub(crate) fn stored_code(&self) -> String {
        short_ascii(&self.code)
    }

    pub(crate) fn stored_message(&self) -> String {
        self.message.chars().take(MESSAGE_CHARS).collect()
    }
}

impl Error for AttemptError {}

impl fmt::Display for AttemptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl AttemptResult {
    /// Returns whether this is a success at the first attempt, which the job's own row records
    /// completely.
    pub(crate) fn is_plain_success(&self) -> bool {
        self.outcome == AttemptOutcome::Done && self.number == 1 && self.error.is_none()
    }

    pub(crate) fn row(&self) -> attempt::ActiveModel {
        let error = self.error.as_ref();
        attempt::ActiveModel {
            id: Set(self.attempt_id),
            job_id: Set(self.job),
            number: Set(i32::try_from(self.number).unwrap_or(i32::MAX)),
            fence: Set(self.fence),
            worker: Set(short_ascii(&self.worker)),
            started_at: Set(micros(self.started_at)),
            finished_at: Set(micros(self.finished_at)),
            outcome: Set(self.outcome.name().to_owned()),
            error_code: Set(error.map(AttemptError::stored_code)),
            error: Set(error.map(AttemptError::stored_message)),
            request_id: Set(error.and_then(|e| e.request_id.as_deref()).map(short_ascii)),
        }
    }
}

/// Makes a text fit a column of 64 bytes of ASCII.
pub(crate) fn short_ascii(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() { c } else { '?' }).take(64).collect()
}
