//! What has run out is swept: sessions and invitations, and what is kept only for a while.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::invite::expire as end_overdue;
use super::outcome::{again, exhausted};
use crate::{
    Attempt, CallGate, Change, Ctx, Execution, ExpiredRows, Invitation, Job, JobOutcome,
    PERIODIC_KEY_PREFIX, QueueName, RetryPolicy, Role, StoreError, Verdict,
};

/// Rows a statement: short enough to let requests through between two.
const BATCH: u64 = 500;
/// Stytch forgets a link after a week at the latest.
const USED_LINKS_KEPT: Duration = Duration::from_hours(8 * 24);
/// Long after their own time: one that is found then says that a process ended in the middle.
const LINK_CLAIMS_KEPT: Duration = Duration::from_hours(1);
/// For as long as they count, and in any case as long as their mails may be tried.
const LOGIN_REQUESTS_KEPT: Duration = Duration::from_hours(24);
const IDEMPOTENCY_KEYS_KEPT: Duration = Duration::from_hours(24);

/// What one sweep found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Expired sessions deleted.
    pub sessions: u64,
    /// Invitations whose time ran out.
    pub invitations: u64,
    /// Other rows past their keeping.
    pub others: u64,
}

/// Sweeps once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep;

/// Enqueues the sweep of the current interval. Every worker does, and the interval's key lets
/// one of them win: no leader is elected. Answers whether this one did.
pub async fn schedule_sweep(ctx: &Ctx, every: Duration) -> Result<bool, StoreError> {
    let interval = i64::try_from(every.as_secs().max(1)).unwrap_or(i64::MAX);
    let tick = ctx.now().as_second() / interval;
    let key = format!("{PERIODIC_KEY_PREFIX}{}:{interval}:{tick}", Sweep::KIND);
    let change = Change::new().job(ctx.new_job::<Sweep>(json!({}), Some(key)));
    Ok(ctx.store.apply(change).await? == Verdict::Applied)
}

#[async_trait]
impl Job for Sweep {
    const KIND: &'static str = "sweep";
    const QUEUE: QueueName = QueueName::Maintenance;
    const RETRY: RetryPolicy =
        RetryPolicy { first: Duration::from_secs(5), longest: Duration::from_mins(1), attempts: 5 };
    const TIMEOUT: Duration = Duration::from_mins(10);
    type Report = Swept;

    fn from_args(_: &Value) -> Option<Self> {
        Some(Self)
    }

    async fn subject_role(&self, _: &Ctx) -> Result<Role, StoreError> {
        Ok(Role::Member)
    }

    async fn perform(&self, ctx: &Ctx, _: &Attempt, _: &dyn CallGate) -> Result<Swept, StoreError> {
        sweep(ctx).await
    }

    async fn conclude(
        &self,
        ctx: &Ctx,
        attempt: &Attempt,
        performed: &Execution<Swept>,
    ) -> Result<(JobOutcome, Change), StoreError> {
        let outcome = match performed {
            Execution::Completed(_) => JobOutcome::Done,
            Execution::Exhausted => JobOutcome::Dead(exhausted()),
            Execution::Failed(error) => again(ctx, Self::RETRY, attempt, error.clone()),
        };
        Ok((outcome, Change::new()))
    }
}

async fn sweep(ctx: &Ctx) -> Result<Swept, StoreError> {
    let now = ctx.now();
    let login_requests_kept = ctx.policy.login_limit.longest().max(LOGIN_REQUESTS_KEPT);
    Ok(Swept {
        sessions: delete_all(ctx, ExpiredRows::Sessions, now).await?,
        invitations: expire_invitations(ctx, now).await?,
        others: delete_all(ctx, ExpiredRows::UsedLinks, now - USED_LINKS_KEPT).await?
            + delete_all(ctx, ExpiredRows::LinkClaims, now - LINK_CLAIMS_KEPT).await?
            + delete_all(ctx, ExpiredRows::LoginRequests, now - login_requests_kept).await?
            + delete_all(ctx, ExpiredRows::IdempotencyKeys, now - IDEMPOTENCY_KEYS_KEPT).await?,
    })
}

async fn delete_all(ctx: &Ctx, what: ExpiredRows, before: Timestamp) -> Result<u64, StoreError> {
    let mut deleted = 0;
    loop {
        let batch = ctx.store.delete_expired(what, before, BATCH).await?;
        deleted += batch;
        if batch < BATCH {
            return Ok(deleted);
        }
    }
}

async fn expire_invitations(ctx: &Ctx, now: Timestamp) -> Result<u64, StoreError> {
    let mut expired = 0;
    loop {
        let overdue = ctx.store.overdue_invitations(now, BATCH).await?;
        let found = overdue.len() as u64;
        let written = expire(ctx, &overdue).await?;
        expired += written;
        // Whatever could not be written has moved by itself, and is looked at next time.
        if found < BATCH || written == 0 {
            return Ok(expired);
        }
    }
}

/// All in one change; where one of them has moved meanwhile, each in its own.
async fn expire(ctx: &Ctx, overdue: &[Invitation]) -> Result<u64, StoreError> {
    if overdue.is_empty() {
        return Ok(0);
    }
    let together = overdue.iter().fold(Change::new(), |change, one| end_overdue(ctx, change, one));
    if ctx.store.apply(together).await? == Verdict::Applied {
        return Ok(overdue.len() as u64);
    }
    let mut written = 0;
    for invitation in overdue {
        let change = end_overdue(ctx, Change::new(), invitation);
        written += u64::from(ctx.store.apply(change).await? == Verdict::Applied);
    }
    Ok(written)
}
