//! The cache of API keys.

use std::collections::HashMap;

use guestlist_domain::{ApiKey, TokenHash};
use parking_lot::Mutex;

const CAPACITY: usize = 16;

/// API keys by the hash of their secret, as the database last returned them. They let `/metrics`
/// authenticate while the database is unavailable.
#[derive(Debug, Default)]
pub struct ApiKeyCache(Mutex<HashMap<TokenHash, ApiKey>>);

impl ApiKeyCache {
    pub fn get(&self, hash: TokenHash) -> Option<ApiKey> {
        self.0.lock().get(&hash).cloned()
    }

    /// Stores a key, or removes one that no longer exists. A full cache accepts no new keys.
    pub fn update(&self, hash: TokenHash, key: Option<ApiKey>) {
        let mut keys = self.0.lock();
        let Some(key) = key else {
            keys.remove(&hash);
            return;
        };
        if keys.len() < CAPACITY || keys.contains_key(&hash) {
            keys.insert(hash, key);
        }
    }
}
