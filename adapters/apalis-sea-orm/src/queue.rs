//! Queue operations on the tables, independent of apalis.

pub(crate) mod attempt;
pub(crate) mod claim;
mod clock_skew;
pub(crate) mod enqueue;
mod heartbeat;
pub(crate) mod job_queue;
pub(crate) mod lease;
mod promote;
pub(crate) mod prune;
pub(crate) mod rate;
mod rescue;
pub(crate) mod settle;
pub(crate) mod unique;
mod worker_registry;
