//! A lock between the processes that write to one SQLite file.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a process waits; most transactions are much shorter. It then waits for SQLite's own lock
/// alone, so that a process that is frozen while it holds this one only delays others.
const TIMEOUT: Duration = Duration::from_millis(500);

/// A lock that a process holds while it uses its writing connection, so that processes take turns.
///
/// SQLite's own lock decides who may write, but a process that waits for it only tries again after
/// 1, 2, 5 and up to 100 ms. It can miss the pauses of one that writes all the time for seconds. The
/// kernel wakes the one that waits for this lock at once.
///
/// The lock is on the folder of the file: a process that opens and closes the file itself loses
/// SQLite's locks on it.
#[derive(Debug, Clone)]
pub(super) struct WriteLock {
    folder: Arc<File>,
}

impl WriteLock {
    pub(super) fn new(database: &Path) -> io::Result<Self> {
        let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty());
        Ok(Self { folder: Arc::new(File::open(folder.unwrap_or(Path::new(".")))?) })
    }

    /// Waits for the lock. Returns without it after a timeout, or if the folder can't be locked.
    pub(super) async fn acquire(&self) {
        if let Err(TryLockError::WouldBlock) = self.folder.try_lock() {
            let _ = timeout(TIMEOUT, self.wait()).await;
        }
    }

    /// Waits on a thread of its own, because the runtime would not end before one of its threads.
    fn wait(&self) -> oneshot::Receiver<()> {
        let (sender, locked) = oneshot::channel();
        let folder = Arc::clone(&self.folder);
        thread::spawn(move || {
            let _ = folder.lock();
            if sender.send(()).is_err() {
                let _ = folder.unlock();
            }
        });
        locked
    }

    /// Releases the lock if it is held.
    pub(super) fn release(&self) {
        let _ = self.folder.unlock();
    }
}
