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
//!
//! # Job states
//!
//! ```text
//!                     ┌────────────── snoozed ───────────────┐
//!                     ▼                                      │
//! enqueue, later ─▶ scheduled ── due ─▶ ┌───────┐  claim  ┌─────────┐ ── succeeded ─▶ done
//! enqueue, now ───────────────────────▶ │ ready │ ──────▶ │ running │ ── permanent ─▶ dead
//!                   retrying ─── due ─▶ └───────┘ ◀────── └─────────┘ ── cancelled ─▶ cancelled
//!                     ▲                 lease ended, released │
//!                     └──────────────── failed ───────────────┘
//! ```
//!
//! - [`cancel`] cancels `scheduled`, `ready` and `retrying` jobs immediately, and requests the
//!   cancellation of `running` ones.
//! - [`retry`] makes `retrying`, `dead` and `cancelled` jobs `ready`; [`retry_at`] makes them
//!   `scheduled`.
//! - [`dismiss`] cancels `dead` jobs whose work was completed or abandoned by other means.
//!
//! # Guarantees
//!
//! - **Transactional enqueue.** [`enqueue`] and [`enqueue_all`] are INSERTs on any SeaORM connection
//!   or open transaction. There is no outbox and no relay.
//! - **At least once.** A claim is a lease that heartbeats extend, judged by the database's clock.
//!   The jobs of a worker that stops sending heartbeats are claimed by others once their leases end.
//! - **One result.** Every claim raises the job's fence, and nothing lowers it. [`settle`] names the
//!   fence of its claim, so a result that a worker reports after it lost its lease changes nothing.
//! - **Transactional results.** [`settle`] runs in your transaction if you want: a job's end and its
//!   effects on your tables are committed together. The same is true of [`cancel`], [`retry`],
//!   [`retry_at`], [`dismiss`], [`pause`] and [`resume`].
//! - **Durable delays.** Retries and snoozes are a `run_at` in the table. They occupy no slot and
//!   survive restarts. A snooze is not charged as an attempt.
//! - **Dead jobs are kept** until you retry or [`dismiss`] them. A job that failed permanently, or
//!   whose attempts are used up, keeps its row, and `job_attempts` has the error of each attempt.
//!   Only [`Options::retention`] deletes jobs, and only done and cancelled ones. A job of an
//!   [unknown kind](UnknownKind) waits for a worker that knows it.
//! - **Wrong clocks do no lasting harm.** Leases, rates, holds and workers' reports are times of the
//!   database's clock. Values too far ahead of it are corrected within seconds, whether that clock
//!   was set back or, on SQLite, a process had another clock. Jobs that were delayed by a worker
//!   whose clock was ahead are made due by one whose clock is right: see [`Options::max_delay`]. A
//!   clock that is behind delays work by as much, for as long as it is behind.
//! - **Pauses apply immediately.** Every claim checks them: from the commit on, no worker claims a
//!   job of a paused queue.
//! - **Cancelled jobs are not tried again.** A job that was running when it was cancelled ends as
//!   `done` or `dead` if that is faster, and otherwise as `cancelled`, even if its worker dies.
//! - **Rates are shared by all workers**, evenly spaced, without bursts, and almost fully used: see
//!   [`Rate`]. A rate limits the calls of handlers or, with [`JobQueue::wait_for_start`], the calls
//!   to a provider inside them.
//! - **No outage ends a worker.** While the database is unavailable, a worker claims nothing, keeps
//!   results for two minutes, logs one message, and continues when the database is back.
//! - **A stop loses nothing.** Running jobs finish. Jobs that were claimed and not started, or
//!   interrupted when the worker is dropped, are released and not charged an attempt.
//! - **Idle workers are cheap**: at most five small indexed statements per second, and less than 1 %
//!   of a core. Jobs enqueued in the same process start within milliseconds of [`Waker::wake`],
//!   those of other processes within [`Options::poll`].
//! - **Claims cost the same in a full table**: they read no more rows than needed beside a million
//!   done and a hundred thousand scheduled jobs.
//!
//! # What can happen twice
//!
//! A job's *result* is written once. Its *handler* may run again, in part or completely:
//!
//! - when the worker dies, or loses the database for longer than its lease, between the handler's
//!   effect and the commit of the result;
//! - when the worker stops (a stopped process, a paused machine) for longer than its lease and then
//!   continues. [`JobLease::is_valid`] is false from then on, so a handler that checks it
//!   immediately before its effect, and takes less than the tenth of a lease that is reserved for
//!   that, does not repeat others' work. It cannot detect a suspension of the whole machine, during
//!   which its clock stands still too;
//! - when a worker is dropped while a job is running: the job is released half done;
//! - when an operator [retries](retry) a job that failed half way.
//!
//! A handler should therefore be idempotent, or check whether it did its work before.
//!
//! An attempt is charged when a job is claimed, so a job that always kills its worker ends: when its
//! attempts are used up it is delivered once more as [exhausted](ClaimedJob::exhausted), to be
//! recorded as dead and not to be processed.
//!
//! A process that is stopped within a transaction keeps the locks of that transaction. On MySQL they
//! end with the connection, after the server's `wait_timeout`. On SQLite nothing ends them: until
//! the process continues or is killed, all others can read, but each of their writes waits for the
//! connection's busy timeout and then fails with an error that [`is_transient`]. Their workers keep
//! trying, and recover by themselves.
//!
//! # Order
//!
//! Jobs are claimed by `priority` (lower first), then `run_at` (earlier first), over all queues of a
//! worker. With several slots or workers, jobs end in any order.
//!
//! # Limits and rates
//!
//! ```
//! # use std::{collections::HashMap, time::Duration};
//! use apalis_sea_orm::{Options, Rate};
//!
//! let options = Options {
//!     // At most 50 jobs at a time, of which at most 10 are from `invitation`.
//!     concurrency: 50,
//!     limits: HashMap::from([("invitation".to_owned(), 10)]),
//!     // All workers together start at most 100 of these per second.
//!     rate: Some(Rate {
//!         name: "provider".to_owned(),
//!         queues: vec!["login".to_owned(), "invitation".to_owned()],
//!         per_second: 100.0,
//!     }),
//!     // Done jobs are deleted after a week.
//!     retention: Some(Duration::from_hours(7 * 24)),
//!     ..Options::new("worker-7c0e", ["login", "invitation", "maintenance"])
//! };
//! ```
//!
//! At run time, [`JobQueue::suspend`] and [`JobQueue::unsuspend`] stop and start the claims of one
//! worker, [`JobQueue::set_rate`] ramps a rate up, and [`hold_rate`] stops all workers for a
//! `Retry-After` ([`inspect::rate_hold`] returns how much of it is left). [`Handlers`] selects a
//! handler by kind, and [`QueueBackend::timeout`] limits its time.
//!
//! A rate usually belongs to a provider, and limits calls to it. A handler that reads the database
//! before its call makes the times of the calls uneven, however even its own starts are. With
//! [`QueueBackend::manual_pacing`], it gets its jobs early and waits immediately before the call:
//!
//! ```
//! # use apalis_sea_orm::{AttemptOutcome, ClaimedJob, JobQueue, QueueBackend};
//! # use apalis_core::task::data::Data;
//! # async fn prepare(_: &ClaimedJob) {}
//! # async fn call(_: ()) {}
//! # fn soon() -> jiff::Timestamp { jiff::Timestamp::UNIX_EPOCH }
//! async fn handle(job: ClaimedJob, queue: Data<JobQueue>) -> AttemptOutcome {
//!     let request = prepare(&job).await;
//!     if !queue.wait_for_start(&job).await {
//!         return AttemptOutcome::Snooze { at: soon() };
//!     }
//!     call(request).await;
//!     AttemptOutcome::Done
//! }
//! # fn backend(queue: JobQueue) -> QueueBackend {
//! QueueBackend::new(queue).manual_pacing()
//! # }
//! ```
//!
//! A handler that prepares for so long that it misses its start is assigned another, after those
//! that others have by then. If none is available soon, for example while the rate is held,
//! `wait_for_start` returns false; snooze the job then, which costs no attempt.
//!
//! # Operations
//!
//! ```no_run
//! # use apalis_sea_orm::{JobFilter, cancel_matching, count_matching, dismiss_by_key, entity::state, inspect, pause, retry};
//! # use sea_orm::{DatabaseConnection, DbErr, TransactionTrait};
//! # async fn example(db: DatabaseConnection, now: jiff::Timestamp, id: uuid::Uuid) -> Result<(), DbErr> {
//! let transaction = db.begin().await?;
//! pause(&transaction, "invitation", "ada", Some("the provider is down"), now).await?;
//! // … INSERT INTO audit …
//! transaction.commit().await?;
//!
//! for group in inspect::errors(&db).await? {
//!     println!("{:?}: {} dead, {} retrying", group.code, group.dead, group.retrying);
//!     println!("{} waiting, for example {:?}", group.waiting, group.message);
//! }
//! retry(&db, &[id], now).await?;
//! // This mail was sent by hand.
//! dismiss_by_key(&db, &["welcome:ada".to_owned()], now).await?;
//! let stale = JobFilter { kind: Some("digest".to_owned()), ..JobFilter::default() };
//! println!("would cancel {}", count_matching(&db, &stale, &state::CANCELLABLE).await?);
//! cancel_matching(&db, &stale, now).await?;
//! # Ok(()) }
//! ```
//!
//! [`inspect`] also lists jobs, workers and, for each queue, the number of jobs by state, the oldest
//! ready job, its pause, waiting and running times, and outcomes per minute.
//!
//! # Unique and periodic jobs
//!
//! [`Unique`] keys admit one of several equal jobs: forever, within a window of time, or until the
//! job has ended. [`periodic`] uses them for recurring work without a leader: every process enqueues
//! the job of the current interval, and the table accepts one.
//!
//! # Comparison with apalis' own storages
//!
//! As of apalis 1.0.0, apalis-sqlite 1.0.0 and apalis-mysql 1.0.0-rc.8:
//!
//! | | this crate | apalis-sqlite, apalis-mysql |
//! |---|---|---|
//! | enqueueing in your transaction | on any SeaORM connection | on a pool or a sqlx transaction |
//! | a failed attempt | waits in its row, longer each time | is claimed again at once, or sleeps in memory and occupies its slot |
//! | a panic, a timeout, a `RetryAfterError` | is a failed attempt, tried again | may leave the row running, or never claimed again |
//! | a dead worker's jobs | are claimed when the lease ends | after a minute, or (MySQL) never |
//! | a statement that fails | is tried again | ends the worker |
//! | a job longer than a lease, while draining | keeps its lease | may run twice |
//! | pausing, cancelling, retrying, shared rates | yes | no |
//! | Vitess | yes | no: foreign keys, `SKIP LOCKED` |
//!
//! # Tables
//!
//! [`migration::up`], to be called from one of your migrations, creates six tables: `jobs`,
//! `job_attempts`, `job_queues` (pauses), `job_rates`, `job_workers` and `job_stats` (counts per
//! minute, kept for about a day). [`entity`] describes their columns.

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
mod time;
mod waker;

pub use admin::{
    cancel::{Cancelled, cancel, cancel_matching},
    dismiss::{dismiss, dismiss_by_key},
    filter::{JobFilter, count_matching, matching_ids},
    inspect,
    pause::{pause, resume},
    retry::{Retried, retry, retry_at, retry_matching, retry_now},
};
pub use backend::{
    Handled, HandlerOutput, Handlers, JobLayer, JobService, QueueBackend, UnknownKind,
};
pub use backoff::Backoff;
pub use errors::is_transient;
pub use options::{Options, Rate};
pub use queue::{
    attempt::{AttemptError, AttemptOutcome, AttemptResult},
    claim::ClaimedJob,
    enqueue::{Enqueued, NewJob, enqueue, enqueue_all},
    job_queue::JobQueue,
    lease::JobLease,
    prune::prune,
    rate::{MAX_HOLD, hold_rate},
    settle::{Settled, SettlementStatus, settle, settlement_statuses},
    unique::{PERIODIC_KEY_PREFIX, Unique, periodic},
};
pub use waker::Waker;
