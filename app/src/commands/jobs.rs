//! `guestlist jobs`: jobs are listed and looked at, run again and withdrawn.

mod act;

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use guestlist_database::SqlStore;
use guestlist_database::board::{BoardJob, JobAttempt, JobFilter, JobStatus};
use guestlist_domain::{Ctx, JobId, Page, QueueName};
use guestlist_worker::build;
use serde_json::Value;

use super::output::print;
use super::queue::queue;
use super::table::{row, table};
use crate::config::Config;
use crate::operations::{Act, JobView, WholeJobView};
use act::ActArgs;

/// What `jobs` is told.
#[derive(Debug, Args)]
pub struct JobsArgs {
    #[command(subcommand)]
    command: JobsCommand,
}

/// What to do with jobs.
#[derive(Debug, Subcommand)]
enum JobsCommand {
    /// List jobs, newest first
    List(ListArgs),
    /// One job with all its attempts
    Show {
        /// Its id
        id: JobId,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Have jobs run again now; an invitation is sent again with a new link
    Retry(ActArgs),
    /// Withdraw jobs; their invitations fail with the code `cancelled`
    Cancel(ActArgs),
    /// Take dead jobs off the list of what is to be looked after
    Dismiss(ActArgs),
}

/// Which jobs.
#[derive(Debug, Args)]
struct FilterArgs {
    /// In this queue: login, invitation, provider, webhook or maintenance
    #[arg(long, value_parser = queue)]
    queue: Option<QueueName>,
    /// Of this kind, e.g. send-invite
    #[arg(long)]
    kind: Option<String>,
    /// scheduled, ready, held, running, retrying, done, dead or cancelled
    #[arg(long, value_parser = state)]
    state: Option<JobStatus>,
    /// Whose latest attempt failed with this code
    #[arg(long)]
    error: Option<String>,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Whose latest error holds this text, or whose id begins with it
    #[arg(long)]
    query: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,
    /// As JSON
    #[arg(long)]
    json: bool,
}

fn state(word: &str) -> Result<JobStatus, String> {
    let known = "scheduled, ready, held, running, retrying, done, dead, cancelled";
    JobStatus::parse(word).ok_or_else(|| format!("there are: {known}"))
}

impl FilterArgs {
    fn read(self, q: Option<String>) -> JobFilter {
        let Self { queue, kind, state, error } = self;
        JobFilter { queue, kind, status: state, error, q }
    }
}

/// Runs the command.
pub async fn run(config: &Config, args: JobsArgs) -> anyhow::Result<ExitCode> {
    let (ctx, store) = build::connect_without_stytch(&config.common).await?;
    match args.command {
        JobsCommand::List(args) => list(&ctx, &store, args).await,
        JobsCommand::Show { id, json } => show(&ctx, &store, id, json).await,
        JobsCommand::Retry(args) => args.run(Act::Retry, &ctx, &store).await,
        JobsCommand::Cancel(args) => args.run(Act::Cancel, &ctx, &store).await,
        JobsCommand::Dismiss(args) => args.run(Act::Dismiss, &ctx, &store).await,
    }
}

async fn list(ctx: &Ctx, store: &SqlStore, args: ListArgs) -> anyhow::Result<ExitCode> {
    let (filter, page) = (args.filter.read(args.query), Page { after: None, limit: args.limit });
    let jobs = store.list_jobs(&filter, page, ctx.now()).await?;
    if args.json {
        print(serde_json::to_string(&jobs.iter().map(JobView::from).collect::<Vec<_>>())?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![row(["ID", "QUEUE", "KIND", "STATE", "ATTEMPTS", "RUN AT", "ERROR"])];
    rows.extend(jobs.iter().map(|job| {
        let state = job.held_by.map_or(job.status.as_str().to_owned(), |by| format!("held: {by}"));
        vec![
            job.id.to_string(),
            job.queue.clone(),
            job.kind.clone(),
            state,
            format!("{} of {}", job.attempts, job.max_attempts),
            format!("{:.3}", job.run_at),
            job.error.as_ref().map_or("-".to_owned(), |(code, _)| code.clone()),
        ]
    }));
    print(table(&rows))?;
    Ok(ExitCode::SUCCESS)
}

async fn show(ctx: &Ctx, store: &SqlStore, id: JobId, json: bool) -> anyhow::Result<ExitCode> {
    let found = store.job_with_attempts(id, ctx.now()).await?;
    let (job, attempts) = found.with_context(|| format!("there is no job {id}"))?;
    let view = serde_json::to_value(WholeJobView::of(&job, &attempts))?;
    if json {
        print(view)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(table(&facts(&job, &view)))?;
    if !attempts.is_empty() {
        print("\n".to_owned() + &table(&history(&attempts)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is known of it, a line each.
fn facts(job: &BoardJob, view: &Value) -> Vec<Vec<String>> {
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
    let told = names.iter().filter(|name| !view[**name].is_null());
    let told = told.map(|name| match &view[*name] {
        Value::String(text) => row([*name, text]),
        other => row([*name, &other.to_string()]),
    });
    let error = job.error.as_ref();
    told.chain(error.map(|(code, message)| row(["error", &format!("{code}: {message}")]))).collect()
}

fn history(attempts: &[JobAttempt]) -> Vec<Vec<String>> {
    let head = ["ATTEMPT", "AT", "TOOK", "OUTCOME", "WORKER", "REQUEST ID", "ERROR"];
    let mut rows = vec![row(head)];
    for attempt in attempts {
        let took = attempt.finished_at.map(|end| end.duration_since(attempt.started_at));
        let took = took.map_or("-".to_owned(), |took| format!("{} ms", took.as_millis()));
        let error = attempt.error.as_ref();
        rows.push(vec![
            attempt.number.to_string(),
            format!("{:.3}", attempt.started_at),
            took,
            attempt.outcome.clone(),
            attempt.worker.clone().unwrap_or_else(|| "-".to_owned()),
            attempt.request_id.clone().unwrap_or_else(|| "-".to_owned()),
            error.map_or("-".to_owned(), |(code, message)| format!("{code}: {message}")),
        ]);
    }
    rows
}
