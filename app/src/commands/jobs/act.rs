//! `guestlist jobs retry`, `cancel` and `dismiss`: those named, or all that match once somebody said yes.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use guestlist_database::SqlStore;
use guestlist_database::board::JobFilter;
use guestlist_domain::flows::JobOperationError;
use guestlist_domain::{Actor, Ctx, JobId, ManageableRoles};

use super::FilterArgs;
use crate::commands::output::{note, print, report};
use crate::operations::{Act, exactly};

/// Nobody waits for an answer here, so it may take its time.
const PATIENCE: Duration = Duration::MAX;

/// Which jobs, and how sure.
#[derive(Debug, Args)]
pub struct ActArgs {
    /// Their ids
    #[arg(required_unless_present = "all")]
    ids: Vec<JobId>,
    /// All jobs that match, of which --state must be said
    #[arg(long, conflicts_with = "ids", requires = "state")]
    all: bool,
    #[command(flatten)]
    filter: FilterArgs,
    /// Only say how many match
    #[arg(long, requires = "all")]
    dry_run: bool,
    /// Do not ask
    #[arg(long, requires = "all")]
    yes: bool,
}

impl ActArgs {
    /// Does it; it fails if any of the jobs named was refused.
    pub async fn run(self, act: Act, ctx: &Ctx, store: &SqlStore) -> anyhow::Result<ExitCode> {
        if self.all {
            return self.all(act, ctx, store).await;
        }
        let filter = self.filter.read(None);
        anyhow::ensure!(filter == JobFilter::default(), "filters are for --all");
        let (mut acted, mut failed) = (0, 0);
        for id in &self.ids {
            match act.on(ctx, *id, ManageableRoles::All, &Actor::Cli).await {
                Ok(()) => {
                    acted += 1;
                    let so_far = || format!("{} {}, the last {id}", jobs(acted), done(act));
                    print(format!("{id}: {}", done(act))).map_err(|error| error.after(so_far()))?;
                }
                Err(JobOperationError::Store(error)) => return Err(error.into()),
                Err(error) => {
                    failed += 1;
                    note(format!("guestlist: {id}: {}", refused(act, &error)));
                }
            }
        }
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn all(self, act: Act, ctx: &Ctx, store: &SqlStore) -> anyhow::Result<ExitCode> {
        let filter = self.filter.read(None);
        let fits = filter.status.is_some_and(|status| act.applies_to(status));
        anyhow::ensure!(fits, "--state must be one of {}", act.states_in_words());
        let count = act.count(ctx, store, &filter, ManageableRoles::All, PATIENCE).await?.matched;
        if self.dry_run {
            print(format!("{} would be {}", jobs(count), done(act)))?;
            return Ok(ExitCode::SUCCESS);
        }
        if !self.yes && count > 0 && !confirmed(act, count)? {
            print("nothing was done")?;
            return Ok(ExitCode::FAILURE);
        }
        let bulk = act.on_all(ctx, store, &filter, ManageableRoles::All, &Actor::Cli, PATIENCE).await?;
        report(format!("{} {}", jobs(bulk.matched), done(act)))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn confirmed(act: Act, count: u64) -> anyhow::Result<bool> {
    let what = format!("{} would be {}", jobs(count), done(act));
    anyhow::ensure!(
        io::stdin().is_terminal() && io::stderr().is_terminal(),
        "{what}; add --yes to do it, or --dry-run to only be told"
    );
    write!(io::stderr(), "{what}. Go on? [y/N] ")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn done(act: Act) -> &'static str {
    match act {
        Act::Retry => "retried",
        Act::Cancel => "cancelled",
        Act::Dismiss => "dismissed",
    }
}

fn refused(act: Act, error: &JobOperationError) -> String {
    match error {
        JobOperationError::WrongState(_) => {
            format!("{error}; it would have to be one of {}", act.states_in_words())
        }
        error => error.to_string(),
    }
}

fn jobs(count: u64) -> String {
    if count == 1 { "1 job".to_owned() } else { format!("{} jobs", exactly(count)) }
}
