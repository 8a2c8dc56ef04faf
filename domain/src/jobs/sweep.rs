//! Expires invitations and deletes rows after their retention period.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use super::job::{JobReport, schedule_periodic};
use crate::flows::expire_invitation;
use crate::{
    Attempt, CallGate, Change, Ctx, ExpiredRows, Invitation, Job, JobOutcome, QueueName,
    RetryPolicy, Role, StoreResult, Verdict,
};

/// Rows per statement, few enough that requests are served between two statements.
const BATCH: u64 = 500;
/// Longer than the longest lifetime of a link.
const USED_LINK_RETENTION: Duration = Duration::from_hours(8 * 24);
/// Long after the claim has ended. A claim that is found then shows that a process stopped while it
/// authenticated the link.
const LINK_CLAIM_RETENTION: Duration = Duration::from_hours(1);
/// The minimum; login requests are kept for as long as limits count them, and their mails are retried.
const LOGIN_REQUEST_RETENTION: Duration = Duration::from_hours(24);
const IDEMPOTENCY_KEY_RETENTION: Duration = Duration::from_hours(24);

/// The number of rows that a sweep changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    pub sessions: u64,
    pub invitations: u64,
    /// Other deleted rows.
    pub others: u64,
}

impl JobReport for Swept {
    fn outcome(&self, _: &Ctx, _: RetryPolicy, _: &Attempt) -> JobOutcome {
        JobOutcome::Done
    }
}

/// Expires invitations and deletes rows after their retention period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep;

/// Enqueues the sweep of the current interval, unless another worker has. Returns whether this call
/// enqueued it.
pub async fn schedule_sweep(ctx: &Ctx, every: Duration) -> StoreResult<bool> {
    schedule_periodic::<Sweep>(ctx, every).await
}

#[async_trait]
impl Job for Sweep {
    const KIND: &'static str = "sweep";
    const QUEUE: QueueName = QueueName::Maintenance;
    const RETRY: RetryPolicy = RetryPolicy {
        initial_delay: Duration::from_secs(5),
        max_delay: Duration::from_mins(1),
        max_attempts: 5,
    };
    const TIMEOUT: Duration = Duration::from_mins(10);
    type Report = Swept;

    fn from_args(_: &Value) -> Option<Self> {
        Some(Self)
    }

    async fn subject_role(&self, _: &Ctx) -> StoreResult<Role> {
        Ok(Role::Member)
    }

    async fn perform(&self, ctx: &Ctx, _: &Attempt, _: &dyn CallGate) -> StoreResult<Swept> {
        let now = ctx.now();
        let login_requests = ctx.policy.login_limit.long_window().max(LOGIN_REQUEST_RETENTION);
        Ok(Swept {
            sessions: delete_all(ctx, ExpiredRows::Sessions, now).await?,
            invitations: expire_overdue(ctx, now).await?,
            others: delete_all(ctx, ExpiredRows::UsedLinks, now - USED_LINK_RETENTION).await?
                + delete_all(ctx, ExpiredRows::LinkClaims, now - LINK_CLAIM_RETENTION).await?
                + delete_all(ctx, ExpiredRows::LoginRequests, now - login_requests).await?
                + delete_all(ctx, ExpiredRows::IdempotencyKeys, now - IDEMPOTENCY_KEY_RETENTION)
                    .await?,
        })
    }
}

async fn delete_all(ctx: &Ctx, what: ExpiredRows, before: Timestamp) -> StoreResult<u64> {
    let mut deleted = 0;
    loop {
        let batch = ctx.store.delete_expired(what, before, BATCH).await?;
        deleted += batch;
        if batch < BATCH {
            return Ok(deleted);
        }
    }
}

async fn expire_overdue(ctx: &Ctx, now: Timestamp) -> StoreResult<u64> {
    let mut expired = 0;
    loop {
        let overdue = ctx.store.overdue_invitations(now, BATCH).await?;
        let found = overdue.len() as u64;
        let written = expire_batch(ctx, &overdue).await?;
        expired += written;
        // Invitations that were changed by others are left to the next sweep.
        if found < BATCH || written == 0 {
            return Ok(expired);
        }
    }
}

/// Expires invitations in one change or, after a conflict, in one change each.
async fn expire_batch(ctx: &Ctx, overdue: &[Invitation]) -> StoreResult<u64> {
    if overdue.is_empty() {
        return Ok(0);
    }
    let add = |change, invitation| expire_invitation(ctx, change, invitation);
    let together = overdue.iter().fold(Change::new(), add);
    if ctx.store.apply(together).await? == Verdict::Applied {
        return Ok(overdue.len() as u64);
    }
    let mut written = 0;
    for invitation in overdue {
        let change = add(Change::new(), invitation);
        written += u64::from(ctx.store.apply(change).await? == Verdict::Applied);
    }
    Ok(written)
}
