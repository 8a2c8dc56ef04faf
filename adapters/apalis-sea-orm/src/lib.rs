//! A durable job queue for apalis 1.0 in a SeaORM database.
mod backend;
mod backoff;
mod beat;
mod claim;
mod enqueue;
pub mod entity;
mod errors;
mod guard;
mod lease;
pub mod migration;
mod options;
mod queue;
mod rescue;
mod settle;
mod stage;
mod time;
mod wake;

pub use backend::{Answer, Handled, Perform, PerformLayer, QueueBackend};
pub use backoff::Backoff;
pub use claim::Claimed;
pub use enqueue::{Enqueued, NewJob, enqueue, enqueue_all};
pub use errors::is_transient;
pub use lease::Lease;
pub use options::Options;
pub use queue::Queue;
pub use settle::{Failure, Outcome, Settled, Settlement, Standing, settle, standings};
pub use wake::Waker;
