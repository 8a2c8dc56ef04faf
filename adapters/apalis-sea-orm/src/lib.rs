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
//! # A job's states
//!
//! ```text
//!                     ┌────────────── snoozed ───────────────┐
//!                     ▼                                      │
//! enqueue, later ─▶ scheduled ── due ─▶ ┌───────┐  claim  ┌─────────┐ ── succeeded ─▶ done
//! enqueue, now ───────────────────────▶ │ ready │ ──────▶ │ running │ ── for good ──▶ dead
//!                   retrying ─── due ─▶ └───────┘ ◀────── └─────────┘ ── withdrawn ─▶ cancelled
//!                     ▲           its lease ended, given back │
//!                     └──────────────── failed ───────────────┘
//! ```
//!
//! [`cancel`] makes `scheduled`, `ready` and `retrying` jobs `cancelled` at once, and asks for the
//! end of `running` ones; [`retry`] makes `retrying`, `dead` and `cancelled` jobs `ready`, and
//! [`retry_at`] `scheduled`; [`dismiss`] makes `dead` ones `cancelled` that somebody has seen to in
//! another way.
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
//!   job's end and what it did to your tables happen together or not at all. So do [`cancel`],
//!   [`retry`], [`retry_at`], [`dismiss`], [`pause`] and [`resume`].
//! - **Waiting is a row.** Retries and snoozes are a `run_at` in the table. They hold no slot, and
//!   a restart forgets none. A snooze costs no attempt.
//! - **The dead stay** until you retry or [`dismiss`] them. A job that failed for good, or whose
//!   attempts are used up, keeps its row, and `job_attempts` tells each attempt's error. Only
//!   [`Options::retention`] deletes, and only
//!   what is done or cancelled. A job of an [unknown kind](UnknownKind) waits for a worker that
//!   knows it.
//! - **A clock that was wrong does no lasting harm.** Leases, rates, holds and workers' reports are
//!   times of the database's clock; what lies further ahead than it can is corrected within seconds,
//!   whether that clock was set back or, on SQLite, a process had a clock of its own. What a worker
//!   whose clock was ahead put off is made due by one whose clock is right: see
//!   [`Options::longest_pause`]. A clock that is behind makes work late by as much, for as long as
//!   it is behind.
//! - **A pause holds at once, everywhere.** The claim itself looks at it: from the commit on, no
//!   worker picks a job of a paused queue.
//! - **Cancelled is not tried again.** What was running when it was cancelled ends as `done` or
//!   `dead` if it was faster, and otherwise as `cancelled`, even if its worker dies.
//! - **A rate is kept by all workers together**, evenly, with no burst, and nearly used up: see
//!   [`Rate`]. It counts handlers' beginnings or, with [`Queue::begin`], the calls within them.
//! - **No outage ends a worker.** While the database is away it claims nothing, keeps the results
//!   it has for two minutes, says so once, and goes on when the database is back.
//! - **A stop loses nothing.** Jobs under way finish; jobs claimed and not begun, or cut off when
//!   the worker is dropped over them, are given back and not charged an attempt.
//! - **Idle costs next to nothing**: at most five small statements a second, each by an index, and
//!   less than a hundredth of a core. What is enqueued in the same process begins within
//!   milliseconds of [`Waker::wake`], what others enqueue within [`Options::poll`].
//! - **A full table costs what an empty one does.** A claim reads no more rows than it needs, beside
//!   a million jobs that are done and a hundred thousand that are to come.
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
//! - when a worker is dropped over a job under way: the job is given back, half-performed;
//! - when an operator [retries](retry) a job that failed half-way.
//!
//! A process that is stopped within a transaction keeps the locks of that transaction. On MySQL they
//! end with the connection, after the server's `wait_timeout`. On SQLite nothing ends them: until the
//! process goes on or is killed, all others read, but each of their writes waits for the connection's
//! busy timeout and then fails with an error that [`is_transient`]. Their workers keep trying, and go
//! on by themselves.
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
//! # Telling a worker what to take
//!
//! ```
//! # use std::{collections::HashMap, time::Duration};
//! use apalis_sea_orm::{Options, Rate};
//!
//! let options = Options {
//!     // At most fifty jobs at a time, of which at most ten are of `invitation`.
//!     concurrency: 50,
//!     limits: HashMap::from([("invitation".to_owned(), 10)]),
//!     // All workers together begin at most a hundred of these a second.
//!     rate: Some(Rate {
//!         name: "provider".to_owned(),
//!         queues: vec!["login".to_owned(), "invitation".to_owned()],
//!         per_second: 100.0,
//!     }),
//!     // What is done goes after a week.
//!     retention: Some(Duration::from_hours(7 * 24)),
//!     ..Options::new("worker-7c0e", ["login", "invitation", "maintenance"])
//! };
//! ```
//!
//! While it runs: [`Queue::hold`] and [`Queue::release`] for a worker that must leave some queues
//! alone, [`Queue::set_rate`] for a ramp, [`hold_rate`] for a `Retry-After` that concerns all
//! ([`board::rate_hold`] tells for how long yet). Handlers by kind are [`Kinds`], time limits
//! [`QueueBackend::timeout`].
//!
//! A rate is most often a provider's, and what it counts are calls. A handler that reads this and
//! that before its call makes the calls' pace uneven, however even its own beginnings are. So let
//! it have its jobs early, by [`QueueBackend::leave_pacing`], and wait right before the call:
//!
//! ```
//! # use apalis_sea_orm::{Claimed, Outcome, Queue, QueueBackend};
//! # use apalis_core::task::data::Data;
//! # async fn prepare(_: &Claimed) {}
//! # async fn call(_: ()) {}
//! # fn soon() -> jiff::Timestamp { jiff::Timestamp::UNIX_EPOCH }
//! async fn perform(job: Claimed, queue: Data<Queue>) -> Outcome {
//!     let request = prepare(&job).await;
//!     if !queue.begin(&job).await {
//!         return Outcome::Snooze { at: soon() };
//!     }
//!     call(request).await;
//!     Outcome::Done
//! }
//! # fn backend(queue: Queue) -> QueueBackend {
//! QueueBackend::new(queue).leave_pacing()
//! # }
//! ```
//!
//! Who prepared for so long that the start is missed is given another, after those that others have
//! by then; no start to be had soon, as while the rate is held, is a no, and costs no attempt if the
//! job is snoozed.
//!
//! # For operators
//!
//! ```no_run
//! # use apalis_sea_orm::{JobFilter, board, cancel_matching, count_matching, dismiss_by_key, entity::state, pause, retry};
//! # use sea_orm::{DatabaseConnection, DbErr, TransactionTrait};
//! # async fn example(db: DatabaseConnection, now: jiff::Timestamp, id: uuid::Uuid) -> Result<(), DbErr> {
//! let transaction = db.begin().await?;
//! pause(&transaction, "invitation", "ada", Some("the provider is down"), now).await?;
//! // … INSERT INTO audit …
//! transaction.commit().await?;
//!
//! for group in board::errors(&db).await? {
//!     println!("{:?}: {} dead, {} retrying", group.code, group.dead, group.retrying);
//!     println!("{} put off, such as {:?}", group.waiting, group.message);
//! }
//! retry(&db, &[id], now).await?;
//! // This one was seen to by hand.
//! dismiss_by_key(&db, &["welcome:ada".to_owned()], now).await?;
//! let stale = JobFilter { kind: Some("digest".to_owned()), ..JobFilter::default() };
//! println!("would cancel {}", count_matching(&db, &stale, &state::CANCELLABLE).await?);
//! cancel_matching(&db, &stale, now).await?;
//! # Ok(()) }
//! ```
//!
//! [`board`] also lists jobs, and tells each queue's counts, its oldest ready job, its pause, how
//! long its jobs waited and ran, what came of them minute by minute, and which workers are there.
//!
//! # Once only, and again and again
//!
//! [`Unique`] keys let one of many equal jobs in: for ever, within a window of time, or until the
//! job has ended. [`periodic`] makes of that periodic work without a leader: every process offers
//! the job of the current tick, and the table takes one.
//!
//! # How it differs from apalis' own storages
//!
//! As of apalis 1.0.0, apalis-sqlite 1.0.0 and apalis-mysql 1.0.0-rc.8:
//!
//! | | here | there |
//! |---|---|---|
//! | enqueueing in your transaction | on any SeaORM connection | a pool or a sqlx transaction of their own |
//! | a failed attempt | waits in its row, longer each time | is taken again at once, or sleeps in memory and holds its slot |
//! | a panic, a timeout, a `RetryAfterError` | is a failed attempt, tried again | may leave the row running, or never taken again |
//! | a dead worker's jobs | come back when the lease ends | after a minute, or (MySQL) never |
//! | a statement that fails | is tried again | ends the worker |
//! | a job longer than a lease, while draining | keeps its lease | may run twice |
//! | pausing, cancelling, retrying, shared rates | here | not there |
//! | MySQL as Vitess takes it | yes | foreign keys, `SKIP LOCKED` |
//!
//! # Tables
//!
//! [`migration::up`] creates six, to be called from a migration of yours: `jobs`, `job_attempts`,
//! `job_queues` (pauses), `job_rates`, `job_workers` and `job_stats` (counts by minute, kept for a
//! day or so). [`entity`] describes their columns.

