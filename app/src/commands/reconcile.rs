//! `guestlist reconcile`: our users and Stytch's are compared, shown, and repaired.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use guestlist_domain::flows::{self, ReconcileOptions};
use guestlist_domain::{Actor, Comparison, Difference, Drift, Email, Reconciliation, RepairAction};
use guestlist_worker::{UntilStopped, build};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::output::print;
use super::table::{row, table};
use crate::config::Config;

/// What `reconcile` is told.
#[derive(Debug, Args)]
pub struct ReconcileArgs {
    /// Only show what differs
    #[arg(long)]
    dry_run: bool,
    /// Repair even if that changes more than 5 % of users
    #[arg(long)]
    force: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub async fn run(
    config: &Config,
    stytch: guestlist_stytch::Options,
    args: &ReconcileArgs,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let built = build::connect(&config.common, stytch).await?;
    let public_url = config.common.public_url_at(config.common.listen_addr)?;
    let ctx = built.ctx(config.common.policy(&public_url));
    let manner = ReconcileOptions { dry_run: args.dry_run, force: args.force };
    let comparison = flows::reconcile(&ctx, manner, &Actor::Cli, &UntilStopped(stop)).await?;
    let text = if args.json { as_json(&comparison).to_string() } else { screen(&comparison) };
    print(text).map_err(|error| {
        let repaired = comparison.record.repair_action == RepairAction::Repaired;
        if repaired { error.after(said(&comparison.record)) } else { error }
    })?;
    refused(&comparison.record).map_or(Ok(ExitCode::SUCCESS), |why| Err(why).context("refused"))
}

fn refused(record: &Reconciliation) -> Option<anyhow::Error> {
    (record.repair_action == RepairAction::Refused).then(|| {
        anyhow::anyhow!(
            "{} of {} users would be changed, more than 5 %, so nothing was; look at them with \
             --dry-run, then repeat with --force",
            record.repairable(),
            record.users
        )
    })
}

/// What each kind means, and what is done about it.
fn meaning(kind: Drift) -> &'static str {
    match kind {
        Drift::Gone => "Stytch no longer knows them; logged out here, may log in again",
        Drift::Unlinked => "Stytch knows them, we had not noted as whom",
        Drift::Removed => "removed here, still at Stytch; deleted there",
        Drift::Orphan => "at Stytch only; left alone",
        Drift::Contested => "their address is somebody else's at Stytch; left alone",
        Drift::Address => "another address at Stytch; left alone",
        Drift::Status => "came in at Stytch but not here; left alone",
    }
}

fn screen(comparison: &Comparison) -> String {
    let Comparison { record, examples } = comparison;
    let (users, identities) = (record.users, record.identities);
    let mut text = format!("{users} users here, {identities} at Stytch: {}.\n", said(record));
    let found: Vec<_> = Drift::ALL.iter().filter(|kind| record.count(**kind).found > 0).collect();
    if found.is_empty() {
        return text;
    }
    let mut rows = vec![row(["KIND", "FOUND", "REPAIRED", "MEANING"])];
    for kind in &found {
        let count = record.count(**kind);
        let (found, repaired) = (count.found.to_string(), count.repaired.to_string());
        rows.push(row([kind.as_str(), &found, &repaired, meaning(**kind)]));
    }
    text.push('\n');
    text.push_str(&table(&rows));
    let mut rows =
        vec![row(["KIND", "ADDRESS HERE", "ADDRESS AT STYTCH", "USER HERE", "AT STYTCH"])];
    for kind in found {
        let these = examples.iter().filter(|example| example.kind == *kind);
        rows.extend(these.map(line));
    }
    text.push('\n');
    text.push_str(&table(&rows));
    text
}

fn said(record: &Reconciliation) -> String {
    let found: u64 = record.counts.values().map(|count| count.found).sum();
    let repaired: u64 = record.counts.values().map(|count| count.repaired).sum();
    match (found, record.repair_action) {
        (0, _) => "nothing differs".to_owned(),
        (_, RepairAction::DryRun) => format!("{found} differ; nothing was changed"),
        (_, RepairAction::Refused) => format!("{found} differ; refused"),
        (_, RepairAction::Repaired) => format!("{found} differ; {repaired} repaired"),
    }
}

fn line(difference: &Difference) -> Vec<String> {
    let Difference { kind, user, email, provider_user_id, theirs } = difference;
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let theirs: Vec<_> = theirs.iter().map(Email::as_str).collect();
    vec![
        kind.to_string(),
        or_none(email.as_ref().map(|email| email.as_str().to_owned())),
        or_none((!theirs.is_empty()).then(|| theirs.join(", "))),
        or_none(user.map(|user| user.to_string())),
        provider_user_id.clone(),
    ]
}

fn as_json(comparison: &Comparison) -> Value {
    let Comparison { record, examples } = comparison;
    let counts: serde_json::Map<_, _> =
        Drift::ALL.iter().map(|kind| (kind.to_string(), json!(record.count(*kind)))).collect();
    let examples: Vec<_> = examples
        .iter()
        .map(|one| {
            json!({
                "kind": one.kind, "user_id": one.user, "email": one.email,
                "stytch_user_id": one.provider_user_id, "stytch_emails": one.theirs,
            })
        })
        .collect();
    json!({
        "remedy": record.repair_action.as_str(),
        "started_at": format!("{:.3}", record.started_at),
        "finished_at": format!("{:.3}", record.finished_at),
        "users": record.users,
        "identities": record.identities,
        "counts": counts,
        "examples": examples,
    })
}
