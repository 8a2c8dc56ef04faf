//! Flags that select jobs.

use clap::Args;
use guestlist_database::operations::{JobFilter, JobStatus};
use guestlist_domain::QueueName;

use crate::cli::queue::parse_queue;

#[derive(Debug, Args)]
pub struct FilterArgs {
    /// Queue: login, invitation, provider, webhook or maintenance
    #[arg(long, value_parser = parse_queue)]
    queue: Option<QueueName>,
    /// Kind of job, e.g. send-invite
    #[arg(long)]
    kind: Option<String>,
    /// State: scheduled, ready, held, running, retrying, done, dead or cancelled
    #[arg(long, value_parser = parse_state)]
    state: Option<JobStatus>,
    /// Error code of the latest attempt
    #[arg(long)]
    error: Option<String>,
}

fn parse_state(name: &str) -> Result<JobStatus, String> {
    let names = "scheduled, ready, held, running, retrying, done, dead, cancelled";
    JobStatus::parse(name).ok_or_else(|| format!("must be one of {names}"))
}

impl FilterArgs {
    /// Returns the filter, with a text search if `q` is given.
    pub fn to_filter(&self, q: Option<String>) -> JobFilter {
        let Self { queue, kind, state, error } = self;
        JobFilter { queue: *queue, kind: kind.clone(), status: *state, error: error.clone(), q }
    }
}
