//! The interface of a job, how its jobs are created, and how the outcome of an attempt is decided.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::{
    Attempt, Change, Ctx, HeldBy, JobError, JobId, JobOutcome, NewJob, PERIODIC_KEY_PREFIX,
    ProviderError, ProviderErrorKind, QueueName, RetryPolicy, Role, StoreResult, Verdict,
};

/// The minimum pause after a 429 response. Source: Stytch's limits apply to fixed windows of at least one
/// second, and a whole window must pass.
const RATE_LIMIT_PAUSE: Duration = Duration::from_millis(1500);
/// The maximum pause, even if the provider asks for more; the next attempt shows whether it still applies.
const RATE_LIMIT_MAX_PAUSE: Duration = Duration::from_mins(15);
/// The maximum time over which the next attempts of rate-limited jobs are spread. Shorter pauses are
/// spread over half of their length.
const MAX_SPREAD: Duration = Duration::from_mins(5);
/// The minimum pause when bulk mail is limited: more mail would only prolong the limit.
const BULK_LIMIT_PAUSE: Duration = Duration::from_mins(5);
/// The pause of a job whose worker is misconfigured. It is short because another worker's configuration
/// may be correct; the misconfigured worker stops claiming jobs.
const MISCONFIGURED_PAUSE: Duration = Duration::from_secs(2);

#[derive(Debug, Clone)]
pub enum Execution<R> {
    Completed(R),
    /// The job was not run: workers that stopped have used up its attempts.
    Exhausted,
    Failed(JobError),
}

/// What a job reports about one execution.
pub trait JobReport: Send + Sync {
    /// Decides the outcome of the attempt.
    fn outcome(&self, ctx: &Ctx, retry: RetryPolicy, attempt: &Attempt) -> JobOutcome;
}

/// Grants jobs permission to call the provider.
#[async_trait]
pub trait CallGate: Send + Sync {
    /// Waits for the job's start time in the provider's rate, then returns whether the call may be
    /// made. It may not if no start time is available soon, the worker's lease on the job may have
    /// ended, or the provider or the database has become unavailable.
    async fn may_call(&self) -> bool;
}

/// A kind of job. Its arguments are ids; it reads the current state first, so that running it twice is
/// harmless.
#[async_trait]
pub trait Job: Send + Sync + Sized + 'static {
    /// The stored name of the kind. It never changes.
    const KIND: &'static str;
    const QUEUE: QueueName;
    const RETRY: RetryPolicy = RetryPolicy::DELIVERY;
    /// The time limit of one attempt.
    const TIMEOUT: Duration = Duration::from_secs(30);
    type Report: JobReport;

    fn from_args(args: &Value) -> Option<Self>;

    /// Returns the highest role among the users whom the job concerns, or `member` if it concerns
    /// none. A caller who may not manage that role may neither retry nor cancel the job.
    async fn subject_role(&self, ctx: &Ctx) -> StoreResult<Role>;

    /// Performs the job's external effects, once.
    async fn perform(
        &self,
        ctx: &Ctx,
        attempt: &Attempt,
        gate: &dyn CallGate,
    ) -> StoreResult<Self::Report>;

    /// Creates the change that records a report. By default nothing but the outcome is written.
    async fn record(&self, _: &Ctx, _: &Self::Report) -> StoreResult<Change> {
        Ok(Change::new())
    }

    /// Decides the outcome and what to write with it. Called again after a conflict.
    async fn conclude(
        &self,
        ctx: &Ctx,
        attempt: &Attempt,
        execution: &Execution<Self::Report>,
    ) -> StoreResult<(JobOutcome, Change)> {
        let change = match execution {
            Execution::Completed(report) => self.record(ctx, report).await?,
            Execution::Exhausted | Execution::Failed(_) => Change::new(),
        };
        Ok((outcome_of(ctx, Self::RETRY, attempt, execution), change))
    }
}

/// Creates a job that is due immediately.
pub(super) fn new_job<J: Job>(ctx: &Ctx, args: Value, unique_key: Option<String>) -> NewJob {
    let now = ctx.now();
    NewJob {
        id: JobId(ctx.ids.next()),
        queue: J::QUEUE,
        kind: J::KIND,
        args,
        priority: J::QUEUE.priority(),
        run_at: now,
        max_attempts: J::RETRY.max_attempts,
        unique_key,
        created_at: now,
    }
}

/// Enqueues a periodic job for the current interval. Every worker calls this; the interval's unique key
/// lets one of them succeed, so no leader is needed. Returns whether this call enqueued the job.
pub(super) async fn schedule_periodic<J: Job>(ctx: &Ctx, every: Duration) -> StoreResult<bool> {
    let interval = i64::try_from(every.as_secs().max(1)).unwrap_or(i64::MAX);
    let tick = ctx.now().as_second() / interval;
    let key = format!("{PERIODIC_KEY_PREFIX}{}:{interval}:{tick}", J::KIND);
    let change = Change::new().job(new_job::<J>(ctx, json!({}), Some(key)));
    Ok(ctx.store.apply(change).await? == Verdict::Applied)
}

