//! The number of jobs by state and by queue, as JSON.

use guestlist_database::operations::{JobCount, JobCounts, JobStatus};
use guestlist_domain::{JobState, QueueName};
use schemars::JsonSchema;
use serde::Serialize;

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
    scheduled: JobCountView,
    /// Due jobs that wait for a worker.
    ready: JobCountView,
    /// Due jobs that are held back.
    held: JobCountView,
    /// Jobs that a worker is running.
    running: JobCountView,
    /// Jobs that failed and will be retried.
    retrying: JobCountView,
    /// Jobs that are done.
    done: JobCountView,
    /// Jobs that failed for good.
    dead: JobCountView,
    /// Jobs that were cancelled or dismissed.
    cancelled: JobCountView,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = schemas::all_required)]
struct QueueCounts {
    login: JobCountView,
    invitation: JobCountView,
    provider: JobCountView,
    webhook: JobCountView,
    maintenance: JobCountView,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "JobCount", transform = schemas::all_required)]
struct JobCountView {
    count: u64,
    /// Whether there are more than `count`.
    capped: bool,
}

impl From<JobCount> for JobCountView {
    fn from(JobCount { count, is_capped }: JobCount) -> Self {
        Self { count, capped: is_capped }
    }
}

impl From<&JobCounts> for JobCountsView {
    fn from(counts: &JobCounts) -> Self {
        let with = |status| counts.with_status(status).into();
        let of = |state| with(JobStatus::In(state));
        let queue = |queue| JobCountView { count: counts.in_queue(queue), capped: false };
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
