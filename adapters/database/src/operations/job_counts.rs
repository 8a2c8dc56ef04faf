//! The number of jobs by state and by queue.

use std::collections::BTreeMap;

use apalis_sea_orm::{JobFilter as QueueFilter, KindCount, count_up_to, inspect};
use guestlist_domain::{JobState, QueueName};
use jiff::Timestamp;

use super::jobs::{JobFilter, JobStatus, queue_filter, states};
use crate::error::{StoreResult, store_error};
use crate::store::SqlStore;

/// The most jobs that are counted in a state without a limit on its size.
const COUNT_LIMIT: u64 = 10_000;

/// A number of jobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobCount {
    pub count: u64,
    /// Whether there are more.
    pub is_capped: bool,
}

/// The number of jobs by state and by queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobCounts {
    states: Vec<(JobStatus, JobCount)>,
    queues: BTreeMap<QueueName, u64>,
}

impl JobCounts {
    pub fn with_status(&self, status: JobStatus) -> JobCount {
        let found = self.states.iter().find(|(known, _)| *known == status);
        found.map(|(_, count)| *count).unwrap_or_default()
    }

    /// Returns the number of the queue's jobs that are neither done nor cancelled.
    pub fn in_queue(&self, queue: QueueName) -> u64 {
        self.queues.get(&queue).copied().unwrap_or(0)
    }
}

impl SqlStore {
    pub async fn job_counts(&self, now: Timestamp) -> StoreResult<JobCounts> {
        let read = self.database.read();
        let rows = inspect::queues(read, now).await.map_err(store_error)?;
        let holds = self.holds(now).await?;
        let mut states: Vec<(JobStatus, JobCount)> = Vec::new();
        let mut queues = BTreeMap::new();
        for row in rows {
            let queue = QueueName::parse(&row.name);
            let is_held = queue.is_some_and(|queue| holds.for_queue(queue, now).is_some());
            for (state, jobs) in &row.counts {
                let Some(state) = JobState::parse(state) else { continue };
                let is_held = is_held && state == JobState::Ready;
                let status = if is_held { JobStatus::Held } else { JobStatus::In(state) };
                match states.iter_mut().find(|(known, _)| *known == status) {
                    Some((_, count)) => count.count += jobs,
                    None => states.push((status, JobCount { count: *jobs, is_capped: false })),
                }
            }
            if let Some(queue) = queue {
                queues.insert(queue, row.counts.values().sum());
            }
        }
        for state in [JobState::Done, JobState::Cancelled] {
            let filter = QueueFilter::default();
            let found = count_up_to(read, &filter, &[state.as_str()], COUNT_LIMIT + 1).await;
            let found = found.map_err(store_error)?;
            let is_capped = found > COUNT_LIMIT;
            let count = JobCount { count: found.min(COUNT_LIMIT), is_capped };
            states.push((JobStatus::In(state), count));
        }
        Ok(JobCounts { states, queues })
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
