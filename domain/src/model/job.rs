//! Jobs: what is enqueued, how an attempt ends, when it is retried, and what operators may do.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::{HeldBy, JobId};

#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    pub id: JobId,
    pub queue: QueueName,
    /// Names the job's implementation. Stored, so it never changes.
    pub kind: &'static str,
    /// Contains ids only, never addresses or tokens.
    pub args: Value,
    /// Lower values are claimed first.
    pub priority: i16,
    /// The earliest time of the first attempt.
    pub run_at: Timestamp,
    pub max_attempts: u32,
    /// At most one job with the key is ever enqueued.
    pub unique_key: Option<String>,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
#[derive(PartialOrd, Ord)]
pub enum QueueName {
    /// Login links, for which a user is waiting.
    Login,
    Invitation,
    /// Revocations and deletions at the provider.
    Provider,
    /// Outgoing webhooks. Reserved; nothing enqueues them yet.
    Webhook,
    Maintenance,
}

impl QueueName {
    /// Returns whether the queue's jobs call the provider. Such queues share one rate limit and are
    /// held back together while the provider is unavailable.
    pub fn calls_provider(self) -> bool {
        matches!(self, Self::Login | Self::Invitation | Self::Provider)
    }

    /// Returns whether the queue's jobs send mail.
    pub fn is_mail(self) -> bool {
        matches!(self, Self::Login | Self::Invitation)
    }

    /// Returns the default priority of the queue's jobs.
    pub fn priority(self) -> i16 {
        match self {
            Self::Login => 0,
            Self::Invitation => 10,
            Self::Provider => 20,
            Self::Webhook => 30,
            Self::Maintenance => 40,
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum JobOutcome {
    Done,
    /// The attempt failed; the next one is due at the given time.
    Retry(Timestamp, JobError),
    /// The job waits until the given time. Costs no attempt.
    Snooze(Timestamp, JobError),
    /// The job failed permanently.
    Dead(JobError),
}

/// Why an attempt did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobError {
    /// A stable code in `snake_case`.
    pub code: String,
    pub message: String,
    /// The provider's id of the request, for its support.
    pub request_id: Option<String>,
}

impl JobError {
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), request_id: None }
    }
}

/// The maximum delay of a retry or snooze. A job that is due later was delayed by a worker whose clock
/// was ahead.
pub const MAX_RETRY_DELAY: Duration = Duration::from_mins(35);

/// Prefix of the unique keys of periodic jobs. The queue releases the key of a periodic job that was
/// done before its time, by a worker whose clock was ahead.
pub const PERIODIC_KEY_PREFIX: &str = "periodic:";

/// An exponential backoff with jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The delay after the first failure. It doubles with each further failure.
    pub initial_delay: Duration,
    pub max_delay: Duration,
    pub max_attempts: u32,
}

impl RetryPolicy {
    /// The policy of jobs that call the provider: 20 attempts, with delays from 2 seconds to 15
    /// minutes.
    pub const DELIVERY: Self = Self {
        initial_delay: Duration::from_secs(2),
        max_delay: Duration::from_mins(15),
        max_attempts: 20,
    };

    /// Returns the delay after failed attempt `number` (from 1), varied by up to 10 % by `jitter`
    /// (0 to 1).
    pub fn delay(&self, number: u32, jitter: f64) -> Duration {
        let doubled = self.initial_delay.saturating_mul(1 << number.saturating_sub(1).min(20));
        doubled.min(self.max_delay).mul_f64(0.9 + 0.2 * jitter.clamp(0.0, 1.0))
    }
}

/// An attempt at a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    pub job: JobId,
    /// The number of the attempt, from 1.
    pub number: u32,
    pub max_attempts: u32,
    pub started_at: Timestamp,
    /// The worker's last outage, if there was one.
    pub outage: Option<Outage>,
}

/// A period in which a worker did not call the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    pub from: Timestamp,
    pub to: Timestamp,
    pub by: HeldBy,
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_maximum() {
        let delays: Vec<u64> =
            (1..=12).map(|n| RetryPolicy::DELIVERY.delay(n, 0.5).as_secs()).collect();
        assert_eq!(delays, [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
    }

    #[test]
    fn jitter_is_at_most_ten_percent() {
        let range = (RetryPolicy::DELIVERY.delay(1, 0.0), RetryPolicy::DELIVERY.delay(1, 1.0));
        assert_eq!(range, (Duration::from_millis(1800), Duration::from_millis(2200)));
    }

    #[test]
    fn no_delay_exceeds_the_maximum() {
        use crate::Job;
        use crate::jobs::{Reconcile, Sweep};
        for retry in [RetryPolicy::DELIVERY, Reconcile::RETRY, Sweep::RETRY] {
            assert!(retry.delay(retry.max_attempts, 1.0) <= MAX_RETRY_DELAY, "{retry:?}");
        }
    }

    #[test]
    fn late_attempts_do_not_overflow() {
        assert_eq!(RetryPolicy::DELIVERY.delay(u32::MAX, 0.5), Duration::from_mins(15));
    }
}
