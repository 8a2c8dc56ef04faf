//! A durable job queue for [apalis](https://docs.rs/apalis) 1.0 in a
//! [SeaORM](https://docs.rs/sea-orm) 2.0 database. The same code runs on SQLite, MySQL (including
//! PlanetScale and Vitess) and MariaDB.
//!
//! ```no_run
//! # use apalis_core::{error::BoxDynError, worker::builder::WorkerBuilder};
//! # use apalis_sea_orm::{ClaimedJob, JobQueue, NewJob, Options, QueueBackend, enqueue_all};
//! # use sea_orm::{DatabaseConnection, TransactionTrait};
//! # async fn example(db: DatabaseConnection, welcome: NewJob) -> Result<(), BoxDynError> {
//! let options = Options::new("mailer-7c0e", ["mail"]);
//! let waker = options.waker.clone();
//! let queue = JobQueue::new(db.clone(), db.clone(), options);
//!
//! // The job exists if and only if the rows of this transaction do.
//! let transaction = db.begin().await?;
//! // … INSERT INTO users …
//! enqueue_all(&transaction, vec![welcome]).await?;
//! transaction.commit().await?;
//! waker.wake();
//!
//! async fn handle(job: ClaimedJob) -> Result<(), BoxDynError> {
//!     let to: String = job.decode()?;
//!     println!("welcome, {to}");
//!     Ok(())
//! }
//! WorkerBuilder::new("mailer").backend(QueueBackend::new(queue)).build(handle).run().await?;
//! # Ok(()) }
//! ```
#![doc = include_str!("../docs/guide.md")]
//!
//! # Errors
//!
//! A function that returns [`DbErr`](sea_orm::DbErr) returns the error of the first statement that
//! failed, unless its own documentation names other errors. What earlier statements wrote stays,
//! unless they ran in a transaction that is rolled back.

mod admin;
mod backend;
mod backoff;
pub mod entity;
mod errors;
pub mod migration;
mod options;
pub mod pool;
mod queue;
mod sql;
mod stats;
mod waker;

pub use admin::{
    actions::{cancel, dismiss, dismiss_by_key, pause, resume, retry, retry_at, retry_now},
    filter::{JobFilter, KindCount, count_by_kind, count_matching, count_up_to, matching_ids},
    inspect,
};
pub use backend::{Handled, Handlers, JobLayer, JobService, QueueBackend, UnknownKind};
pub use backoff::Backoff;
pub use errors::{ErrorClass, ErrorCode, classify, error_code, sqlx_error};
pub use options::{Options, QueueLimit, Rate};
pub use queue::{
    attempt::{AttemptError, AttemptOutcome, AttemptResult},
    claim::ClaimedJob,
    clock_skew::PERIODIC_KEY_PREFIX,
    enqueue::{NewJob, enqueue_all},
    job_queue::JobQueue,
    lease::JobLease,
    lifecycle::prune,
    rate::{MAX_HOLD, hold_rate},
    settle::{Settled, is_written, settle},
};
pub use waker::{Waker, datagrams::wake_other_processes};
