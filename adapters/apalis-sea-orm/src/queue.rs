//! Queue operations on the tables, independent of apalis.

pub(crate) mod attempt;
pub(crate) mod claim;
pub(crate) mod clock_skew;
pub(crate) mod enqueue;
mod heartbeat;
pub(crate) mod job_queue;
pub(crate) mod lease;
pub(crate) mod lifecycle;
pub(crate) mod rate;
mod rescue;
pub(crate) mod settle;
mod slots;
pub(crate) mod worker_registry;
