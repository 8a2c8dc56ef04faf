//! Work that comes from many and is done by few, together: a group is whatever arrived while the
//! last one was worked on. One that comes alone is done at once.

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
    pub(crate) async fn next(&self, most: usize) -> Option<Vec<T>> {
        let mut receiver = self.0.lock().await;
        let mut group = Vec::new();
        (receiver.recv_many(&mut group, most).await > 0).then_some(group)
    }
}
