//! The number of jobs by state and by queue, as JSON.

use guestlist_database::operations::{JobCounts, JobStatus};
use guestlist_domain::{JobState, QueueName};
use schemars::JsonSchema;
use serde::Serialize;

use super::capped_count::CountView;
use crate::openapi::schemas;

/// The number of jobs by state and by queue.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "JobCounts", transform = schemas::all_required)]
pub struct JobCountsView {
    states: StateCounts,
    /// Jobs that are neither done nor cancelled.
    queues: QueueCounts,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = schemas::all_required)]
struct StateCounts {
    /// Jobs that are not due yet.
    scheduled: CountView,
    /// Due jobs that wait for a worker.
    ready: CountView,
    /// Due jobs that are held back.
    held: CountView,
    /// Jobs that a worker is running.
    running: CountView,
    /// Jobs that failed and will be retried.
    retrying: CountView,
    /// Jobs that are done.
    done: CountView,
    /// Jobs that failed for good.
    dead: CountView,
    /// Jobs that were cancelled or dismissed.
    cancelled: CountView,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = schemas::all_required)]
struct QueueCounts {
    login: CountView,
    invitation: CountView,
    provider: CountView,
    webhook: CountView,
    maintenance: CountView,
}

impl From<&JobCounts> for JobCountsView {
    fn from(counts: &JobCounts) -> Self {
        let with = |status| counts.with_status(status).into();
        let of = |state| with(JobStatus::In(state));
        let queue = |queue| CountView { count: counts.in_queue(queue), capped: false };
        Self {
            states: StateCounts {
                scheduled: of(JobState::Scheduled),
                ready: of(JobState::Ready),
                held: with(JobStatus::Held),
                running: of(JobState::Running),
                retrying: of(JobState::Retrying),
                done: of(JobState::Done),
                dead: of(JobState::Dead),
                cancelled: of(JobState::Cancelled),
            },
            queues: QueueCounts {
                login: queue(QueueName::Login),
                invitation: queue(QueueName::Invitation),
                provider: queue(QueueName::Provider),
                webhook: queue(QueueName::Webhook),
                maintenance: queue(QueueName::Maintenance),
            },
        }
    }
}