#![warn(missing_docs)]

mod backend;
mod backoff;
mod beat;
pub mod board;
mod cancel;
mod claim;
mod dismiss;
mod enqueue;
pub mod entity;
mod errors;
mod filter;
mod guard;
mod hasten;
mod lease;
pub mod migration;
mod options;
mod pause;
mod periodic;
pub mod pool;
mod presence;
mod prune;
mod queue;
mod rate;
mod recall;
mod rescue;
mod retry;
mod settle;
mod stage;
mod standing;
mod stats;
mod time;
mod unique;
mod wake;

pub use backend::{Answer, Handled, Kinds, Perform, PerformLayer, QueueBackend, UnknownKind};
pub use backoff::Backoff;
pub use cancel::{Cancelled, cancel, cancel_matching};
pub use claim::Claimed;
pub use dismiss::{dismiss, dismiss_by_key};
pub use enqueue::{Enqueued, NewJob, enqueue, enqueue_all};
pub use errors::{ErrorClass, ErrorCode, classify, error_code, is_transient, sqlx_error};
pub use filter::{JobFilter, count_matching, matching};
pub use hasten::hasten;
pub use lease::Lease;
pub use options::Options;
pub use pause::{pause, resume};
pub use periodic::{PERIODIC, periodic};
pub use prune::prune;
pub use queue::Queue;
pub use rate::{LONGEST_HOLD, Rate, hold_rate};
pub use retry::{Retried, retry, retry_at, retry_matching};
pub use settle::{Failure, Outcome, Settled, Settlement, settle};
pub use standing::{Standing, standings};
pub use unique::Unique;
pub use wake::Waker;
