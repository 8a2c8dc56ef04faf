//! `guestlist status`: one line that says it all, and one screen for the rest.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use guestlist_database::board::{ErrorGroup, Overview, QueueState, WorkerState};
use guestlist_worker::build;

use super::output::print;
use super::table::{one_line, row, table};
use crate::config::Config;
use crate::operations::{Status, exactly};

/// The most frequent errors that fit on the screen.
const ERRORS: usize = 5;

/// What `status` is told.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// As JSON, the same as `GET /v1/status`
    #[arg(long)]
    json: bool,
}

/// What the command exits with while mail does not go out; 1 says that it could not find out.
const NOT_SENDING: u8 = 2;

/// Runs the command.
pub async fn run(config: &Config, args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let (ctx, store) = build::connect_without_stytch(&config.common).await?;
    let now = ctx.now();
    let overview = store.overview(now).await?;
    let status = Status::of(&overview, &ctx.policy.authenticate_url, now);
    if args.json {
        print(serde_json::to_string(&status)?)?;
    } else {
        let errors = store.job_errors().await?;
        print(screen(&status, &overview, &errors))?;
    }
    Ok(if status.sending { ExitCode::SUCCESS } else { ExitCode::from(NOT_SENDING) })
}

fn screen(status: &Status, overview: &Overview, errors: &[ErrorGroup]) -> String {
    let mut text = format!("{}\n\nStytch: {}", one_line(&status.summary), status.provider);
    if let Some(error) = &status.error {
        text = format!("{text} ({}: {})", one_line(&error.code), one_line(&error.message));
    }
    text.push_str("\n\n");
    text.push_str(&table(&queues(&overview.queues)));
    text.push('\n');
    text.push_str(&table(&workers(&overview.workers)));
    if !errors.is_empty() {
        text.push('\n');
        text.push_str(&table(&worst(errors)));
    }
    text.push_str("\nTimes are UTC.\n");
    text
}

fn queues(queues: &[QueueState]) -> Vec<Vec<String>> {
    let head =
        ["QUEUE", "READY", "HELD", "RUNNING", "SCHEDULED", "RETRYING", "DEAD", "OLDEST", "HELD BY"];
    let mut rows = vec![row(head)];
    for queue in queues {
        let counts =
            [queue.ready, queue.held, queue.running, queue.scheduled, queue.retrying, queue.dead];
        let mut cells = vec![queue.queue.to_string()];
        cells.extend(counts.map(exactly));
        cells.push(queue.oldest_ready.map_or("-".to_owned(), ago));
        cells.push(held_by(queue));
        rows.push(cells);
    }
    rows
}

fn held_by(queue: &QueueState) -> String {
    let Some(pause) = &queue.pause else {
        return queue.held_by.map_or("-".to_owned(), |by| by.to_string());
    };
    let by = pause.by.as_deref().unwrap_or("somebody");
    let since = pause.at.strftime("%H:%M");
    let why = pause.reason.as_deref().map_or(String::new(), |reason| format!(": {reason}"));
    format!("paused since {since} by {by}{why}")
}

fn workers(workers: &[WorkerState]) -> Vec<Vec<String>> {
    let mut rows = vec![row(["WORKER", "HOST", "PID", "RUNNING", "SEEN", "STYTCH"])];
    for worker in workers {
        let seen = format!("{} ago", ago(worker.silent));
        let gone = if worker.is_live() { "" } else { " (gone)" };
        rows.push(vec![
            worker.id.clone(),
            worker.host.clone(),
            worker.pid.to_string(),
            format!("{} of {}", worker.running, worker.concurrency),
            format!("{seen}{gone}"),
            worker.report.health.as_str().to_owned(),
        ]);
    }
    if workers.is_empty() {
        rows.push(row(["none"]));
    }
    rows
}

fn worst(errors: &[ErrorGroup]) -> Vec<Vec<String>> {
    let mut rows = vec![row(["ERROR", "DEAD", "RETRYING", "WAITING", "LAST SEEN"])];
    for group in errors.iter().take(ERRORS) {
        let counts = [group.dead, group.retrying, group.waiting];
        let mut cells = vec![group.code.clone().unwrap_or_else(|| "-".to_owned())];
        cells.extend(counts.map(exactly));
        cells.push(group.last_seen.strftime("%Y-%m-%d %H:%M:%S").to_string());
        rows.push(cells);
    }
    rows
}

/// A length of time in its largest unit.
fn ago(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}
