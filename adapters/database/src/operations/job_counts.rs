//! The number of jobs by state and by queue.

use std::collections::BTreeMap;

use apalis_sea_orm::{JobFilter as QueueFilter, KindCount, count_up_to};
use guestlist_domain::{JobState, QueueName};
use jiff::Timestamp;

use super::capped_count::{CappedCount, MAX_COUNT};
use super::jobs::{JobFilter, JobStatus, queue_filter, states};
use super::overview::{Overview, QueueState};
use crate::error::{StoreResult, store_error};
use crate::store::SqlStore;

/// The number of jobs by state and by queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobCounts {
    states: Vec<(JobStatus, CappedCount)>,
    queues: BTreeMap<QueueName, u64>,
}

impl JobCounts {
    pub fn with_status(&self, status: JobStatus) -> CappedCount {
        let found = self.states.iter().find(|(known, _)| *known == status);
        found.map(|(_, count)| *count).unwrap_or_default()
    }

    /// Returns the number of the queue's jobs that are neither done nor cancelled.
    pub fn in_queue(&self, queue: QueueName) -> u64 {
        self.queues.get(&queue).copied().unwrap_or(0)
    }
}

impl SqlStore {
    /// Counts jobs. Those that have not ended or are dead are counted in `overview` already.
    pub async fn job_counts(&self, overview: &Overview) -> StoreResult<JobCounts> {
        let sum = |count: fn(&QueueState) -> u64| CappedCount {
            count: overview.queues.iter().map(count).sum(),
            is_capped: false,
        };
        let mut states = vec![
            (JobStatus::In(JobState::Scheduled), sum(|queue| queue.scheduled)),
            (JobStatus::In(JobState::Ready), sum(|queue| queue.ready)),
            (JobStatus::Held, sum(|queue| queue.held)),
            (JobStatus::In(JobState::Running), sum(|queue| queue.running)),
            (JobStatus::In(JobState::Retrying), sum(|queue| queue.retrying)),
            (JobStatus::In(JobState::Dead), sum(|queue| queue.dead)),
        ];
        for state in [JobState::Done, JobState::Cancelled] {
            let (filter, states_in_queue) = (QueueFilter::default(), [state.as_str()]);
            let limit = MAX_COUNT + 1;
            let found = count_up_to(self.database.read(), &filter, &states_in_queue, limit).await;
            let count = CappedCount::of(found.map_err(store_error)?);
            states.push((JobStatus::In(state), count));
        }
        let queues = overview.queues.iter();
        let queues =
            queues.map(|queue| (queue.queue, queue.waiting() + queue.running + queue.dead));
        Ok(JobCounts { states, queues: queues.collect() })
    }

    /// Returns the number of jobs that match by kind and queue, the most frequent first. The filter
    /// must have a status.
    pub async fn jobs_by_kind(
        &self,
        filter: &JobFilter,
        now: Timestamp,
    ) -> StoreResult<Vec<KindCount>> {
        let holds = self.holds(now).await?;
        let states = states(filter);
        let filter = queue_filter(filter, &holds, now);
        let found = apalis_sea_orm::count_by_kind(self.database.read(), &filter, &states).await;
        found.map_err(store_error)
    }
}
