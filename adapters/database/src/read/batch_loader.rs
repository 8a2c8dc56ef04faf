//! Combines concurrent lookups by key into one query.

use std::collections::HashMap;
use std::hash::Hash;

use guestlist_domain::StoreError;
use tokio::sync::{mpsc, oneshot};

use crate::batch_queue::BatchQueue;
use crate::error::{StoreResult, clone_error};

/// The maximum number of keys in one query.
const MAX_KEYS: usize = 256;

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
        let row = match rows {
            Ok(rows) => match rows.get(&key) {
                Some(Ok(row)) => Ok(Some(row.clone())),
                Some(Err(error)) => Err(clone_error(error)),
                None => Ok(None),
            },
            Err(error) => Err(clone_error(error)),
        };
        // The caller may have stopped waiting.
        let _ = reply.send(row);
    }
}
