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
/// How long it polls before it waits in the kernel's queue. A lock that the kernel hands over stays
/// unused until the next process runs, so queueing for every transaction slows down a busy machine.
const POLL_TIME: Duration = Duration::from_millis(50);
/// How long it then waits in the queue; most transactions are much shorter. Afterwards it waits for
/// SQLite's own lock alone, so that a process that is frozen while it holds this one only delays
/// others.
const QUEUE_TIMEOUT: Duration = Duration::from_millis(500);

/// A lock that a process holds while it uses its writing connection, so that processes take turns.
///
/// SQLite's own lock decides who may write, but a process that waits for it only tries again after
/// 1, 2, 5 and up to 100 ms. It can miss the pauses of one that writes all the time for seconds. After
/// [`POLL_TIME`], the kernel wakes the process that has queued for this lock.
///
/// The lock is on the folder of the file: a process that opens and closes the file itself loses
/// SQLite's locks on it.
#[derive(Debug, Clone)]
pub(super) struct WriteLock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The folder; `None` if it can't be read.
    folder: Option<File>,
    /// Whether this process uses its writing connection.
    is_in_use: AtomicBool,
    /// Whether a thread waits for the lock, perhaps since an earlier call.
    has_waiter: AtomicBool,
}

/// The lock, as a thread has acquired it. Releases it when dropped, unless it is in use by then.
struct Acquired(WriteLock);

impl WriteLock {
    pub(super) fn new(database: &Path) -> Self {
        let path = database.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = File::open(path.unwrap_or(Path::new("."))).ok();
        Self(Arc::new(Inner {
            folder,
            is_in_use: AtomicBool::new(false),
            has_waiter: AtomicBool::new(false),
        }))
    }

    /// Waits for the lock. Returns without it after a timeout, while a thread waits since an earlier
    /// timeout, or if the folder can't be locked.
    pub(super) async fn acquire(&self) {
        if !self.try_acquire() && !self.0.has_waiter.load(Ordering::Acquire) {
            self.wait().await;
        }
        self.0.is_in_use.store(true, Ordering::Release);
    }

    /// Tries to take the lock. Returns `false` if another process holds it.
    fn try_acquire(&self) -> bool {
        let locked = self.0.folder.as_ref().map(File::try_lock);
        !matches!(locked, Some(Err(TryLockError::WouldBlock)))
    }

    async fn wait(&self) {
        let polled = async {
            while !self.try_acquire() {
                sleep(POLL_INTERVAL).await;
            }
        };
        if timeout(POLL_TIME, polled).await.is_err()
            && let Ok(Ok(acquired)) = timeout(QUEUE_TIMEOUT, self.queue()).await
        {
            self.0.is_in_use.store(true, Ordering::Release);
            drop(acquired);
        }
    }

    /// Waits in the kernel's queue, on a separate thread: the runtime does not end before its own
    /// blocking threads do.
    fn queue(&self) -> oneshot::Receiver<Acquired> {
        let (sender, acquired) = oneshot::channel();
        let lock = self.clone();
        self.0.has_waiter.store(true, Ordering::Release);
        let waiter = thread::Builder::new().name("write-lock".to_owned()).spawn(move || {
            let _ = lock.0.folder.as_ref().map(File::lock);
            lock.0.has_waiter.store(false, Ordering::Release);
            // After the timeout there is no receiver, and it is dropped.
            let _ = sender.send(Acquired(lock));
        });
        if waiter.is_err() {
            self.0.has_waiter.store(false, Ordering::Release);
        }
        acquired
    }

    /// Releases the lock if it is held.
    pub(super) fn release(&self) {
        self.0.is_in_use.store(false, Ordering::Release);
        let _ = self.0.folder.as_ref().map(File::unlock);
    }
}

impl Drop for Acquired {
    fn drop(&mut self) {
        if !self.0.0.is_in_use.load(Ordering::Acquire) {
            self.0.release();
        }
    }
}
