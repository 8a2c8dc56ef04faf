//! Work that comes from many and is done by few, together: a group is what arrived while the last
//! one was worked on. One that comes alone is done at once.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};

/// Groups wait here while all workers are busy; then whoever brings more waits.
const WAITING: usize = 4096;

/// The receiving end, shared by the workers.
#[derive(Debug)]
pub(crate) struct Inbox<T>(Arc<Mutex<mpsc::Receiver<T>>>);

impl<T> Clone for Inbox<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Inbox<T> {
    /// Both ends.
    pub(crate) fn open() -> (mpsc::Sender<T>, Self) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (sender, Self(Arc::new(Mutex::new(receiver))))
    }

    /// The next group, at most `most`; none once all senders are gone and all is done.
    ///
    /// Its length is a power of two, and so are the numbers of rows in its statements: every
    /// length is a statement that each connection has to prepare once, and the server to keep.
    pub(crate) async fn next(&self, most: usize) -> Option<Vec<T>> {
        let mut receiver = self.0.lock().await;
        let mut group = vec![receiver.recv().await?];
        // No wait: those who were answered by the last commit get to bring what they have next.
        tokio::task::yield_now().await;
        let length = floor_to_power_of_two(most.min(group.len() + receiver.len()));
        while group.len() < length {
            let Ok(next) = receiver.try_recv() else { break };
            group.push(next);
        }
        Some(group)
    }
}

/// The largest power of two that is not above `number`.
pub(crate) fn floor_to_power_of_two(number: usize) -> usize {
    number.checked_ilog2().map_or(0, |log| 1 << log)
}
