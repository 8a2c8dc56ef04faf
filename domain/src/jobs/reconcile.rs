//! The periodic reconciliation.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::job::{JobReport, not_started, retry_or_give_up, schedule_periodic};
use crate::flows::{ReconcileError, ReconcileOptions, compare_and_repair, reconciliation_change};
use crate::{
    Actor, Attempt, CallGate, Change, Comparison, Ctx, Job, JobError, JobOutcome, QueueName,
    Reconciliation, RepairAction, RetryPolicy, Role, StoreResult,
};

/// The pause of a run that had to stop. The provider may be unavailable, and the maintenance queue is not
/// held back for that.
const STOPPED_PAUSE: Duration = Duration::from_secs(30);

/// Compares users with identities and repairs differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconcile;

/// Enqueues the reconciliation of the current interval, unless another worker has or the oldest user is
/// younger than the interval. Returns whether this call enqueued it.
pub async fn schedule_reconciliation(ctx: &Ctx, every: Duration) -> StoreResult<bool> {
    let oldest = ctx.store.users_from(None, 1).await?;
    if oldest.first().is_none_or(|oldest| ctx.now() < oldest.created_at + every) {
        return Ok(false);
    }
    schedule_periodic::<Reconcile>(ctx, every).await
}

#[async_trait]
impl Job for Reconcile {
    const KIND: &'static str = "reconcile";
    const QUEUE: QueueName = QueueName::Maintenance;
    const RETRY: RetryPolicy = RetryPolicy {
        initial_delay: Duration::from_mins(1),
        max_delay: Duration::from_mins(30),
        max_attempts: 20,
    };
    /// Listing a million identities takes more than an hour.
    const TIMEOUT: Duration = Duration::from_hours(4);
    type Report = Result<Comparison, ReconcileError>;

    fn from_args(_: &Value) -> Option<Self> {
        Some(Self)
    }

    async fn subject_role(&self, _: &Ctx) -> StoreResult<Role> {
        Ok(Role::Member)
    }

    async fn perform(
        &self,
        ctx: &Ctx,
        _: &Attempt,
        gate: &dyn CallGate,
    ) -> StoreResult<Self::Report> {
        match compare_and_repair(ctx, ReconcileOptions::default(), &Actor::System, gate).await {
            Err(ReconcileError::Store(error)) => Err(error),
            other => Ok(other),
        }
    }

    async fn record(&self, ctx: &Ctx, report: &Self::Report) -> StoreResult<Change> {
        let comparison = report.as_ref().ok();
        let change = comparison.map(|done| reconciliation_change(ctx, done, &Actor::System));
        Ok(change.unwrap_or_default())
    }
}

impl JobReport for Result<Comparison, ReconcileError> {
    fn outcome(&self, ctx: &Ctx, retry: RetryPolicy, attempt: &Attempt) -> JobOutcome {
        let error = match self {
            Ok(comparison) => return outcome_of_record(&comparison.record),
            Err(ReconcileError::Stopped { .. }) => {
                return match not_started(ctx) {
                    JobOutcome::Snooze(at, error) => JobOutcome::Snooze(at + STOPPED_PAUSE, error),
                    other => other,
                };
            }
            Err(ReconcileError::Listing(error) | ReconcileError::Repairing { error, .. }) => {
                error.into()
            }
            Err(ReconcileError::Store(error)) => JobError::new("store_error", error.to_string()),
        };
        retry_or_give_up(ctx, retry, attempt, error)
    }
}

/// A refused run leaves a dead job, so that it stays visible until an operator has looked.
fn outcome_of_record(record: &Reconciliation) -> JobOutcome {
    if record.repair_action != RepairAction::Refused {
        return JobOutcome::Done;
    }
    let message = format!(
        "{} of {} users would be changed, more than 5 %: review them with `guestlist reconcile \
         --dry-run`, then run `guestlist reconcile --force`",
        record.repairable(),
        record.users
    );
    JobOutcome::Dead(JobError::new("too_much_drift", message))
}