pub(super) fn arg<T: std::str::FromStr>(args: &Value, name: &str) -> Option<T> {
    args.get(name)?.as_str()?.parse().ok()
}

/// The result of a provider call; `None` if the gate did not permit the call.
pub(super) type CallResult<T> = Option<Result<T, ProviderError>>;

impl<T: Send + Sync> JobReport for CallResult<T> {
    fn outcome(&self, ctx: &Ctx, retry: RetryPolicy, attempt: &Attempt) -> JobOutcome {
        match self {
            None => not_started(ctx),
            Some(Ok(_)) => JobOutcome::Done,
            Some(Err(error)) => outcome_of_error(ctx, retry, attempt, error),
        }
    }
}

impl From<&ProviderError> for JobError {
    fn from(error: &ProviderError) -> Self {
        Self {
            code: error.code.clone(),
            message: error.message.clone(),
            request_id: error.request_id.clone(),
        }
    }
}

/// Returns the outcome of an attempt, whether or not the job was run.
pub(super) fn outcome_of<R: JobReport>(
    ctx: &Ctx,
    retry: RetryPolicy,
    attempt: &Attempt,
    execution: &Execution<R>,
) -> JobOutcome {
    match execution {
        Execution::Completed(report) => report.outcome(ctx, retry, attempt),
        Execution::Exhausted => JobOutcome::Dead(exhausted()),
        Execution::Failed(error) => retry_or_give_up(ctx, retry, attempt, error.clone()),
    }
}

/// Returns the outcome of an attempt whose provider call failed.
pub(super) fn outcome_of_error(
    ctx: &Ctx,
    retry: RetryPolicy,
    attempt: &Attempt,
    error: &ProviderError,
) -> JobOutcome {
    use ProviderErrorKind as Kind;
    match error.kind {
        Kind::Rejected | Kind::AddressTaken | Kind::LinkUsedOrExpired | Kind::SessionNotFound => {
            JobOutcome::Dead(error.into())
        }
        Kind::RateLimited(after) => pause(ctx, after, RATE_LIMIT_PAUSE, error),
        Kind::BulkMailLimited(after) => pause(ctx, after, BULK_LIMIT_PAUSE, error),
        Kind::Misconfigured => JobOutcome::Snooze(ctx.now() + MISCONFIGURED_PAUSE, error.into()),
        Kind::Unavailable | Kind::Doubtful => retry_or_give_up(ctx, retry, attempt, error.into()),
    }
}

fn pause(ctx: &Ctx, after: Option<Duration>, min: Duration, error: &ProviderError) -> JobOutcome {
    let pause = after.unwrap_or_default().clamp(min, RATE_LIMIT_MAX_PAUSE);
    let spread = (pause / 2).min(MAX_SPREAD).mul_f64(ctx.ids.jitter());
    JobOutcome::Snooze(ctx.now() + pause + spread, error.into())
}

/// Schedules another attempt, or gives up after the last one.
pub(super) fn retry_or_give_up(
    ctx: &Ctx,
    retry: RetryPolicy,
    attempt: &Attempt,
    error: JobError,
) -> JobOutcome {
    if attempt.number >= attempt.max_attempts {
        return JobOutcome::Dead(error);
    }
    JobOutcome::Retry(ctx.now() + retry.delay(attempt.number, ctx.ids.jitter()), error)
}

/// Returns the error of a job whose attempts were used up by workers that stopped.
pub(super) fn exhausted() -> JobError {
    JobError::new("attempts_exhausted", "every attempt was cut short by a worker that stopped")
}

/// Returns the outcome of an attempt that had no effect because its call was not permitted. The next
/// attempt follows immediately and the current one is not counted.
pub(super) fn not_started(ctx: &Ctx) -> JobOutcome {
    let message = "the provider was not called: the shared rate had no start time soon, the \
                   worker's lease may have ended, or the provider or the database became unavailable";
    JobOutcome::Snooze(ctx.now(), JobError::new("not_started", message))
}

/// Returns what holds back a delivery whose call failed.
pub(super) fn held_by(error: &ProviderError) -> Option<HeldBy> {
    match error.kind {
        kind if kind.is_rate_limit() => Some(HeldBy::RateLimit),
        ProviderErrorKind::Misconfigured => Some(HeldBy::Misconfigured),
        _ => None,
    }
}

/// Returns the detail of an [`Attempted`](crate::EventKind::Attempted) event.
pub(super) fn attempt_detail(attempt: &Attempt, error: Option<&JobError>, took: Duration) -> Value {
    json!({
        "number": attempt.number,
        "outcome": if error.is_some() { "error" } else { "ok" },
        "code": error.map(|e| &e.code),
        "request_id": error.and_then(|e| e.request_id.as_ref()),
        "duration_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    })
}
