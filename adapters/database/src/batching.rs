//! A queue that hands its workers the waiting items in batches, and a loader that combines concurrent
//! lookups by key into one query.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use guestlist_domain::StoreError;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::error::StoreResult;

/// The number of items that can wait while all workers are busy. Further senders wait.
const CAPACITY: usize = 4096;
/// The length of a batch that does not wait for more items.
const SUFFICIENT_LENGTH: usize = 16;
/// The maximum number of keys in one query.
const MAX_KEYS: usize = 256;
/// The longest interval between short batches.
const MAX_INTERVAL: Duration = Duration::from_millis(20);

/// One worker's access to the queue.
///
/// The cost of a batch hardly depends on its length. So while items arrive concurrently, a batch of
/// fewer than [`SUFFICIENT_LENGTH`] items starts at an interval after the previous one: twice as
/// long as a batch takes, at most [`MAX_INTERVAL`]. An item that arrives after a batch of one is a
/// batch of its own at once. A queue with a minimum interval waits at least that long between short
/// batches, also after a batch of one.
#[derive(Debug)]
pub(crate) struct BatchQueue<T> {
    waiting: Arc<Mutex<Waiting<T>>>,
    min_interval: Duration,
    /// When this worker received its last batch.
    received_at: Option<Instant>,
}

#[derive(Debug)]
struct Waiting<T> {
    items: VecDeque<T>,
    receiver: mpsc::Receiver<T>,
    /// When the next short batch may start.
    next_start: Option<Instant>,
}

impl<T> Clone for BatchQueue<T> {
    fn clone(&self) -> Self {
        let waiting = Arc::clone(&self.waiting);
        Self { waiting, min_interval: self.min_interval, received_at: None }
    }
}

impl<T> BatchQueue<T> {
    /// Creates a queue with a minimum interval between short batches, which may exceed
    /// [`MAX_INTERVAL`].
    pub(crate) fn channel(min_interval: Duration) -> (mpsc::Sender<T>, Self) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let waiting = Waiting { items: VecDeque::new(), receiver, next_start: None };
        let waiting = Arc::new(Mutex::new(waiting));
        (sender, Self { waiting, min_interval, received_at: None })
    }

    /// Returns the next batch of at most `max` items, or `None` once all senders are dropped and
    /// the queue is empty.
    ///
    /// A batch has one of a few fixed lengths, and so have the numbers of rows in its statements.
    /// Each length is a statement that every connection prepares once and the server caches.
    pub(crate) async fn next_batch(&mut self, max: usize) -> Option<Vec<T>> {
        let took = self.received_at.take().map(|at| at.elapsed()).unwrap_or_default();
        let mut waiting = self.waiting.lock().await;
        waiting.receive_one().await?;
        // Lets the callers that the previous batch answered submit their next item.
        tokio::task::yield_now().await;
        waiting.receive_available(max);
        if let Some(start) = waiting.next_start {
            // After the timeout, the batch is what has arrived.
            let _ = timeout_at(start, waiting.receive_until(SUFFICIENT_LENGTH.min(max))).await;
            waiting.receive_available(max);
        }
        let now = Instant::now();
        let may_wait = waiting.items.len() > 1 || !self.min_interval.is_zero();
        let interval = (took * 2).min(MAX_INTERVAL).max(self.min_interval);
        waiting.next_start = may_wait.then(|| now + interval);
        self.received_at = Some(now);
        let length = floor_to_fixed_size(max.min(waiting.items.len()));
        Some(waiting.items.drain(..length).collect())
    }
}

impl<T> Waiting<T> {
    /// Waits for an item. Returns `None` if there never will be one.
    async fn receive_one(&mut self) -> Option<()> {
        if self.items.is_empty() {
            let item = self.receiver.recv().await?;
            self.items.push_back(item);
        }
        Some(())
    }

    /// Waits until `length` items are there, or no further one can come.
    async fn receive_until(&mut self, length: usize) {
        while self.items.len() < length {
            let Some(item) = self.receiver.recv().await else { return };
            self.items.push_back(item);
        }
    }

    /// Receives what has arrived, until `max` items are there.
    fn receive_available(&mut self, max: usize) {
        while self.items.len() < max
            && let Ok(item) = self.receiver.try_recv()
        {
            self.items.push_back(item);
        }
    }
}

