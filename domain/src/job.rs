//! Work for later: what a job is, how it ends, when it is tried again.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use crate::{Change, Ctx, HeldBy, JobId, Role, StoreError};

/// A job to be written with the change that wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Ours.
    pub id: JobId,
    /// Which queue it waits in.
    pub queue: QueueName,
    /// Which job it is; stable for ever.
    pub kind: &'static str,
    /// Ids, never addresses or tokens.
    pub args: Value,
    /// Lower goes first.
    pub priority: i16,
    /// Not before.
    pub run_at: Timestamp,
    /// Attempts in all.
    pub max_attempts: u32,
    /// No second job with the same key, ever.
    pub unique_key: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
}

/// The queues, by what their jobs are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueueName {
    /// Login links: somebody sits and waits.
    Login,
    /// Invitations.
    Invitation,
    /// Revocations and deletions at Stytch.
    Provider,
    /// Webhooks out.
    Webhook,
    /// Sweeps.
    Maintenance,
}

crate::user::words!(QueueName {
    Login = "login",
    Invitation = "invitation",
    Provider = "provider",
    Webhook = "webhook",
    Maintenance = "maintenance",
});

impl QueueName {
    /// Whether its jobs call Stytch: those share one rate, and wait together while it is away.
    pub fn calls_provider(self) -> bool {
        matches!(self, Self::Login | Self::Invitation | Self::Provider)
    }

    /// What goes first: logins before invitations before the rest.
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

/// How a job's attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum JobOutcome {
    /// It need not run again.
    Done,
    /// It failed and runs again at the time given.
    Retry(Timestamp, JobError),
    /// It has to wait until the time given; that costs no attempt.
    Snooze(Timestamp, JobError),
    /// It failed for good.
    Dead(JobError),
}

/// Why an attempt did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobError {
    /// Stable: words joined by underscores.
    pub code: String,
    /// For operators.
    pub message: String,
    /// Stytch's, to ask them about.
    pub request_id: Option<String>,
}

/// No retry and no snooze puts a job off for longer: one that waits for longer was put off by a
/// worker whose clock was ahead.
pub const MAX_RETRY_DELAY: Duration = Duration::from_mins(35);

/// Begins the unique keys of jobs that are due at intervals. The queue frees the key of one that was
/// done before its time, by a worker whose clock was ahead.
pub const PERIODIC_KEY_PREFIX: &str = "periodic:";

/// When a failed job is tried again: a pure function of the attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The pause after the first failure; it doubles from there.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// Attempts in all.
    pub attempts: u32,
}

impl RetryPolicy {
    /// What deliveries do: 20 attempts, pauses from 2 seconds to 15 minutes.
    pub const DELIVERY: Self =
        Self { first: Duration::from_secs(2), longest: Duration::from_mins(15), attempts: 20 };

    /// The pause after failed attempt `number` (from 1), within 10 % by `jitter` (0 to 1).
    pub fn pause(&self, number: u32, jitter: f64) -> Duration {
        let doubled = self.first.saturating_mul(1 << number.saturating_sub(1).min(20));
        doubled.min(self.longest).mul_f64(0.9 + 0.2 * jitter.clamp(0.0, 1.0))
    }
}

/// What a job is told about the attempt it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The job.
    pub job: JobId,
    /// From 1.
    pub number: u32,
    /// How many there are.
    pub max_attempts: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// The last time that this worker called nobody, if there was one.
    pub outage: Option<Outage>,
}

/// A time in which nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// From when.
    pub from: Timestamp,
    /// To when.
    pub to: Timestamp,
    /// Why.
    pub by: HeldBy,
}

/// The worker's right to act on the job.
#[async_trait]
pub trait CallGate: Send + Sync {
    /// Waits for the job's turn to call Stytch, and tells whether it may: not once the lease may
    /// have ended and another worker may have the job. Asked right before the job's one call.
    async fn may_call(&self) -> bool;
}

/// What came of performing a job.
#[derive(Debug, Clone)]
pub enum Execution<R> {
    /// It ran and reports.
    Completed(R),
    /// It was not run, because its attempts were used up by workers that died.
    Exhausted,
    /// It broke: a panic or a timeout. Code and message.
    Failed(JobError),
}

/// A kind of job. Its data is ids only; it reads the state first, so that running twice is
/// harmless.
#[async_trait]
pub trait Job: Send + Sync + Sized + 'static {
    /// Stable for ever: it stands in the database.
    const KIND: &'static str;
    /// Where it waits.
    const QUEUE: QueueName;
    /// When it is tried again.
    const RETRY: RetryPolicy;
    /// How long one attempt may take.
    const TIMEOUT: Duration;
    /// What performing it finds out.
    type Report: Send + Sync;

    /// Reads the ids back.
    fn from_args(args: &Value) -> Option<Self>;

    /// The highest role among the people whom the job is about; `member` if it is about nobody. A
    /// caller may retry or withdraw the job only if they may act on that role.
    async fn subject_role(&self, ctx: &Ctx) -> Result<Role, StoreError>;

    /// Does what can be seen outside, once.
    async fn perform(
        &self,
        ctx: &Ctx,
        attempt: &Attempt,
        lease: &dyn CallGate,
    ) -> Result<Self::Report, StoreError>;

    /// Reads, and decides what is to be written. Called again when what it read has changed.
    async fn conclude(
        &self,
        ctx: &Ctx,
        attempt: &Attempt,
        performed: &Execution<Self::Report>,
    ) -> Result<(JobOutcome, Change), StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses: Vec<u64> =
            (1..=12).map(|n| RetryPolicy::DELIVERY.pause(n, 0.5).as_secs()).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
    }

    #[test]
    fn jitter_stays_within_a_tenth() {
        let range = (RetryPolicy::DELIVERY.pause(1, 0.0), RetryPolicy::DELIVERY.pause(1, 1.0));
        assert_eq!(range, (Duration::from_millis(1800), Duration::from_millis(2200)));
    }

    #[test]
    fn no_retry_waits_for_longer_than_the_longest_pause() {
        use crate::flows::{Reconcile, Sweep};
        for retry in [RetryPolicy::DELIVERY, Reconcile::RETRY, Sweep::RETRY] {
            assert!(retry.pause(retry.attempts, 1.0) <= MAX_RETRY_DELAY, "{retry:?}");
        }
    }

    #[test]
    fn the_last_attempts_do_not_overflow() {
        assert_eq!(RetryPolicy::DELIVERY.pause(u32::MAX, 0.5), Duration::from_mins(15));
    }
}
