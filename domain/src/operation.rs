//! What operators see of one job, and what they do to jobs and queues.

use jiff::Timestamp;
use serde_json::Value;

use crate::{JobId, QueueName};

/// A job as the queue has it, as far as flows ask.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuedJob {
    /// Ours.
    pub id: JobId,
    /// Which queue it is in.
    pub queue: String,
    /// Which job it is.
    pub kind: String,
    /// What it is about.
    pub args: Value,
    /// Where it stands.
    pub state: JobState,
}

/// Where a job stands, as the queue writes it. Operators are also told `held`: ready, while its
/// queue is paused or the provider can't be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Waits for its time, which no failure caused.
    Scheduled,
    /// Waits for a worker.
    Ready,
    /// A worker has it.
    Running,
    /// Failed, and waits for the time of its next attempt.
    Retrying,
    /// Finished.
    Done,
    /// Failed for good; stays until somebody acts.
    Dead,
    /// Withdrawn by an operator.
    Cancelled,
}

crate::user::words!(JobState {
    Scheduled = "scheduled",
    Ready = "ready",
    Running = "running",
    Retrying = "retrying",
    Done = "done",
    Dead = "dead",
    Cancelled = "cancelled",
});

impl JobState {
    /// Whether an operator can withdraw it. Of what runs the worker is told, and it is not tried
    /// again.
    pub fn can_be_cancelled(self) -> bool {
        matches!(self, Self::Scheduled | Self::Ready | Self::Running | Self::Retrying)
    }

    /// Whether an operator can say that it need not be looked after any more.
    pub fn can_be_dismissed(self) -> bool {
        self == Self::Dead
    }

    /// Whether an operator can have it run again now.
    pub fn can_be_retried(self) -> bool {
        matches!(self, Self::Retrying | Self::Dead | Self::Cancelled)
    }
}

/// What an operator does to the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Nobody takes jobs of that queue any more.
    Pause {
        /// Which queue.
        queue: QueueName,
        /// Who says so.
        by: String,
        /// Why.
        reason: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// They do again.
    Resume(QueueName),
    /// A job is withdrawn: it must be in a state that can be [cancelled](JobState::can_be_cancelled)
    /// or [dismissed](JobState::can_be_dismissed).
    Cancel {
        /// Which.
        job: JobId,
        /// When.
        at: Timestamp,
    },
    /// If the job of that unique key is dead it is withdrawn: what it was for is done, or given up,
    /// in another way.
    CancelIfDead {
        /// Its key.
        key: String,
        /// When.
        at: Timestamp,
    },
    /// A job runs again, with all its attempts before it: it must be in a state that
    /// [can be](JobState::can_be_retried).
    Retry {
        /// Which.
        job: JobId,
        /// Not before.
        at: Timestamp,
        /// When it was asked for.
        asked_at: Timestamp,
    },
}