/// Returns the largest fixed size that is at most `number`: a power of two, or three times one.
pub(crate) fn floor_to_fixed_size(number: usize) -> usize {
    let power = number.checked_ilog2().map_or(0, |log| 1 << log);
    if number >= power + power / 2 { power + power / 2 } else { power }
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
        let (sender, queue) = BatchQueue::channel(Duration::ZERO);
        for _ in 0..tasks {
            let (mut queue, query) = (queue.clone(), query.clone());
            tokio::spawn(async move {
                while let Some(lookups) = queue.next_batch(MAX_KEYS).await {
                    let rows = query(keys(&lookups)).await;
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

/// Returns the distinct keys. Some are repeated, so that their number is a power of two and few
/// distinct statements are prepared.
fn keys<K: Clone + Eq + Hash, V>(lookups: &[Lookup<K, V>]) -> Vec<K> {
    let distinct: HashSet<&K> = lookups.iter().map(|lookup| &lookup.key).collect();
    let length = distinct.len().next_power_of_two();
    distinct.iter().chain(distinct.iter().cycle()).take(length).map(|key| (*key).clone()).collect()
}

fn reply<K: Eq + Hash, V: Clone>(lookups: Vec<Lookup<K, V>>, rows: &StoreResult<Rows<K, V>>) {
    for Lookup { key, reply } in lookups {
        let rows = rows.as_ref().map_err(Clone::clone);
        let row = rows.and_then(|rows| rows.get(&key).cloned().transpose());
        // The caller may have stopped waiting.
        let _ = reply.send(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn queue_of(items: usize) -> (mpsc::Sender<usize>, BatchQueue<usize>) {
        let (sender, queue) = BatchQueue::channel(Duration::ZERO);
        for item in 0..items {
            sender.send(item).await.unwrap();
        }
        (sender, queue)
    }

    #[tokio::test(start_paused = true)]
    async fn an_item_that_comes_alone_does_not_wait() {
        let (sender, mut queue) = queue_of(1).await;
        let began = Instant::now();
        assert_eq!(queue.next_batch(64).await.unwrap(), [0]);
        sender.send(1).await.unwrap();
        assert_eq!(queue.next_batch(64).await.unwrap(), [1]);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_batch_after_a_longer_one_waits_for_twice_its_time() {
        let (sender, mut queue) = queue_of(2).await;
        assert_eq!(queue.next_batch(64).await.unwrap().len(), 2);
        tokio::time::sleep(Duration::from_millis(3)).await;
        for item in 0..4 {
            sender.send(item).await.unwrap();
        }
        // The first interval is as long as nothing took.
        assert_eq!(queue.next_batch(64).await.unwrap().len(), 4);
        let began = Instant::now();
        sender.send(4).await.unwrap();
        assert_eq!(queue.next_batch(64).await.unwrap(), [4]);
        assert_eq!(began.elapsed(), Duration::from_millis(6));
        sender.send(5).await.unwrap();
        assert_eq!(queue.next_batch(64).await.unwrap(), [5]);
        assert_eq!(began.elapsed(), Duration::from_millis(6), "the batch before it was one of one");
    }

    #[tokio::test(start_paused = true)]
    async fn the_minimum_interval_applies_to_batches_of_one() {
        let (sender, mut queue) = BatchQueue::channel(Duration::from_millis(100));
        let began = Instant::now();
        for item in 0..3 {
            sender.send(item).await.unwrap();
            assert_eq!(queue.next_batch(64).await.unwrap(), [item]);
        }
        assert_eq!(began.elapsed(), Duration::from_millis(200));
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_batch_does_not_wait_and_has_a_fixed_length() {
        let (_sender, mut queue) = queue_of(47).await;
        let began = Instant::now();
        let lengths = [queue.next_batch(64).await, queue.next_batch(64).await];
        assert_eq!(lengths.map(|batch| batch.unwrap().len()), [32, 12]);
        assert_eq!(queue.next_batch(2).await.unwrap().len(), 2);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn keys_are_distinct_and_padded() {
        let lookups =
            [1, 2, 2, 3, 1].map(|key| Lookup::<_, ()> { key, reply: oneshot::channel().0 });
        let mut keys = keys(&lookups);
        assert_eq!(keys.len(), 4);
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys, [1, 2, 3]);
    }
}
