//! A durable job queue for [apalis](https://docs.rs/apalis) 1.0 in a
//! [SeaORM](https://docs.rs/sea-orm) 2.0 database: SQLite, MySQL (PlanetScale and Vitess too) or
//! MariaDB, by the same code.
//!
//! ```no_run
//! # use apalis_core::{error::BoxDynError, worker::builder::WorkerBuilder};
//! # use apalis_sea_orm::{Claimed, NewJob, Options, Queue, QueueBackend, enqueue_all};
//! # use sea_orm::{DatabaseConnection, TransactionTrait};
//! # async fn example(db: DatabaseConnection, welcome: NewJob) -> Result<(), BoxDynError> {
//! let options = Options::new("mailer-7c0e", ["mail"]);
//! let waker = options.waker.clone();
//! let queue = Queue::new(db.clone(), db.clone(), options);
//!
//! // The job exists exactly if the rows written beside it do.
//! let transaction = db.begin().await?;
//! // … INSERT INTO users …
//! enqueue_all(&transaction, vec![welcome]).await?;
//! transaction.commit().await?;
//! waker.wake();
//!
//! async fn perform(job: Claimed) -> Result<(), BoxDynError> {
//!     let to: String = job.decode()?;
//!     println!("welcome, {to}");
//!     Ok(())
//! }
//! WorkerBuilder::new("mailer").backend(QueueBackend::new(queue)).build(perform).run().await?;
//! # Ok(()) }
//! ```
//!
//! # What it promises
//!
//! - **Committed means queued.** [`enqueue`] and [`enqueue_all`] are INSERTs on any SeaORM
//!   connection or open transaction. There is no outbox and no relay.
//! - **At least once.** A claim is a lease, kept by heartbeats and judged by the database's clock.
//!   The jobs of a worker that falls silent are handed to others once their leases end.
//! - **One result.** Every claim raises the job's fence, and nothing lowers it. [`settle`] names
//!   the fence it was given, so what a late worker reports changes nothing.
//! - **Your rows, the same commit.** [`settle`] runs in your transaction if you want it to: a
//!   job's end and what it did to your tables happen together or not at all.
//! - **Waiting is a row.** Retries and snoozes are a `run_at` in the table. They hold no slot, and
//!   a restart forgets none. A snooze costs no attempt.
//! - **The dead stay.** A job that failed for good, or whose attempts are used up, keeps its row,
//!   and `job_attempts` tells each attempt's error.
//! - **No outage ends a worker.** While the database is away it claims nothing, keeps the results
//!   it has for two minutes, says so once, and goes on when the database is back.
//! - **A stop loses nothing.** Jobs under way finish; jobs claimed and not begun, or cut off when
//!   the worker is dropped over them, are given back and not charged an attempt.
//!
//! # What can happen twice, and when
//!
//! A job's *result* is written once. Its *performance* may repeat, in part or whole:
//!
//! - when the worker dies, or loses the database for longer than its lease, after it acted and
//!   before its result was committed;
//! - when the worker stands still (a stopped process, a paused machine) for longer than its lease
//!   and then goes on. [`Lease::held`] says no from then on, so a handler that asks right before
//!   it acts, and acts within the tenth of a lease that is kept back, does not repeat others'
//!   work. It sees no suspension of the whole machine, during which its clock stood still too;
//! - when a worker is dropped over a job under way: the job is given back, half-performed.
//!
//! So a handler should be such that running it again is harmless, or look first whether it did
//! its work before.
//!
//! An attempt is charged when a job is claimed. A job that kills its worker every time therefore
//! ends: when its attempts are used up it is handed out once more as
//! [exhausted](Claimed::exhausted), to be recorded as dead and not to be performed.
//!
//! # Order
//!
//! Lower `priority` first, then earlier `run_at`, over all the queues of a worker together. It is
//! the order of claiming; with several slots or workers, jobs end in any order.
//!
//! # What it does not do yet
//!
//! Pausing a queue, cancelling a job, limits on one queue's concurrency, periodic jobs and metrics.
//! The states `held` and `cancelled` are spelled in [`entity::state`] for them; nothing here writes
//! either. Finished rows stay until you delete them, and so do their unique keys.
//!
//! # Tables
//!
//! [`migration::up`] creates two, to be called from a migration of yours; [`entity`] describes
//! their columns.

#![warn(missing_docs)]

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
mod standing;
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
pub use settle::{Failure, Outcome, Settled, Settlement, settle};
pub use standing::{Standing, standings};
pub use wake::Waker;
