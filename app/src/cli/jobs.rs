//! `guestlist jobs`: lists, inspects, retries, cancels and dismisses jobs.

mod actions;

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use guestlist_database::SqlStore;
use guestlist_database::operations::{JobAttempt, JobRecord};
use guestlist_domain::{Ctx, JobId, Page};
use guestlist_worker::setup::bootstrap;
use serde_json::Value;

use self::actions::{ActionArgs, FilterArgs};
use super::output::{Table, or_dash, print, print_json};
use crate::config::Config;
use crate::operations::{JobAction, JobDetailView, JobView};

#[derive(Debug, Args)]
pub struct JobsArgs {
    #[command(subcommand)]
    command: JobsCommand,
}

#[derive(Debug, Subcommand)]
enum JobsCommand {
    /// List jobs, newest first
    List(ListArgs),
    /// Show a job with all its attempts
    Show {
        /// Id of the job
        id: JobId,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Run jobs again now; an invitation is sent again with a new link
    Retry(ActionArgs),
    /// Cancel jobs; their invitations fail with the code `cancelled`
    Cancel(ActionArgs),
    /// Mark dead jobs as cancelled, so that they no longer count as failures
    Dismiss(ActionArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Text in the latest error, or the beginning of the job's id
    #[arg(long)]
    query: Option<String>,
    /// Maximum number of jobs to list
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(config: &Config, args: &JobsArgs) -> anyhow::Result<ExitCode> {
    let (ctx, store) = bootstrap::connect_without_provider(&config.common).await?;
    match &args.command {
        JobsCommand::List(args) => list(&ctx, &store, args).await?,
        JobsCommand::Show { id, json } => show(&ctx, &store, *id, *json).await?,
        JobsCommand::Retry(args) => return args.run(JobAction::Retry, &ctx, &store).await,
        JobsCommand::Cancel(args) => return args.run(JobAction::Cancel, &ctx, &store).await,
        JobsCommand::Dismiss(args) => return args.run(JobAction::Dismiss, &ctx, &store).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(ctx: &Ctx, store: &SqlStore, args: &ListArgs) -> anyhow::Result<()> {
    let filter = args.filter.to_filter(args.query.clone());
    let page = Page { after: None, limit: args.limit };
    let jobs = store.list_jobs(&filter, page, ctx.now()).await?;
    if args.json {
        return print_json(&jobs.iter().map(JobView::from).collect::<Vec<_>>());
    }
    let mut table = Table::new(["ID", "QUEUE", "KIND", "STATE", "ATTEMPTS", "RUN AT", "ERROR"]);
    for job in &jobs {
        let state = job.status.as_str();
        table.push([
            job.id.to_string(),
            job.queue.clone(),
            job.kind.clone(),
            job.held_by.map_or_else(|| state.to_owned(), |by| format!("held: {by}")),
            format!("{} of {}", job.attempts, job.max_attempts),
            format!("{:.3}", job.run_at),
            or_dash(job.error.as_ref().map(|(code, _)| code)),
        ]);
    }
    Ok(print(table)?)
}

async fn show(ctx: &Ctx, store: &SqlStore, id: JobId, json: bool) -> anyhow::Result<()> {
    let found = store.job_with_attempts(id, ctx.now()).await?;
    let (job, attempts) = found.with_context(|| format!("there is no job {id}"))?;
    let view = serde_json::to_value(JobDetailView::new(&job, &attempts))?;
    if json {
        return print_json(&view);
    }
    print(field_table(&job, &view))?;
    if !attempts.is_empty() {
        print(format!("\n{}", attempt_table(&attempts)))?;
    }
    Ok(())
}

/// Lists the job's fields that are not null.
fn field_table(job: &JobRecord, view: &Value) -> Table<2> {
    let names = [
        "id",
        "queue",
        "kind",
        "args",
        "state",
        "held_by",
        "created_at",
        "run_at",
        "started_at",
        "finished_at",
        "worker",
        "attempt_count",
        "max_attempts",
    ];
    let mut table = Table::without_header();
    for name in names {
        match &view[name] {
            Value::Null => {}
            Value::String(text) => table.push([name.to_owned(), text.clone()]),
            value => table.push([name.to_owned(), value.to_string()]),
        }
    }
    if let Some((code, message)) = &job.error {
        table.push(["error".to_owned(), format!("{code}: {message}")]);
    }
    table
}

fn attempt_table(attempts: &[JobAttempt]) -> Table<7> {
    let mut table =
        Table::new(["ATTEMPT", "AT", "TOOK", "OUTCOME", "WORKER", "REQUEST ID", "ERROR"]);
    for attempt in attempts {
        let duration = attempt.finished_at.map(|end| end.duration_since(attempt.started_at));
        let error = attempt.error.as_ref();
        table.push([
            attempt.number.to_string(),
            format!("{:.3}", attempt.started_at),
            or_dash(duration.map(|duration| format!("{} ms", duration.as_millis()))),
            attempt.outcome.clone(),
            or_dash(attempt.worker.as_ref()),
            or_dash(attempt.request_id.as_ref()),
            or_dash(error.map(|(code, message)| format!("{code}: {message}"))),
        ]);
    }
    table
}
