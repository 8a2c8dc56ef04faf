//! `guestlist reconcile`: compares users with those at Stytch, and repairs differences.

use std::process::ExitCode;

use clap::Args;
use guestlist_domain::flows::{self, ReconcileOptions};
use guestlist_domain::{Actor, Comparison, Difference, Drift, Email, Reconciliation, RepairAction};
use guestlist_worker::setup::bootstrap;
use guestlist_worker::setup::shutdown::CommandCallGate;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::output::{Table, or_dash, print};
use crate::config::Config;

#[derive(Debug, Args)]
pub struct ReconcileArgs {
    /// Report differences without repairing them
    #[arg(long)]
    dry_run: bool,
    /// Repair even if that changes more than 5 % of users
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(
    config: &Config,
    stytch: guestlist_stytch::Options,
    args: &ReconcileArgs,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let built = bootstrap::connect(&config.common, stytch).await?;
    let public_url = config.common.public_url_at(config.common.listen_addr)?;
    let ctx = built.ctx(config.common.policy(&public_url));
    let options = ReconcileOptions { dry_run: args.dry_run, force: args.force };
    let comparison = flows::reconcile(&ctx, options, &Actor::Cli, &CommandCallGate(stop)).await?;
    let text = if args.json { to_json(&comparison).to_string() } else { report(&comparison) };
    print(text).map_err(|error| {
        let is_repaired = comparison.record.repair_action == RepairAction::Repaired;
        if is_repaired { error.after(summary(&comparison.record)) } else { error }
    })?;
    let record = &comparison.record;
    anyhow::ensure!(
        record.repair_action != RepairAction::Refused,
        "refused: repairing would change {} of {} users, more than 5 %, so nothing was changed. \
         Review them with --dry-run, then repeat with --force",
        record.repairable(),
        record.users
    );
    Ok(ExitCode::SUCCESS)
}

/// Explains a kind of difference and its repair.
fn meaning(kind: Drift) -> &'static str {
    match kind {
        Drift::Gone => "deleted at Stytch; logged out here, may log in again",
        Drift::Unlinked => "at Stytch, but not linked here; linked",
        Drift::Removed => "removed here, but still at Stytch; deleted there",
        Drift::Orphan => "only at Stytch; not changed",
        Drift::Contested => "the address belongs to another user at Stytch; not changed",
        Drift::Address => "another address at Stytch; not changed",
        Drift::Status => "active at Stytch, but not here; not changed",
    }
}

fn report(comparison: &Comparison) -> String {
    let Comparison { record, examples } = comparison;
    let (users, identities) = (record.users, record.identities);
    let text = format!("{users} users here, {identities} at Stytch: {}.\n", summary(record));
    let found: Vec<_> = Drift::ALL.iter().filter(|kind| record.count(**kind).found > 0).collect();
    if found.is_empty() {
        return text;
    }
    let mut counts = Table::new(["KIND", "FOUND", "REPAIRED", "MEANING"]);
    let mut users =
        Table::new(["KIND", "ADDRESS HERE", "ADDRESS AT STYTCH", "USER HERE", "AT STYTCH"]);
    for kind in found {
        let count = record.count(*kind);
        let (found, repaired) = (count.found.to_string(), count.repaired.to_string());
        counts.push([kind.to_string(), found, repaired, meaning(*kind).to_owned()]);
        for difference in examples.iter().filter(|difference| difference.kind == *kind) {
            users.push(user_row(difference));
        }
    }
    format!("{text}\n{counts}\n{users}")
}

fn summary(record: &Reconciliation) -> String {
    let found: u64 = record.counts.values().map(|count| count.found).sum();
    let repaired: u64 = record.counts.values().map(|count| count.repaired).sum();
    match (found, record.repair_action) {
        (0, _) => "no differences".to_owned(),
        (_, RepairAction::DryRun) => format!("{found} differ; nothing was changed"),
        (_, RepairAction::Refused) => format!("{found} differ; refused"),
        (_, RepairAction::Repaired) => format!("{found} differ; {repaired} repaired"),
    }
}

fn user_row(difference: &Difference) -> [String; 5] {
    let Difference { kind, user, email, provider_user_id, provider_emails } = difference;
    let provider_emails: Vec<_> = provider_emails.iter().map(Email::as_str).collect();
    [
        kind.to_string(),
        or_dash(email.as_ref().map(Email::as_str)),
        or_dash((!provider_emails.is_empty()).then(|| provider_emails.join(", "))),
        or_dash(user.as_ref()),
        provider_user_id.clone(),
    ]
}

fn to_json(comparison: &Comparison) -> Value {
    let Comparison { record, examples } = comparison;
    let counts: serde_json::Map<_, _> =
        Drift::ALL.iter().map(|kind| (kind.to_string(), json!(record.count(*kind)))).collect();
    let example = |difference: &Difference| {
        json!({
            "kind": difference.kind,
            "user_id": difference.user,
            "email": difference.email,
            "stytch_user_id": difference.provider_user_id,
            "stytch_emails": difference.provider_emails,
        })
    };
    json!({
        "repair_action": record.repair_action.as_str(),
        "started_at": format!("{:.3}", record.started_at),
        "finished_at": format!("{:.3}", record.finished_at),
        "users": record.users,
        "identities": record.identities,
        "counts": counts,
        "examples": examples.iter().map(example).collect::<Vec<_>>(),
    })
}
