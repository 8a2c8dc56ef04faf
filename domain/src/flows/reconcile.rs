//! Our users and Stytch's are compared, and what can be repaired without asking anybody is.
//!
//! A comparison reads both lists, and both move meanwhile: so it only ever suspects. Each repair
//! reads its row again, asks Stytch again about that one identity, and is written only if the row
//! has not moved since. A list that did not come to its end suspects nobody.

mod compare;
mod news;
mod repair;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use thiserror::Error;

use super::outcome::{again, exhausted, not_begun};
use crate::{
    Actor, Attempt, CallGate, Change, Comparison, Ctx, EventKind, Execution, Job, JobError,
    JobOutcome, PERIODIC_KEY_PREFIX, ProviderError, QueueName, Reconciliation, ReconciliationId,
    RepairAction, RetryPolicy, Role, StoreError, Verdict,
};

use compare::{Findings, RepairCandidate};

pub use news::{CheckIdentity, WebhookOutcome, handle_identity_webhook};

/// One in so many users may be changed by a run that nobody forced: 5 %.
const ONE_IN: u64 = 20;

/// How long a run waits that had to stop.
const STOPPED_PAUSE: Duration = Duration::from_secs(30);

/// How it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReconcileOptions {
    /// Only look.
    pub dry_run: bool,
    /// Repair even where that changes more than 5 % of users.
    pub force: bool,
}

/// Why a comparison did not come to its end.
#[derive(Debug, Error)]
pub enum ReconcileError {
    /// Stytch did not tell of all its users, so nothing is known of those it did not tell of.
    #[error("Stytch did not tell of all its users, so nothing was changed: {0}")]
    Listing(ProviderError),
    /// Stytch did not answer about one of those who were to be repaired.
    #[error("Stytch did not answer, after {repaired} repairs: {error}")]
    Repairing {
        /// How many repairs were made.
        repaired: u64,
        /// What it said.
        error: ProviderError,
    },
    /// It was told to stop, or may no longer act.
    #[error("it was stopped after {repaired} repairs")]
    Stopped {
        /// How many repairs were made.
        repaired: u64,
    },
    /// Ask again later.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Compares, and repairs unless told otherwise. Writes down what came of it.
pub async fn reconcile(
    ctx: &Ctx,
    manner: ReconcileOptions,
    by: &Actor,
    lease: &dyn CallGate,
) -> Result<Comparison, ReconcileError> {
    let comparison = compare_and_repair(ctx, manner, by, lease).await?;
    // A conflict is our own first try to write it.
    let _: Verdict = ctx.store.apply(written_down(ctx, &comparison, by)).await?;
    Ok(comparison)
}

async fn compare_and_repair(
    ctx: &Ctx,
    manner: ReconcileOptions,
    by: &Actor,
    lease: &dyn CallGate,
) -> Result<Comparison, ReconcileError> {
    let started_at = ctx.now();
    let mut findings = compare::compare(ctx, lease).await?;
    let suspicions = std::mem::take(&mut findings.suspicions);
    let changes = suspicions.len() as u64;
    let is_too_much = changes * ONE_IN > findings.users && !manner.force;
    // Too many to ask about each: a dry run shows them as they were listed.
    if !is_too_much {
        let repairing = Repairing { ctx, manner, by, lease };
        repairing.all(&mut findings, suspicions).await?;
    }
    let remedy = match manner.dry_run {
        true => RepairAction::DryRun,
        false if is_too_much => RepairAction::Refused,
        false => RepairAction::Repaired,
    };
    let record = Reconciliation {
        id: ReconciliationId(ctx.ids.next()),
        started_at,
        finished_at: ctx.now(),
        repair_action: remedy,
        users: findings.users,
        identities: findings.identities,
        counts: findings.counts,
    };
    Ok(Comparison { record, examples: findings.examples })
}

struct Repairing<'a> {
    ctx: &'a Ctx,
    manner: ReconcileOptions,
    by: &'a Actor,
    lease: &'a dyn CallGate,
}

impl Repairing<'_> {
    async fn all(
        &self,
        findings: &mut Findings,
        suspicions: Vec<RepairCandidate>,
    ) -> Result<(), ReconcileError> {
        let mut repaired = 0;
        for suspicion in suspicions {
            if !self.lease.may_call().await {
                return Err(ReconcileError::Stopped { repaired });
            }
            match self.one(&suspicion).await? {
                Ok(true) if self.manner.dry_run => {}
                Ok(true) => {
                    repaired += 1;
                    findings.repaired(&suspicion);
                }
                Ok(false) => findings.dropped(&suspicion),
                Err(error) if error.is_about_one() => {}
                Err(error) => return Err(ReconcileError::Repairing { repaired, error }),
            }
        }
        Ok(())
    }

    /// Whether it is so and, unless this is a dry run, no longer is.
    async fn one(&self, suspicion: &RepairCandidate) -> repair::Repaired {
        let Self { ctx, by, .. } = self;
        let confirmed = match repair::confirm(ctx, suspicion).await? {
            Ok(Some(confirmed)) => confirmed,
            Ok(None) => return Ok(Ok(false)),
            Err(error) => return Ok(Err(error)),
        };
        if self.manner.dry_run {
            return Ok(Ok(true));
        }
        repair::repair(ctx, suspicion, confirmed, by).await
    }
}

