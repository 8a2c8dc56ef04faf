//! A queue that hands its workers the waiting items in batches, and a loader that combines concurrent
//! lookups by key into one query. A batch is what arrived while the previous one was processed, so a
//! lone item never waits for others.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use guestlist_domain::StoreError;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::error::StoreResult;

/// The number of items that can wait while all workers are busy. Further senders wait.
const CAPACITY: usize = 4096;
/// The maximum number of keys in one query.
const MAX_KEYS: usize = 256;

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

/// The rows that a query found, by key. A row that is corrupt fails its own lookups only.
pub(crate) type Rows<K, V> = HashMap<K, StoreResult<V>>;

/// Loads rows by key.
#[derive(Debug)]
pub(crate) struct BatchLoader<K, V> {
    queue: mpsc::Sender<Lookup<K, V>>,
}

#[derive(Debug)]
struct Lookup<K, V> {
    key: K,
    reply: oneshot::Sender<StoreResult<Option<V>>>,
}

impl<K, V> BatchLoader<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    /// Starts `tasks` tasks that run `query`. They end when the loader is dropped.
    pub(crate) fn start<F, Q>(tasks: usize, query: F) -> Self
    where
        F: Fn(Vec<K>) -> Q + Clone + Send + 'static,
        Q: Future<Output = StoreResult<Rows<K, V>>> + Send,
    {
        let (sender, queue) = BatchQueue::channel();
        for _ in 0..tasks {
            let (queue, query) = (queue.clone(), query.clone());
            tokio::spawn(async move {
                while let Some(lookups) = queue.next_batch(MAX_KEYS).await {
                    let keys = lookups.iter().map(|lookup: &Lookup<K, V>| lookup.key.clone());
                    let rows = query(keys.collect()).await;
                    reply(lookups, &rows);
                }
            });
        }
        Self { queue: sender }
    }

    /// Returns the row with a key.
    pub(crate) async fn load(&self, key: K) -> StoreResult<Option<V>> {
        let (reply, row) = oneshot::channel();
        let ended = || StoreError::Bug("the tasks of the batch loader have ended".to_owned());
        self.queue.send(Lookup { key, reply }).await.map_err(|_| ended())?;
        row.await.map_err(|_| ended())?
    }
}

fn reply<K: Eq + Hash, V: Clone>(lookups: Vec<Lookup<K, V>>, rows: &StoreResult<Rows<K, V>>) {
    for Lookup { key, reply } in lookups {
        let rows = rows.as_ref().map_err(Clone::clone);
        let row = rows.and_then(|rows| rows.get(&key).cloned().transpose());
        // The caller may have stopped waiting.
        let _ = reply.send(row);
    }
}
