//! [`JobQueue`]: the state that the operations of one worker share.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, atomic::AtomicI64},
};

use sea_orm::DatabaseConnection;
use tokio::sync;

use super::{
    lease::{Leases, OverlongLeases, lock},
    rate::start_times::LocalRate,
    slots::Slots,
};
use crate::options::Options;

/// One worker's access to its queues. Clones are the same worker: they share leases and slots.
#[derive(Clone, Debug)]
pub struct JobQueue {
    pub(crate) write: DatabaseConnection,
    pub(crate) read: DatabaseConnection,
    pub(crate) options: Arc<Options>,
    pub(crate) leases: Leases,
    /// Serializes claims: two concurrent ones under one worker's name could read back each other's
    /// jobs.
    pub(crate) claiming: Arc<sync::Mutex<()>>,
    pub(crate) local_rate: LocalRate,
    pub(super) slots: Slots,
    /// Held by the job that reserves starts for all that wait for one.
    pub(super) reserving: Arc<sync::Mutex<()>>,
    pub(crate) overlong_leases: OverlongLeases,
    /// The `run_at` up to which scheduled jobs were checked for clock skew, in microseconds.
    pub(crate) skew_checked_to: Arc<AtomicI64>,
    suspended: Arc<Mutex<HashSet<String>>>,
}

impl JobQueue {
    /// Creates a worker's queue handle.
    ///
    /// On MySQL and MariaDB, pass the same pool twice. On SQLite, where writers wait for each other,
    /// pass a pool of one connection to write and another pool to read. A caller that holds a
    /// transaction on the write pool and awaits a method of this type deadlocks.
    ///
    /// The pools must close connections whose transaction did not end: see [`pool`](crate::pool).
    pub fn new(write: DatabaseConnection, read: DatabaseConnection, options: Options) -> Self {
        Self {
            write,
            read,
            local_rate: LocalRate::new(options.rate.as_ref()),
            leases: Leases::default(),
            claiming: Arc::default(),
            slots: Slots::new(&options),
            reserving: Arc::default(),
            overlong_leases: OverlongLeases::default(),
            skew_checked_to: Arc::default(),
            suspended: Arc::default(),
            options: Arc::new(options),
        }
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Returns the number of claimed jobs whose [`JobLease`](crate::JobLease) has not been dropped.
    pub fn in_flight(&self) -> usize {
        self.leases.count()
    }

    /// Returns how many more jobs this worker may claim: up to [`Options::concurrency`], and up to half
    /// as many ahead while slots become free.
    pub fn free_slots(&self) -> usize {
        (self.options.concurrency + self.slots.ahead()).saturating_sub(self.leases.unfinished())
    }

    /// Stops this worker from claiming jobs of these queues, from its next claim on. Other workers
    /// are not affected; see [`pause`](crate::pause) for that.
    pub fn suspend<S: AsRef<str>>(&self, queues: &[S]) {
        lock(&self.suspended).extend(queues.iter().map(|queue| queue.as_ref().to_owned()));
    }

    /// Ends [`suspend`](Self::suspend) for these queues and claims from them immediately.
    pub fn unsuspend<S: AsRef<str>>(&self, queues: &[S]) {
        for queue in queues {
            lock(&self.suspended).remove(queue.as_ref());
        }
        self.leases.notify();
    }

    /// Returns whether this worker has [suspended](Self::suspend) the queue.
    pub fn is_suspended(&self, queue: &str) -> bool {
        lock(&self.suspended).contains(queue)
    }
}
