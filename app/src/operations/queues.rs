//! Queues and workers as JSON.

use std::time::Duration;

use guestlist_database::operations::{Minute, Quantiles, QueueActivity, QueueState, WorkerState};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::openapi::schemas::{self, Time};

/// Maximum length of the reason for a pause, in characters.
const MAX_REASON_LENGTH: usize = 500;

/// Trims the reason for pausing a queue; an empty one is `None`.
///
/// # Errors
///
/// Returns the problem, as the rest of a sentence about the reason.
pub fn parse_pause_reason(reason: Option<String>) -> Result<Option<String>, String> {
    let reason = reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > MAX_REASON_LENGTH) {
        return Err(format!("is longer than {MAX_REASON_LENGTH} characters"));
    }
    Ok(reason)
}

/// A queue: its current state, and its activity in the last hour.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "QueueState", transform = schemas::all_required)]
pub struct QueueView<'a> {
    name: schemas::Queue,
    counts: Counts,
    /// How long the oldest due job has been waiting, held or not; null if none is due.
    oldest_ready_age_seconds: Option<u64>,
    paused: bool,
    /// Null unless the queue is paused.
    pause: Option<PauseView<'a>>,
    /// What holds back the queue's due jobs; null if nothing does.
    held_by: Option<schemas::HeldBy>,
    /// Milliseconds from due to claimed by a worker, in the last hour.
    wait_ms: QuantilesView,
    /// Milliseconds from claimed to the end of the attempt, in the last hour.
    run_ms: QuantilesView,
    /// The last 60 minutes, oldest first; the last entry is the current minute.
    per_minute: Vec<MinuteView>,
}

/// Number of jobs by state, except `done` and `cancelled`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Counts", transform = schemas::all_required)]
struct Counts {
    /// Jobs that are not due yet.
    scheduled: u64,
    /// Due jobs that wait for a worker.
    ready: u64,
    /// Due jobs that are held back.
    held: u64,
    /// Jobs that a worker is running.
    running: u64,
    /// Jobs that failed and will be retried.
    retrying: u64,
    /// Jobs that failed for good.
    dead: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Pause", transform = schemas::all_required)]
struct PauseView<'a> {
    /// When the queue was paused.
    at: Time,
    /// Who paused the queue; null if unknown.
    by: Option<&'a str>,
    /// Reason given; null if none was.
    reason: Option<&'a str>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Quantiles", transform = schemas::all_required)]
struct QuantilesView {
    /// Median; null without measurements.
    p50: Option<u64>,
    /// 95th percentile; null without measurements.
    p95: Option<u64>,
    /// 99th percentile; null without measurements.
    p99: Option<u64>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Minute", transform = schemas::all_required)]
struct MinuteView {
    /// Start of the minute.
    at: Time,
    /// Jobs completed.
    done: u64,
    /// Attempts that failed, whether they will be retried or not, or whose worker died.
    failed: u64,
}

impl<'a> QueueView<'a> {
    pub fn new(state: &'a QueueState, activity: &QueueActivity) -> Self {
        let minute = |m: &Minute| MinuteView { at: Time(m.at), done: m.done, failed: m.failed };
        Self {
            name: state.queue.into(),
            counts: Counts {
                scheduled: state.scheduled,
                ready: state.ready,
                held: state.held,
                running: state.running,
                retrying: state.retrying,
                dead: state.dead,
            },
            oldest_ready_age_seconds: state.oldest_ready.map(|age| age.as_secs()),
            paused: state.pause.is_some(),
            pause: state.pause.as_ref().map(|pause| PauseView {
                at: Time(pause.at),
                by: pause.by.as_deref(),
                reason: pause.reason.as_deref(),
            }),
            held_by: state.held_by.map(Into::into),
            wait_ms: QuantilesView::new(activity.wait),
            run_ms: QuantilesView::new(activity.run),
            per_minute: activity.minutes.iter().map(minute).collect(),
        }
    }
}

impl QuantilesView {
    fn new(quantiles: Quantiles) -> Self {
        let millis = |time: Option<Duration>| u64::try_from(time?.as_millis()).ok();
        Self { p50: millis(quantiles.p50), p95: millis(quantiles.p95), p99: millis(quantiles.p99) }
    }
}

/// A worker's latest report.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Worker", transform = schemas::all_required)]
pub struct WorkerView<'a> {
    id: &'a str,
    /// Host name.
    host: &'a str,
    /// Process id.
    pid: i64,
    /// Queues that the worker processes.
    queues: &'a [String],
    /// Jobs that were running at the latest report.
    running: u64,
    /// Maximum number of jobs that the worker runs concurrently.
    concurrency: u64,
    started_at: Time,
    /// When the worker last reported.
    seen_at: Time,
    seconds_since_seen: u64,
    /// Whether the worker reported in the last 10 seconds.
    is_live: bool,
    /// Stytch's health as seen by the worker: `ok`, `down`, `recovering` or `misconfigured`.
    provider: &'a str,
    /// When the current problem with Stytch began; null if there is none.
    provider_since: Option<Time>,
    /// Stytch's latest error code; null if there is no problem.
    provider_error: Option<&'a str>,
}

impl<'a> WorkerView<'a> {
    pub fn new(worker: &'a WorkerState, now: Timestamp) -> Self {
        let issue = worker.report.health.issue();
        Self {
            id: &worker.id,
            host: &worker.host,
            pid: worker.pid,
            queues: &worker.queues,
            running: worker.running,
            concurrency: worker.concurrency,
            started_at: Time(worker.started_at),
            seen_at: Time(now - worker.report_age),
            seconds_since_seen: worker.report_age.as_secs(),
            is_live: worker.is_live(),
            provider: worker.report.health.as_str(),
            provider_since: issue.map(|issue| Time(issue.since)),
            provider_error: issue.map(|issue| issue.code.as_str()),
        }
    }
}
