//! The interface of a job, and what all jobs share.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::outcome::{JobReport, outcome_of};
use crate::{
    Attempt, Change, Ctx, Execution, JobId, JobOutcome, NewJob, PERIODIC_KEY_PREFIX, QueueName,
    RetryPolicy, Role, StoreResult, Verdict,
};

/// Permission to call the provider, granted per job.
#[async_trait]
pub trait CallGate: Send + Sync {
    /// Waits for the job's slot in the provider's rate limit, then returns whether the call may be
    /// made. It may not if the worker's lease on the job may have ended.
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
    /// The result of performing the job.
    type Report: JobReport;

    /// Parses stored arguments.
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

    /// Decides the outcome and what to write with it. Called again after a conflict. By default
    /// nothing but the outcome is written.
    async fn conclude(
        &self,
        ctx: &Ctx,
        attempt: &Attempt,
        execution: &Execution<Self::Report>,
    ) -> StoreResult<(JobOutcome, Change)> {
        Ok((outcome_of(ctx, Self::RETRY, attempt, execution), Change::new()))
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

/// Parses an argument that is an id or another text.
pub(super) fn arg<T: std::str::FromStr>(args: &Value, name: &str) -> Option<T> {
    args.get(name)?.as_str()?.parse().ok()
}
