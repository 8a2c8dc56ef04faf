//! Failed jobs grouped by their error, as rows of a table.

use guestlist_database::operations::{ErrorGroup, JobStatus};
use guestlist_domain::JobState;
use jiff::Timestamp;

use super::selection::Selection;
use crate::operations::group_thousands;
use crate::pages::components::When;

/// The jobs with one error.
#[derive(Debug)]
pub struct ErrorRow {
    /// `None` if no error was recorded.
    pub code: Option<String>,
    /// Message of the newest job.
    pub message: String,
    /// Whether the links lead to dead jobs.
    pub is_dead: bool,
    pub dead: String,
    /// Jobs that will be tried again, also those postponed without using up an attempt.
    pub retrying: String,
    pub first_seen: When,
    pub last_seen: When,
    /// The list of these jobs.
    pub url: String,
    pub retry_url: String,
    pub dismiss_url: String,
}

impl ErrorRow {
    /// Creates a row whose links lead to the jobs that are dead, or else to those that will be retried.
    pub fn of_any_state(group: ErrorGroup, now: Timestamp) -> Self {
        let state = match (group.dead, group.retrying) {
            (0, 0) => JobState::Scheduled,
            (0, _) => JobState::Retrying,
            _ => JobState::Dead,
        };
        Self::new(group, JobStatus::In(state), now)
    }

    /// Creates a row whose links lead to the jobs in one state.
    pub fn new(group: ErrorGroup, status: JobStatus, now: Timestamp) -> Self {
        let all = Selection::of(status);
        let selection = match &group.code {
            Some(code) => all.with_error(code),
            None => all,
        };
        Self {
            code: group.code,
            message: group.message.unwrap_or_default(),
            is_dead: status == JobStatus::In(JobState::Dead),
            dead: group_thousands(group.dead),
            retrying: group_thousands(group.retrying + group.waiting),
            first_seen: When { at: group.first_seen, now },
            last_seen: When { at: group.last_seen, now },
            url: selection.list_url(),
            retry_url: selection.url("/ops/jobs/retry"),
            dismiss_url: selection.url("/ops/jobs/dismiss"),
        }
    }
}
