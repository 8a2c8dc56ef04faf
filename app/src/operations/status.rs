//! The status report: whether mail is being sent, and if not, why and what to do.

use guestlist_database::operations::{Overview, QueueState};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::diagnosis::Diagnosis;
use super::jobs::ErrorView;
use crate::openapi::schemas::{self, Time};

/// Whether mail is being sent, and if not, why and what to do.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = schemas::all_required)]
pub struct Status<'a> {
    /// One line: whether mail is being sent, since when not and why, how many jobs wait, and the
    /// fix.
    pub summary: String,
    /// Whether invitations and login links are being sent.
    pub sending: bool,
    /// Stytch's health: `ok`, `down`, `recovering` or `misconfigured`.
    pub provider: &'static str,
    /// When the current problem began; null if there is none.
    pub since: Option<Time>,
    /// Stytch's latest error; null if there is no problem with Stytch.
    pub error: Option<ErrorView<'a>>,
    /// What to do; null if nothing needs to be done.
    pub fix: Option<String>,
    /// Due and scheduled jobs in queues that are held back.
    pub held: u64,
    /// Jobs for Stytch that have not started.
    pub waiting: u64,
    /// Jobs that are running.
    pub running: u64,
    /// Jobs that failed for good and have not been dismissed.
    pub dead: u64,
    /// How long the oldest due job has been waiting; null if none is due.
    pub oldest_ready_age_seconds: Option<u64>,
    /// Queues paused by an operator.
    pub paused: Vec<schemas::Queue>,
    /// Number of live workers.
    pub workers: usize,
}

impl<'a> Status<'a> {
    /// Creates the report. `authenticate_url` is the redirect URL to register at Stytch, for the
    /// fix to name.
    pub fn new(overview: &'a Overview, authenticate_url: &str, now: Timestamp) -> Self {
        let diagnosis = Diagnosis::new(overview, authenticate_url, now);
        let queues = || overview.queues.iter();
        let held = queues().filter(|queue| queue.held_by.is_some()).map(QueueState::waiting).sum();
        let for_provider = queues().filter(|queue| queue.queue.calls_provider());
        let waiting = for_provider.map(QueueState::waiting).sum();
        let retrying = queues().map(|queue| queue.retrying).sum();
        let dead = queues().map(|queue| queue.dead).sum();
        let health = overview.provider_health();
        let issue = health.issue();
        let error = |code, message| ErrorView { code, message };
        Self {
            summary: diagnosis.summary(held, waiting, retrying, dead),
            sending: diagnosis.sending,
            provider: health.as_str(),
            since: diagnosis.since.or(issue.map(|issue| issue.since)).map(Time),
            error: issue.map(|issue| error(&issue.code, &issue.message)),
            fix: diagnosis.fix,
            held,
            waiting,
            running: queues().map(|queue| queue.running).sum(),
            dead,
            oldest_ready_age_seconds: queues()
                .filter_map(|queue| queue.oldest_ready)
                .max()
                .map(|age| age.as_secs()),
            paused: overview.holds.paused.iter().map(|queue| (*queue).into()).collect(),
            workers: overview.live_workers().count(),
        }
    }
}

#[cfg(test)]
mod tests;
