//! `guestlist status`: a one-line summary, then queues, workers and errors on one screen.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use guestlist_database::operations::{ErrorGroup, Overview, QueueState, WorkerState};
use guestlist_worker::setup::bootstrap;

use super::output::{Table, one_line, or_dash, print, print_json};
use crate::config::Config;
use crate::operations::{Status, group_thousands};

/// Number of errors shown, the most frequent first.
const MAX_ERRORS: usize = 5;

/// Exit code while mail is not being sent; 1 means that the command failed.
const NOT_SENDING: u8 = 2;

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print the same JSON as `GET /v1/status`
    #[arg(long)]
    json: bool,
}

pub async fn run(config: &Config, args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let (ctx, store) = bootstrap::connect_without_provider(&config.common).await?;
    let now = ctx.now();
    let overview = store.overview(now).await?;
    let activity = store.throughput(now).await?;
    let status = Status::new(&overview, &activity, &ctx.policy.authenticate_url, now);
    if args.json {
        print_json(&status)?;
    } else {
        let errors = store.job_errors().await?;
        print(screen(&status, &overview, &errors))?;
    }
    Ok(if status.sending { ExitCode::SUCCESS } else { ExitCode::from(NOT_SENDING) })
}

fn screen(status: &Status, overview: &Overview, errors: &[ErrorGroup]) -> String {
    let mut text = format!("{}\n\nStytch: {}", one_line(&status.summary), status.provider);
    if let Some(error) = &status.error {
        text = format!("{text} ({}: {})", one_line(error.code), one_line(error.message));
    }
    text = format!("{text}\nSent in the last minute: {}", group_thousands(status.sent_per_minute));
    text = format!("{text}\n\n{}\n", queue_table(&overview.queues));
    text.push_str(&worker_table(&overview.workers));
    if !errors.is_empty() {
        text = format!("{text}\n{}", error_table(errors));
    }
    text + "\nTimes are in UTC.\n"
}

fn queue_table(queues: &[QueueState]) -> Table<9> {
    let mut table = Table::new([
        "QUEUE",
        "READY",
        "HELD",
        "RUNNING",
        "SCHEDULED",
        "RETRYING",
        "DEAD",
        "OLDEST",
        "HELD BY",
    ]);
    for queue in queues {
        table.push([
            queue.queue.to_string(),
            group_thousands(queue.ready),
            group_thousands(queue.held),
            group_thousands(queue.running),
            group_thousands(queue.scheduled),
            group_thousands(queue.retrying),
            group_thousands(queue.dead),
            or_dash(queue.oldest_ready.map(format_duration)),
            held_by(queue),
        ]);
    }
    table
}

fn held_by(queue: &QueueState) -> String {
    let Some(pause) = &queue.pause else { return or_dash(queue.held_by) };
    let by = pause.by.as_deref().unwrap_or("an unknown operator");
    let since = pause.at.strftime("%H:%M");
    let reason = pause.reason.as_deref().map_or(String::new(), |reason| format!(": {reason}"));
    format!("paused since {since} by {by}{reason}")
}

fn worker_table(workers: &[WorkerState]) -> String {
    if workers.is_empty() {
        return "No workers\n".to_owned();
    }
    let mut table = Table::new(["WORKER", "HOST", "PID", "RUNNING", "SEEN", "STYTCH"]);
    for worker in workers {
        let gone = if worker.is_live() { "" } else { " (gone)" };
        table.push([
            worker.id.clone(),
            worker.host.clone(),
            worker.pid.to_string(),
            format!("{} of {}", worker.running, worker.concurrency),
            format!("{} ago{gone}", format_duration(worker.report_age)),
            worker.report.health.as_str().to_owned(),
        ]);
    }
    table.to_string()
}

fn error_table(errors: &[ErrorGroup]) -> Table<5> {
    let mut table = Table::new(["ERROR", "DEAD", "RETRYING", "WAITING", "LAST SEEN"]);
    for group in errors.iter().take(MAX_ERRORS) {
        table.push([
            or_dash(group.code.as_ref()),
            group_thousands(group.dead),
            group_thousands(group.retrying),
            group_thousands(group.waiting),
            group.last_seen.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        ]);
    }
    table
}

/// Formats a duration in its largest unit.
fn format_duration(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}
