//! The queue itself, without anything of apalis: what a worker does to the table.

use std::sync::Arc;

use sea_orm::DatabaseConnection;
use tokio::sync::Mutex;

use crate::{Options, lease::Leases};

/// A worker's hold on its queues. Clones are the same worker: they share leases and slots.
#[derive(Clone, Debug)]
pub struct Queue {
    pub(crate) write: DatabaseConnection,
    pub(crate) read: DatabaseConnection,
    pub(crate) options: Arc<Options>,
    pub(crate) leases: Leases,
    /// Two claims at once under one worker's name could read back each other's jobs.
    pub(crate) claiming: Arc<Mutex<()>>,
}

impl Queue {
    /// For MySQL and MariaDB, give the same pool twice. For SQLite, whose writers wait for each
    /// other, give a pool of one connection to write and another to read, and hold no
    /// transaction of the first while calling this: it would wait for itself.
    pub fn new(write: DatabaseConnection, read: DatabaseConnection, options: Options) -> Self {
        Self {
            write,
            read,
            options: Arc::new(options),
            leases: Leases::default(),
            claiming: Arc::default(),
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
}