/// The record of a comparison and, unless it only looked, the event that says who did it.
fn written_down(ctx: &Ctx, comparison: &Comparison, by: &Actor) -> Change {
    let record = &comparison.record;
    let mut change = Change::new();
    change.reconciliations.push(record.clone());
    if record.repair_action == RepairAction::DryRun {
        return change;
    }
    let detail = json!({
        "reconciliation": record.id,
        "remedy": record.repair_action.as_str(),
        "counts": record.counts,
    });
    change.event(ctx.event(EventKind::Reconciled, by, detail))
}

/// Compares and repairs, as often as the schedule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconcile;

/// Enqueues the comparison of the current interval, unless there is nobody yet who is older than
/// that. Every worker does, and the interval's key lets one of them win. Answers whether this one
/// did.
pub async fn schedule_reconciliation(ctx: &Ctx, every: Duration) -> Result<bool, StoreError> {
    let oldest = ctx.store.users_from(None, 1).await?;
    if oldest.first().is_none_or(|oldest| ctx.now() < oldest.created_at + every) {
        return Ok(false);
    }
    let interval = i64::try_from(every.as_secs().max(1)).unwrap_or(i64::MAX);
    let tick = ctx.now().as_second() / interval;
    let key = format!("{PERIODIC_KEY_PREFIX}{}:{interval}:{tick}", Reconcile::KIND);
    let change = Change::new().job(ctx.new_job::<Reconcile>(json!({}), Some(key)));
    Ok(ctx.store.apply(change).await? == Verdict::Applied)
}

#[async_trait]
impl Job for Reconcile {
    const KIND: &'static str = "reconcile";
    const QUEUE: QueueName = QueueName::Maintenance;
    const RETRY: RetryPolicy = RetryPolicy {
        first: Duration::from_mins(1),
        longest: Duration::from_mins(30),
        attempts: 20,
    };
    /// Stytch's list is read slowly: a million users take an hour and more.
    const TIMEOUT: Duration = Duration::from_hours(4);
    type Report = Result<Comparison, ReconcileError>;

    fn from_args(_: &Value) -> Option<Self> {
        Some(Self)
    }

    async fn subject_role(&self, _: &Ctx) -> Result<Role, StoreError> {
        Ok(Role::Member)
    }

    async fn perform(
        &self,
        ctx: &Ctx,
        _: &Attempt,
        lease: &dyn CallGate,
    ) -> Result<Self::Report, StoreError> {
        match compare_and_repair(ctx, ReconcileOptions::default(), &Actor::System, lease).await {
            Err(ReconcileError::Store(outage)) => Err(outage),
            other => Ok(other),
        }
    }

    async fn conclude(
        &self,
        ctx: &Ctx,
        attempt: &Attempt,
        performed: &Execution<Self::Report>,
    ) -> Result<(JobOutcome, Change), StoreError> {
        let outcome = match performed {
            Execution::Completed(Ok(comparison)) => {
                let change = written_down(ctx, comparison, &Actor::System);
                return Ok((after(&comparison.record), change));
            }
            Execution::Completed(Err(ReconcileError::Stopped { .. })) => match not_begun(ctx) {
                // Stytch may be away, and the queue is not held for that.
                JobOutcome::Snooze(at, why) => JobOutcome::Snooze(at + STOPPED_PAUSE, why),
                other => other,
            },
            Execution::Completed(Err(
                ReconcileError::Listing(error) | ReconcileError::Repairing { error, .. },
            )) => again(ctx, Self::RETRY, attempt, error.into()),
            Execution::Completed(Err(ReconcileError::Store(error))) => {
                let message = error.to_string();
                let error = JobError { code: "store_error".into(), message, request_id: None };
                again(ctx, Self::RETRY, attempt, error)
            }
            Execution::Exhausted => JobOutcome::Dead(exhausted()),
            Execution::Failed(error) => again(ctx, Self::RETRY, attempt, error.clone()),
        };
        Ok((outcome, Change::new()))
    }
}

/// What was refused stays visible until somebody has looked.
fn after(record: &Reconciliation) -> JobOutcome {
    if record.repair_action != RepairAction::Refused {
        return JobOutcome::Done;
    }
    JobOutcome::Dead(JobError {
        code: "too_much_drift".into(),
        message: format!(
            "{} of {} users would be changed, more than 5 %: look at them with `guestlist \
             reconcile --dry-run`, then repeat with --force",
            record.repairable(),
            record.users
        ),
        request_id: None,
    })
}
