//! Look-ups that arrive together are one query.

use std::collections::HashMap;
use std::hash::Hash;

use guestlist_domain::StoreError;
use tokio::sync::{mpsc, oneshot};

use crate::errors::same;
use crate::inbox::Inbox;

/// Keys of one query.
const KEYS: usize = 256;

type Answer<T> = Result<T, StoreError>;

/// Rows by key, each whole or corrupt by itself.
pub(crate) type Found<K, V> = HashMap<K, Answer<V>>;

/// Looks rows up by key, many at a time.
#[derive(Debug)]
pub(crate) struct Batcher<K, V> {
    inbox: mpsc::Sender<Wanted<K, V>>,
}

#[derive(Debug)]
struct Wanted<K, V> {
    key: K,
    answer: oneshot::Sender<Answer<Option<V>>>,
}

impl<K, V> Batcher<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    /// Starts so many loaders, which end when the batcher is dropped.
    pub(crate) fn start<F, Q>(loaders: usize, find: F) -> Self
    where
        F: Fn(Vec<K>) -> Q + Clone + Send + 'static,
        Q: Future<Output = Answer<Found<K, V>>> + Send,
    {
        let (sender, inbox) = Inbox::open();
        for _ in 0..loaders {
            let (inbox, find) = (inbox.clone(), find.clone());
            tokio::spawn(async move {
                while let Some(wanted) = inbox.next(KEYS).await {
                    let keys = wanted.iter().map(|one: &Wanted<K, V>| one.key.clone());
                    let found = find(keys.collect()).await;
                    hand_out(wanted, &found);
                }
            });
        }
        Self { inbox: sender }
    }

    /// The row of a key.
    pub(crate) async fn get(&self, key: K) -> Answer<Option<V>> {
        let (answer, answered) = oneshot::channel();
        let gone = || StoreError::Bug("the loader of a batch has ended".to_owned());
        self.inbox.send(Wanted { key, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

fn hand_out<K: Eq + Hash, V: Clone>(wanted: Vec<Wanted<K, V>>, found: &Answer<Found<K, V>>) {
    for Wanted { key, answer } in wanted {
        let row = match found {
            Ok(rows) => match rows.get(&key) {
                Some(Ok(row)) => Ok(Some(row.clone())),
                Some(Err(error)) => Err(same(error)),
                None => Ok(None),
            },
            Err(error) => Err(same(error)),
        };
        // Whoever asked may have stopped waiting.
        let _ = answer.send(row);
    }
}
