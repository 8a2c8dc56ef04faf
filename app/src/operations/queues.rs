//! Queues and workers, as they are shown.

use std::time::Duration;

use guestlist_database::board::{Minute, Pause, Quantiles, QueueActivity, QueueState, WorkerState};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::openapi::schemas::{self, Time};

/// A queue: how it stands, and what came of its jobs in the last hour.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "QueueState", transform = schemas::all_required)]
pub struct QueueView<'a> {
    #[schemars(with = "schemas::Queue")]
    name: &'a str,
    counts: Counts,
    /// For how long the first of the due jobs has waited, held or not; null if none is due.
    oldest_ready_age_seconds: Option<u64>,
    paused: bool,
    /// Null unless it is paused.
    pause: Option<PauseView<'a>>,
    /// What keeps its due jobs waiting; null if nothing does.
    #[schemars(with = "Option<schemas::HeldBy>")]
    held_by: Option<&'a str>,
    /// From when jobs were due until a worker took them, in the last hour.
    wait_ms: QuantilesView,
    /// From then to the attempt's end.
    run_ms: QuantilesView,
    /// Sixty, the oldest first; the last is the minute that is under way.
    per_minute: Vec<MinuteView>,
}

/// Jobs by state, but those that ended well or were withdrawn: they are too many to count.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Counts", transform = schemas::all_required)]
struct Counts {
    /// Those that wait for their time.
    scheduled: u64,
    /// Those that wait for their turn.
    ready: u64,
    /// Those that are due, and that something else keeps waiting.
    held: u64,
    /// Those that workers have.
    running: u64,
    /// Those that failed and will be tried again.
    retrying: u64,
    /// Those that failed for good.
    dead: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Pause", transform = schemas::all_required)]
struct PauseView<'a> {
    /// Since when.
    at: Time,
    /// Who paused it; null if that is not known.
    by: Option<&'a str>,
    /// Why; null if they gave no reason.
    reason: Option<&'a str>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Quantiles", transform = schemas::all_required)]
struct QuantilesView {
    /// What half did not exceed; null where nothing was measured.
    #[schemars(with = "Option<u64>")]
    p50: Option<u128>,
    /// What nineteen of twenty did not exceed; null where nothing was measured.
    #[schemars(with = "Option<u64>")]
    p95: Option<u128>,
    /// What ninety-nine of a hundred did not exceed; null where nothing was measured.
    #[schemars(with = "Option<u64>")]
    p99: Option<u128>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Minute", transform = schemas::all_required)]
struct MinuteView {
    /// Its beginning.
    at: Time,
    /// Jobs that were done.
    done: u64,
    /// Attempts that failed: to be tried again, for good, or because their worker died.
    failed: u64,
}

impl<'a> QueueView<'a> {
    /// Of both halves.
    pub fn of(state: &'a QueueState, activity: &QueueActivity) -> Self {
        Self {
            name: state.queue.as_str(),
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
            pause: state.pause.as_ref().map(PauseView::of),
            held_by: state.held_by.map(guestlist_domain::HeldBy::as_str),
            wait_ms: QuantilesView::of(activity.wait),
            run_ms: QuantilesView::of(activity.run),
            per_minute: activity.minutes.iter().map(MinuteView::of).collect(),
        }
    }
}

impl<'a> PauseView<'a> {
    fn of(pause: &'a Pause) -> Self {
        Self { at: Time(pause.at), by: pause.by.as_deref(), reason: pause.reason.as_deref() }
    }
}

impl QuantilesView {
    fn of(times: Quantiles) -> Self {
        let ms = |time: Option<Duration>| time.map(|time| time.as_millis());
        Self { p50: ms(times.p50), p95: ms(times.p95), p99: ms(times.p99) }
    }
}

impl MinuteView {
    fn of(minute: &Minute) -> Self {
        Self { at: Time(minute.at), done: minute.done, failed: minute.failed }
    }
}

/// A worker as it last reported.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Worker", transform = schemas::all_required)]
pub struct WorkerView<'a> {
    id: &'a str,
    /// The machine's name.
    host: &'a str,
    /// Of the process.
    pid: i64,
    /// What it works on.
    queues: &'a [String],
    /// How many jobs it had when it last reported.
    running: u64,
    /// How many it takes at most.
    concurrency: u64,
    started_at: Time,
    /// When it last reported.
    seen_at: Time,
    seconds_since_seen: u64,
    /// Whether it reported in the last 15 seconds.
    is_live: bool,
    /// How it finds Stytch: `ok`, `down`, `recovering` or `misconfigured`.
    provider: &'a str,
    /// Since when something is wrong; null if nothing is.
    provider_since: Option<Time>,
    /// The code of what Stytch said; null if nothing is wrong.
    provider_error: Option<&'a str>,
}

impl<'a> WorkerView<'a> {
    /// As it was seen at `now`.
    pub fn of(worker: &'a WorkerState, now: Timestamp) -> Self {
        let trouble = worker.report.standing.trouble();
        Self {
            id: &worker.id,
            host: &worker.host,
            pid: worker.pid,
            queues: &worker.queues,
            running: worker.running,
            concurrency: worker.concurrency,
            started_at: Time(worker.started_at),
            seen_at: Time(now - worker.silent),
            seconds_since_seen: worker.silent.as_secs(),
            is_live: worker.is_live(),
            provider: worker.report.standing.as_str(),
            provider_since: trouble.map(|trouble| Time(trouble.since)),
            provider_error: trouble.map(|trouble| trouble.code.as_str()),
        }
    }
}
