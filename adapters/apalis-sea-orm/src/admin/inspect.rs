//! Queries for operators: jobs, errors, queues, workers and durations. Each is served by an index,
//! and none counts done jobs one by one.

mod jobs;
mod queues;
mod statistics;

pub use self::{
    jobs::{ErrorGroup, JobWithAttempts, errors, job, jobs},
    queues::{Pause, QueueState, WorkerState, pauses, queues, workers},
    statistics::{Histogram, Minute, QueueTimes, WaitTimes, minutes, times, wait_times},
};
pub use crate::queue::rate::rate_hold;
