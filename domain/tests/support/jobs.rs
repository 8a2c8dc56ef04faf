//! The queue, as far as the domain can tell it from the real one: leases by fence, attempts
//! charged when a job is claimed and given back by a snooze.

use guestlist_domain::{JobError, NewJob, Outcome, Settlement};
use jiff::Timestamp;

/// A job and how it stands.
#[derive(Debug, Clone)]
pub(crate) struct JobRow {
    pub(crate) job: NewJob,
    pub(crate) state: JobState,
    pub(crate) run_at: Timestamp,
    pub(crate) attempts: u32,
    pub(crate) fence: i64,
    pub(crate) last_error: Option<JobError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobState {
    /// For its turn, or its time.
    Waiting,
    Running,
    Done,
    Dead,
}

impl JobRow {
    pub(crate) fn new(job: NewJob) -> Self {
        let run_at = job.run_at;
        Self { job, state: JobState::Waiting, run_at, attempts: 0, fence: 0, last_error: None }
    }

    /// Whether it will run, or runs.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.state, JobState::Waiting | JobState::Running)
    }

    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.state == JobState::Waiting && self.run_at <= now
    }

    pub(crate) fn claim(&mut self) {
        self.state = JobState::Running;
        self.attempts += 1;
        self.fence += 1;
    }

    /// Its worker fell silent: anyone may have it now. The attempt stays charged.
    pub(crate) fn rescue(&mut self, now: Timestamp) {
        self.state = JobState::Waiting;
        self.run_at = now;
    }

    pub(crate) fn is_held_by(&self, settlement: &Settlement) -> bool {
        self.state == JobState::Running && self.fence == settlement.fence
    }

    pub(crate) fn settle(&mut self, outcome: Outcome) {
        self.state = match &outcome {
            Outcome::Done => JobState::Done,
            Outcome::Dead(_) => JobState::Dead,
            Outcome::Retry(..) | Outcome::Snooze(..) => JobState::Waiting,
        };
        if matches!(outcome, Outcome::Snooze(..)) {
            self.attempts -= 1;
        }
        if let Outcome::Retry(at, _) | Outcome::Snooze(at, _) = &outcome {
            self.run_at = *at;
        }
        if let Outcome::Retry(_, e) | Outcome::Snooze(_, e) | Outcome::Dead(e) = outcome {
            self.last_error = Some(e);
        }
    }
}
