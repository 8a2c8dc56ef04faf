//! Queues and workers, as they are shown.

use std::time::Duration;

use guestlist_database::board::{Minute, Pause, Quantiles, QueueActivity, QueueState, WorkerState};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::{Time, shapes};

/// A queue: how it stands, and what came of its jobs in the last hour.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "QueueState", transform = shapes::whole)]
pub struct QueueView<'a> {
    #[schemars(with = "shapes::Queue")]
    name: &'a str,
    counts: Counts,
    oldest_ready_age_seconds: Option<u64>,
    paused: bool,
    pause: Option<PauseView<'a>>,
    #[schemars(with = "Option<shapes::HeldBy>")]
    held_by: Option<&'a str>,
    wait_ms: QuantilesView,
    run_ms: QuantilesView,
    per_minute: Vec<MinuteView>,
}

/// Jobs by state, but those that ended well or were withdrawn: they are too many to count.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Counts", transform = shapes::whole)]
struct Counts {
    scheduled: u64,
    ready: u64,
    held: u64,
    running: u64,
    retrying: u64,
    dead: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Pause", transform = shapes::whole)]
struct PauseView<'a> {
    at: Time,
    by: Option<&'a str>,
    reason: Option<&'a str>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Quantiles", transform = shapes::whole)]
struct QuantilesView {
    #[schemars(with = "Option<u64>")]
    p50: Option<u128>,
    #[schemars(with = "Option<u64>")]
    p95: Option<u128>,
    #[schemars(with = "Option<u64>")]
    p99: Option<u128>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Minute", transform = shapes::whole)]
struct MinuteView {
    at: Time,
    done: u64,
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
#[schemars(rename = "Worker", transform = shapes::whole)]
pub struct WorkerView<'a> {
    id: &'a str,
    host: &'a str,
    pid: i64,
    queues: &'a [String],
    running: u64,
    concurrency: u64,
    started_at: Time,
    seen_at: Time,
    seconds_since_seen: u64,
    is_live: bool,
    provider: &'a str,
    provider_since: Option<Time>,
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
