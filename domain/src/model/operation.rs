//! Jobs as operators see them, and operations on jobs and queues.

use jiff::Timestamp;
use serde_json::Value;
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::{JobId, QueueName};

/// A job as stored in the queue.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuedJob {
    pub id: JobId,
    pub queue: String,
    pub kind: String,
    pub args: Value,
    pub state: JobState,
}

/// The state of a job, as the queue stores it. The API also reports `held` for a ready job whose queue
/// is paused or whose provider is unavailable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum JobState {
    /// Not due yet, and not because of a failure.
    Scheduled,
    /// Due, and waiting for a worker.
    Ready,
    Running,
    /// Failed, and waiting for its next attempt.
    Retrying,
    Done,
    /// Failed permanently. Kept until an operator retries or dismisses it.
    Dead,
    /// Cancelled or dismissed by an operator.
    Cancelled,
}

crate::model::text_enum!(JobState);

impl JobState {
    /// Returns whether an operator can cancel the job. A running job is not interrupted, but it is not
    /// retried.
    pub fn can_be_cancelled(self) -> bool {
        matches!(self, Self::Scheduled | Self::Ready | Self::Running | Self::Retrying)
    }

    pub fn can_be_dismissed(self) -> bool {
        self == Self::Dead
    }

    pub fn can_be_retried(self) -> bool {
        matches!(self, Self::Retrying | Self::Dead | Self::Cancelled)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Stops workers from claiming jobs of a queue.
    Pause { queue: QueueName, by: String, reason: Option<String>, at: Timestamp },
    /// Lets workers claim jobs of a queue again.
    Resume(QueueName),
    /// Cancels or dismisses a job, which must be in a state that
    /// [can be cancelled](JobState::can_be_cancelled) or [dismissed](JobState::can_be_dismissed).
    Cancel { job: JobId, at: Timestamp },
    /// Cancels the job with a unique key if it is dead, because its work is obsolete or done by
    /// another job.
    CancelIfDead { key: String, at: Timestamp },
    /// Runs a job again with all its attempts. It must be in a state that
    /// [can be retried](JobState::can_be_retried).
    Retry {
        job: JobId,
        /// The earliest time of the next attempt.
        at: Timestamp,
        requested_at: Timestamp,
    },
}
