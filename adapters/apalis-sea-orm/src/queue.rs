//! The queue itself, without anything of apalis: what a worker does to the table.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sea_orm::DatabaseConnection;
use tokio::sync;

use crate::{Options, lease::Leases, rate::Pace, recall::Cursor, rescue::Overlong};

/// A worker's hold on its queues. Clones are the same worker: they share leases and slots.
#[derive(Clone, Debug)]
pub struct Queue {
    pub(crate) write: DatabaseConnection,
    pub(crate) read: DatabaseConnection,
    pub(crate) options: Arc<Options>,
    pub(crate) leases: Leases,
    /// Two claims at once under one worker's name could read back each other's jobs.
    pub(crate) claiming: Arc<sync::Mutex<()>>,
    pub(crate) pace: Pace,
    pub(crate) overlong: Overlong,
    pub(crate) recalled_to: Cursor,
    held: Arc<Mutex<HashSet<String>>>,
}

impl Queue {
    /// The pools must close connections whose transactions did not end: see [`pool`](crate::pool).
    ///
    /// For MySQL and MariaDB, give the same pool twice. For SQLite, whose writers wait for each
    /// other, give a pool of one connection to write and another to read. Whoever holds a
    /// transaction of the first and waits for one of these methods waits for ever.
    pub fn new(write: DatabaseConnection, read: DatabaseConnection, options: Options) -> Self {
        Self {
            write,
            read,
            pace: Pace::of(options.rate.as_ref()),
            options: Arc::new(options),
            leases: Leases::default(),
            claiming: Arc::default(),
            overlong: Overlong::default(),
            recalled_to: Cursor::default(),
            held: Arc::default(),
        }
    }

    /// What it was told.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// How many claimed jobs are in this process's hands: whose [`Lease`](crate::Lease) lives.
    pub fn in_flight(&self) -> usize {
        self.leases.count()
    }

    /// How many more may be claimed.
    pub fn free_slots(&self) -> usize {
        self.options.concurrency.saturating_sub(self.in_flight())
    }

    /// This worker claims from these queues no more, from its next claim on: while it knows that
    /// their work would fail, say. Other workers do, unless they are told too.
    pub fn hold<S: AsRef<str>>(&self, queues: &[S]) {
        self.holds().extend(queues.iter().map(|queue| queue.as_ref().to_owned()));
    }

    /// Claims from these queues again, at once.
    pub fn release<S: AsRef<str>>(&self, queues: &[S]) {
        for queue in queues {
            self.holds().remove(queue.as_ref());
        }
        self.leases.stir();
    }

    /// Whether this worker holds that queue.
    pub fn is_held(&self, queue: &str) -> bool {
        self.holds().contains(queue)
    }

    fn holds(&self) -> MutexGuard<'_, HashSet<String>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
