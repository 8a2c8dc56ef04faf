//! Compares users with the identities at the provider, and repairs what can be repaired safely.
//!
//! Both lists change while they are read, so a comparison yields only candidates. Each repair reads its row
//! again, loads the identity again, and is written only if the row has not changed since. An incomplete
//! list yields no candidates.

mod compare;
mod findings;
pub(crate) mod known_users;
pub(crate) mod repair;

use serde_json::json;

use self::findings::Findings;
pub use self::findings::ReconcileError;
pub(crate) use self::findings::RepairCandidate;
use self::repair::RepairError;
use crate::{
    Actor, CallGate, Change, Comparison, Ctx, EventKind, Reconciliation, ReconciliationId,
    RepairAction, Verdict,
};

/// A run without `force` may change one in this many users: 5 %.
const ONE_IN: u64 = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReconcileOptions {
    /// Repair nothing.
    pub dry_run: bool,
    /// Repair even if that changes more than 5 % of users.
    pub force: bool,
}

/// Compares users with identities, repairs differences unless this is a dry run, and records the result.
pub async fn reconcile(
    ctx: &Ctx,
    options: ReconcileOptions,
    by: &Actor,
    gate: &dyn CallGate,
) -> Result<Comparison, ReconcileError> {
    let comparison = compare_and_repair(ctx, options, by, gate).await?;
    // A conflict means that the record was written by a first attempt whose answer was lost.
    let _: Verdict = ctx.store.apply(reconciliation_change(ctx, &comparison, by)).await?;
    Ok(comparison)
}

/// Compares and repairs without recording the result.
pub(crate) async fn compare_and_repair(
    ctx: &Ctx,
    options: ReconcileOptions,
    by: &Actor,
    gate: &dyn CallGate,
) -> Result<Comparison, ReconcileError> {
    let started_at = ctx.now();
    let mut findings = compare::compare(ctx, gate).await?;
    let candidates = std::mem::take(&mut findings.candidates);
    let is_too_much = candidates.len() as u64 * ONE_IN > findings.users && !options.force;
    // Too many candidates are not checked one by one; a dry run reports them as listed.
    if !is_too_much {
        Repairs { ctx, options, by, gate }.run(&mut findings, candidates).await?;
    }
    let repair_action = match options.dry_run {
        true => RepairAction::DryRun,
        false if is_too_much => RepairAction::Refused,
        false => RepairAction::Repaired,
    };
    let record = Reconciliation {
        id: ReconciliationId(ctx.ids.next()),
        started_at,
        finished_at: ctx.now(),
        repair_action,
        users: findings.users,
        identities: findings.identities,
        counts: findings.counts,
    };
    Ok(Comparison { record, examples: findings.examples })
}

/// Creates the change that records a reconciliation. A dry run is recorded without an event.
pub(crate) fn reconciliation_change(ctx: &Ctx, comparison: &Comparison, by: &Actor) -> Change {
    let record = &comparison.record;
    let mut change = Change::new();
    change.reconciliations.push(record.clone());
    if record.repair_action == RepairAction::DryRun {
        return change;
    }
    let detail = json!({
        "reconciliation": record.id,
        "repair_action": record.repair_action.as_str(),
        "counts": record.counts,
    });
    change.event(ctx.event(EventKind::Reconciled, by, detail))
}

struct Repairs<'a> {
    ctx: &'a Ctx,
    options: ReconcileOptions,
    by: &'a Actor,
    gate: &'a dyn CallGate,
}

impl Repairs<'_> {
    async fn run(
        &self,
        findings: &mut Findings,
        candidates: Vec<RepairCandidate>,
    ) -> Result<(), ReconcileError> {
        let mut repaired = 0;
        for candidate in candidates {
            if !self.gate.may_call().await {
                return Err(ReconcileError::Stopped { repaired });
            }
            match self.check_and_repair(&candidate).await {
                Ok(true) if self.options.dry_run => {}
                Ok(true) => {
                    repaired += 1;
                    findings.mark_repaired(&candidate);
                }
                Ok(false) => findings.discard(&candidate),
                Err(RepairError::Provider(error)) if error.kind.is_rejection() => {}
                Err(RepairError::Provider(error)) => {
                    return Err(ReconcileError::Repairing { repaired, error });
                }
                Err(RepairError::Store(error)) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Returns whether the difference was confirmed and, unless this is a dry run, repaired.
    async fn check_and_repair(&self, candidate: &RepairCandidate) -> Result<bool, RepairError> {
        let Some(confirmed) = repair::confirm(self.ctx, candidate).await? else { return Ok(false) };
        if self.options.dry_run {
            return Ok(true);
        }
        repair::repair(self.ctx, candidate, confirmed, self.by).await
    }
}
