//! A queue that hands its workers the waiting items in batches. A batch is what arrived while the
//! previous one was processed, so a lone item never waits for others.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};

/// The number of items that can wait while all workers are busy. Further senders wait.
const CAPACITY: usize = 4096;

/// The receiving end, shared by the workers.
#[derive(Debug)]
pub(crate) struct BatchQueue<T>(Arc<Mutex<mpsc::Receiver<T>>>);

impl<T> Clone for BatchQueue<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> BatchQueue<T> {
    pub(crate) fn channel() -> (mpsc::Sender<T>, Self) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        (sender, Self(Arc::new(Mutex::new(receiver))))
    }

    /// Returns the next batch of at most `max` items, or `None` once all senders are dropped and
    /// the queue is empty.
    ///
    /// A batch's length is a power of two, and so are the numbers of rows in its statements.
    /// Each length is a statement that every connection prepares once and the server caches.
    pub(crate) async fn next_batch(&self, max: usize) -> Option<Vec<T>> {
        let mut receiver = self.0.lock().await;
        let mut batch = vec![receiver.recv().await?];
        // Lets the callers that the previous batch answered submit their next item.
        tokio::task::yield_now().await;
        let length = floor_to_power_of_two(max.min(batch.len() + receiver.len()));
        while batch.len() < length {
            let Ok(next) = receiver.try_recv() else { break };
            batch.push(next);
        }
        Some(batch)
    }
}

/// Returns the largest power of two that is at most `number`, or 0 for 0.
pub(crate) fn floor_to_power_of_two(number: usize) -> usize {
    number.checked_ilog2().map_or(0, |log| 1 << log)
}
