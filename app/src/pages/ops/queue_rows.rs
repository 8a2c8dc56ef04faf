//! The rows of the table of queues.

use guestlist_database::operations::{
    Activity, JobStatus, Overview, Pause, QueueActivity, QueueState, QueueWaits,
};
use guestlist_domain::{JobState, QueueName};
use jiff::Timestamp;

use super::chart::Spark;
use super::components::{dash, length, seconds, whole};
use super::overview::RefusedPause;
use super::points::{done_points, wait_points};
use super::selection::Selection;
use super::words::{hold_reason, pause_hint, queue_purpose};
use crate::operations::group_thousands;
use crate::pages::components::{StateLabel, Tone, When};

/// A queue with its charts.
pub struct QueueRow<'a> {
    pub queue: QueueName,
    pub url: String,
    pub purpose: &'static str,
    pub hint: &'static str,
    pub state: Option<StateLabel>,
    pub pause: Option<(&'a Pause, When)>,
    pub held_by: Option<&'static str>,
    pub waiting: String,
    pub running: String,
    pub retrying: String,
    pub retrying_url: Option<String>,
    pub dead: String,
    pub dead_url: Option<String>,
    pub oldest: String,
    pub done: String,
    pub done_chart: Spark,
    pub wait: String,
    pub wait_chart: Spark,
    /// The reason and the error of a refused pause.
    pub refused: Option<&'a RefusedPause>,
}

/// Returns a row for each queue that has jobs.
pub fn queue_rows<'a>(
    overview: &'a Overview,
    activity: &Activity,
    waits: &[QueueWaits],
    refused: Option<&'a RefusedPause>,
    now: Timestamp,
) -> Vec<QueueRow<'a>> {
    let rows = overview.queues.iter().zip(&activity.0).zip(waits);
    let rows = rows.filter(|((state, activity), _)| is_used(state, activity));
    let has_worker = overview.live_workers().next().is_some();
    rows.map(|((state, activity), waits)| QueueRow {
        refused: refused.filter(|refused| refused.queue == state.queue),
        ..queue_row(state, activity, waits, has_worker, now)
    })
    .collect()
}

/// Returns whether the queue is one that has jobs. Nothing enqueues webhooks yet.
fn is_used(state: &QueueState, activity: &QueueActivity) -> bool {
    let jobs = state.waiting() + state.running + state.dead;
    let has_run = activity.minutes.iter().any(|minute| minute.done + minute.failed > 0);
    state.queue != QueueName::Webhook || jobs > 0 || state.pause.is_some() || has_run
}

fn queue_row<'a>(
    state: &'a QueueState,
    activity: &QueueActivity,
    waits: &QueueWaits,
    has_worker: bool,
    now: Timestamp,
) -> QueueRow<'a> {
    // Without a worker, jobs that are marked as running wait to be started again.
    let (running, unfinished) = if has_worker { (state.running, 0) } else { (0, state.running) };
    let queue = state.queue;
    let done = activity.done_per_minute(now);
    let is_held = state.held_by.is_some();
    let due = if is_held { JobStatus::Held } else { JobStatus::In(JobState::Ready) };
    let of = |status| Selection::in_queue(status, queue).list_url();
    let linked = |count, state| (count > 0).then(|| of(JobStatus::In(state)));
    let label = match (&state.pause, is_held) {
        (Some(_), _) => Some(StateLabel::new(Tone::Warn, "pause", "Paused")),
        (None, true) => Some(StateLabel::new(Tone::Warn, "pause", "Held")),
        (None, false) => None,
    };
    let held_by = state.held_by.filter(|_| state.pause.is_none());
    QueueRow {
        queue,
        url: of(due),
        purpose: queue_purpose(queue),
        hint: pause_hint(queue),
        state: label,
        pause: state.pause.as_ref().map(|pause| (pause, When { at: pause.at, now })),
        held_by: held_by.map(hold_reason),
        waiting: group_thousands(state.scheduled + state.ready + state.held + unfinished),
        running: group_thousands(running),
        retrying: group_thousands(state.retrying),
        retrying_url: linked(state.retrying, JobState::Retrying),
        dead: group_thousands(state.dead),
        dead_url: linked(state.dead, JobState::Dead),
        oldest: state.oldest_ready.map_or(dash(), length),
        done: group_thousands(done),
        done_chart: Spark::new(
            &format!("{queue}, done per minute"),
            &done_points(&activity.minutes, done),
            whole,
        ),
        wait: waits.recent.map_or(dash(), length),
        wait_chart: Spark::new(&format!("{queue}, wait"), &wait_points(waits, now), seconds),
        refused: None,
    }
}
