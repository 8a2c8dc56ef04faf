//! Queries for operators: jobs, errors, queues, workers and durations. Each is served by an index,
//! and none counts done jobs one by one.

mod errors;
mod histogram;
mod jobs;
mod minutes;
mod queues;

pub use self::{
    errors::{ErrorGroup, errors},
    histogram::Histogram,
    jobs::{JobWithAttempts, job, jobs},
    minutes::{Minute, QueueTimes, minutes, times},
    queues::{Pause, QueueState, WorkerState, counts, pauses, queues, workers},
};
pub use crate::queue::rate::rate_hold;
