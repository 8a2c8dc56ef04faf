//! `guestlist jobs retry`, `cancel` and `dismiss`: changes the given jobs, or, after confirmation,
//! all that match.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use guestlist_database::SqlStore;
use guestlist_database::operations::{JobFilter, JobStatus};
use guestlist_domain::flows::JobOperationError;
use guestlist_domain::{Actor, Ctx, JobId, ManageableRoles, QueueName};

use crate::cli::output::{print, print_done, print_stderr};
use crate::cli::queue::parse_queue;
use crate::operations::{JobAction, group_thousands};

/// On the command line, bulk actions have no time limit.
const TIME_LIMIT: Duration = Duration::MAX;

/// Flags that select jobs.
#[derive(Debug, Args)]
pub struct FilterArgs {
    /// Queue: login, invitation, provider or maintenance
    #[arg(long, value_parser = parse_queue)]
    queue: Option<QueueName>,
    /// Kind of job, e.g. send-invite
    #[arg(long)]
    kind: Option<String>,
    /// State: scheduled, ready, held, running, retrying, done, dead or cancelled
    #[arg(long, value_parser = parse_state)]
    state: Option<JobStatus>,
    /// Error code of the latest attempt
    #[arg(long)]
    error: Option<String>,
}

fn parse_state(name: &str) -> Result<JobStatus, String> {
    let names = "scheduled, ready, held, running, retrying, done, dead, cancelled";
    JobStatus::parse(name).ok_or_else(|| format!("must be one of {names}"))
}

impl FilterArgs {
    /// Returns the filter, with a text search if `q` is given.
    pub fn to_filter(&self, q: Option<String>) -> JobFilter {
        let Self { queue, kind, state, error } = self;
        JobFilter { queue: *queue, kind: kind.clone(), status: *state, error: error.clone(), q }
    }
}

#[derive(Debug, Args)]
pub struct ActionArgs {
    /// Ids of the jobs
    #[arg(required_unless_present = "all")]
    ids: Vec<JobId>,
    /// Select all matching jobs; requires --state
    #[arg(long, conflicts_with = "ids", requires = "state")]
    all: bool,
    #[command(flatten)]
    filter: FilterArgs,
    /// Only print how many jobs match
    #[arg(long, requires = "all")]
    dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long, requires = "all")]
    yes: bool,
}

impl ActionArgs {
    /// Applies the action. The exit code is 1 if any of the given jobs could not be changed.
    pub async fn run(
        &self,
        action: JobAction,
        ctx: &Ctx,
        store: &SqlStore,
    ) -> anyhow::Result<ExitCode> {
        let filter = self.filter.to_filter(None);
        if self.all {
            return self.run_all(action, ctx, store, &filter).await;
        }
        anyhow::ensure!(filter == JobFilter::default(), "filters require --all");
        let verb = action.past_tense();
        let (mut changed, mut failed) = (0, 0);
        for id in &self.ids {
            match action.apply(ctx, *id, ManageableRoles::All, &Actor::Cli).await {
                Ok(()) => {
                    changed += 1;
                    let done = || format!("{} {verb}, the last {id}", count_jobs(changed));
                    print(format!("{id}: {verb}")).map_err(|error| error.after(done()))?;
                }
                Err(JobOperationError::Store(error)) => return Err(error.into()),
                Err(error) => {
                    failed += 1;
                    let states = match error {
                        JobOperationError::WrongState(_) => {
                            format!("; it must be one of {}", action.allowed_states_text())
                        }
                        _ => String::new(),
                    };
                    print_stderr(format!("guestlist: {id}: {error}{states}"));
                }
            }
        }
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn run_all(
        &self,
        action: JobAction,
        ctx: &Ctx,
        store: &SqlStore,
        filter: &JobFilter,
    ) -> anyhow::Result<ExitCode> {
        let is_allowed = filter.status.is_some_and(|status| action.applies_to(status));
        anyhow::ensure!(is_allowed, "--state must be one of {}", action.allowed_states_text());
        let manageable = ManageableRoles::All;
        let count =
            action.count_matching(ctx, store, filter, manageable, TIME_LIMIT).await?.matched;
        let verb = action.past_tense();
        if self.dry_run {
            print(format!("{} would be {verb}", count_jobs(count)))?;
            return Ok(ExitCode::SUCCESS);
        }
        if !self.yes && count > 0 && !confirm(verb, count)? {
            print("Nothing was changed")?;
            return Ok(ExitCode::FAILURE);
        }
        let result =
            action.apply_to_all(ctx, store, filter, manageable, &Actor::Cli, TIME_LIMIT).await?;
        print_done(format!("{} {verb}", count_jobs(result.matched)))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn confirm(verb: &str, count: u64) -> anyhow::Result<bool> {
    let question = format!("{} will be {verb}", count_jobs(count));
    anyhow::ensure!(
        io::stdin().is_terminal() && io::stderr().is_terminal(),
        "{question}; add --yes to confirm, or --dry-run to only count them"
    );
    write!(io::stderr(), "{question}. Continue? [y/N] ")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn count_jobs(count: u64) -> String {
    if count == 1 { "1 job".to_owned() } else { format!("{} jobs", group_thousands(count)) }
}
