//! Operations of the queue without a running worker.

mod claim;
mod clock_skew;
mod enqueue;
mod leases;
mod limits;
mod promote;
mod prune;
mod rate;
mod rescue;
mod settle;
mod statement_plans;
mod worker_registry;
