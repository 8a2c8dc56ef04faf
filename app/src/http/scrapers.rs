//! API keys that have been used for `/metrics`, for the time in which the database can't be read.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use guestlist_domain::{ApiKey, TokenHash};

/// The most keys that are remembered.
const MOST: usize = 16;

/// API keys by the hash of their secret, as the database last had them.
#[derive(Debug, Default)]
pub struct Scrapers(Mutex<HashMap<TokenHash, ApiKey>>);

impl Scrapers {
    /// The key as it was last read; `None` if it was not, or is remembered no more.
    pub fn get(&self, hash: TokenHash) -> Option<ApiKey> {
        self.keys().get(&hash).cloned()
    }

    /// Remembers a key, or forgets one that does not exist any more.
    pub fn note(&self, hash: TokenHash, key: Option<ApiKey>) {
        let mut keys = self.keys();
        match key {
            Some(key) if keys.len() < MOST || keys.contains_key(&hash) => {
                keys.insert(hash, key);
            }
            Some(_) => {}
            None => {
                keys.remove(&hash);
            }
        }
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<TokenHash, ApiKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
