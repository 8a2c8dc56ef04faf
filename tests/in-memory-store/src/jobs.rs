//! The queue, with what the domain can observe: leases by fence, attempts counted when a job is
//! claimed and given back by a snooze, and no further attempt of a cancelled job.

use guestlist_domain::{JobError, JobOutcome, JobState, NewJob, QueuedJob, Settlement};
use jiff::Timestamp;

/// A job and its state.
#[derive(Debug, Clone)]
pub struct JobRow {
    pub job: NewJob,
    pub state: JobState,
    pub run_at: Timestamp,
    pub attempts: u32,
    pub fence: i64,
    /// The start of each attempt.
    pub starts: Vec<Timestamp>,
    /// The starts of attempts whose workers were lost.
    pub lost: Vec<Timestamp>,
    pub last_error: Option<JobError>,
    /// Whether it was cancelled while it ran.
    pub cancel_requested: bool,
}

impl JobRow {
    pub fn new(job: NewJob) -> Self {
        let run_at = job.run_at;
        let is_for_later = run_at > job.created_at;
        let state = if is_for_later { JobState::Scheduled } else { JobState::Ready };
        Self {
            job,
            state,
            run_at,
            attempts: 0,
            fence: 0,
            starts: Vec::new(),
            lost: Vec::new(),
            last_error: None,
            cancel_requested: false,
        }
    }

    /// Returns whether the job will run.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, JobState::Scheduled | JobState::Ready | JobState::Retrying)
    }

    /// Returns whether the job will run or is running.
    pub fn is_live(&self) -> bool {
        self.is_waiting() || self.state == JobState::Running
    }

    pub fn is_due(&self, now: Timestamp) -> bool {
        self.is_waiting() && self.run_at <= now
    }

    pub fn claim(&mut self, now: Timestamp) {
        self.starts.push(now);
        self.state = JobState::Running;
        self.attempts += 1;
        self.fence += 1;
    }

    /// Makes the job of a lost worker available again. The attempt stays counted.
    pub fn rescue(&mut self, now: Timestamp) {
        self.lost.extend(self.starts.last());
        self.requeue(JobState::Ready, now);
    }

    pub fn is_held_by(&self, settlement: &Settlement) -> bool {
        self.state == JobState::Running && self.fence == settlement.fence
    }

    pub fn settle(&mut self, outcome: JobOutcome) {
        match &outcome {
            JobOutcome::Done => self.state = JobState::Done,
            JobOutcome::Dead(_) => self.state = JobState::Dead,
            JobOutcome::Retry(at, _) => self.requeue(JobState::Retrying, *at),
            JobOutcome::Snooze(at, _) => {
                self.attempts -= 1;
                self.requeue(JobState::Scheduled, *at);
            }
        }
        if let JobOutcome::Retry(_, e) | JobOutcome::Snooze(_, e) | JobOutcome::Dead(e) = outcome {
            self.last_error = Some(e);
        }
    }

    /// Cancels the job. A running job is not interrupted, but not retried.
    pub fn cancel(&mut self) {
        if self.state == JobState::Running {
            self.cancel_requested = true;
        } else {
            self.state = JobState::Cancelled;
        }
    }

    pub fn retry(&mut self, state: JobState, at: Timestamp) {
        self.state = state;
        self.run_at = at;
        self.attempts = 0;
        self.cancel_requested = false;
    }

    /// Makes the job available at a time, unless it was cancelled while it ran.
    fn requeue(&mut self, state: JobState, at: Timestamp) {
        self.state = if self.cancel_requested { JobState::Cancelled } else { state };
        self.run_at = at;
    }

    pub fn to_queued_job(&self) -> QueuedJob {
        QueuedJob {
            id: self.job.id,
            queue: self.job.queue.as_str().to_owned(),
            kind: self.job.kind.to_owned(),
            args: self.job.args.clone(),
            state: self.state,
        }
    }
}
