//! What operators look at: jobs, errors, queues, workers and times. Reads only, each served by an
//! index; none counts what is done one by one.

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
pub use crate::rate::rate_hold;
