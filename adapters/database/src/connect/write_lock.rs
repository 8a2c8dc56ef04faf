//! A lock between the processes that write to one SQLite file.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// How often a process tries to take the lock at first.
const POLL_INTERVAL: Duration = Duration::from_millis(1);
/// How long it tries before it asks for a turn. A lock that is handed over stays unused until the
/// next process runs, so turns for every transaction would slow down a busy machine.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long it then waits for its turn; most transactions are much shorter. Afterwards it waits for
/// SQLite's own lock alone, so that a process that is frozen while it holds this one only delays
/// others.
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
pub(super) struct WriteLock(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    /// `None` if the folder can't be read.
    file: Option<File>,
    /// Whether a thread waits for the lock, perhaps since an earlier call.
    has_waiter: AtomicBool,
}

impl WriteLock {
    pub(super) fn new(database: &Path) -> Self {
        let path = database.parent().filter(|folder| !folder.as_os_str().is_empty());
        let file = File::open(path.unwrap_or(Path::new("."))).ok();
        Self(Arc::new(Folder { file, has_waiter: AtomicBool::new(false) }))
    }

    /// Waits for the lock. Returns without it after a timeout, while a thread waits since an earlier
    /// timeout, or if the folder can't be locked.
    pub(super) async fn acquire(&self) {
        let polled = async {
            while self.is_held_elsewhere() {
                sleep(POLL_INTERVAL).await;
            }
        };
        if timeout(PATIENCE, polled).await.is_err()
            && !self.0.has_waiter.swap(true, Ordering::AcqRel)
        {
            let _ = timeout(TIMEOUT, self.wait()).await;
        }
    }

    /// Tries to take the lock.
    fn is_held_elsewhere(&self) -> bool {
        let locked = self.0.file.as_ref().map(File::try_lock);
        matches!(locked, Some(Err(TryLockError::WouldBlock)))
    }

    /// Waits on a thread of its own, because the runtime waits for its threads when it ends.
    fn wait(&self) -> oneshot::Receiver<()> {
        let (sender, locked) = oneshot::channel();
        let lock = self.clone();
        let waiter = thread::Builder::new().name("write-lock".to_owned()).spawn(move || {
            let _ = lock.0.file.as_ref().map(File::lock);
            lock.0.has_waiter.store(false, Ordering::Release);
            if sender.send(()).is_err() {
                lock.release();
            }
        });
        if waiter.is_err() {
            self.0.has_waiter.store(false, Ordering::Release);
        }
        locked
    }

    /// Releases the lock if it is held.
    pub(super) fn release(&self) {
        let _ = self.0.file.as_ref().map(File::unlock);
    }
}
