//! A cache of API keys that lets `/metrics` authenticate while the database is unavailable.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use guestlist_domain::{ApiKey, TokenHash};

const CAPACITY: usize = 16;

/// API keys by the hash of their secret, as the database last returned them.
#[derive(Debug, Default)]
pub struct ApiKeyCache(Mutex<HashMap<TokenHash, ApiKey>>);

impl ApiKeyCache {
    pub fn get(&self, hash: TokenHash) -> Option<ApiKey> {
        self.keys().get(&hash).cloned()
    }

    /// Stores a key, or removes one that no longer exists. A full cache accepts no new keys.
    pub fn update(&self, hash: TokenHash, key: Option<ApiKey>) {
        let mut keys = self.keys();
        match key {
            Some(key) if keys.len() < CAPACITY || keys.contains_key(&hash) => {
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
