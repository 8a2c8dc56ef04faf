//! What operators look at: how queues and workers stand, which jobs there are, what came of them.
//! Reads only. A job is told to be `held` here, which the queue's own rows do not say: it is
//! ready, and something else than its turn keeps it waiting.

mod activity;
mod jobs;
mod overview;

pub use activity::{Activity, Minute, Quantiles, QueueActivity};
pub use jobs::{BoardJob, ErrorGroup, JobAttempt, JobFilter, JobStatus};
pub use overview::{Overview, PROVIDER_RATE, Pause, QueueState, RefusedWrites, WorkerState};
