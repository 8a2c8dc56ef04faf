//! The public keys of session JWTs, cached and fetched again when they are old or when a JWT names an
//! unknown key.
//!
//! Many requests may need a fetch at once, and anybody can send JWTs with invented key ids. So there
//! is one fetch at a time, whose result all waiting requests share, and unknown ids cause at most one
//! fetch per [`COOL_DOWN`], or per [`FIRST_COOL_DOWN`] while there are no keys.

use std::{collections::HashMap, sync::Arc};

use guestlist_domain::{Clock, JwtError, ProviderError};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::DecodingKey;
use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;

use crate::http::client::Client;
use crate::http::error::{Idempotency, RequestError, classify};
use crate::http::responses::{Jwk, JwksResponse};

/// The age at which keys are fetched again. Stytch publishes old and new keys side by side for a
/// month, but may withdraw one at once.
const MAX_AGE: SignedDuration = SignedDuration::from_mins(5);
/// The time between two fetches of old keys, and between two fetches for unknown ids.
const COOL_DOWN: SignedDuration = SignedDuration::from_secs(30);
/// The time between two fetches while there are no keys. Short, because no JWT can be verified.
const FIRST_COOL_DOWN: SignedDuration = SignedDuration::from_secs(1);

type KeySet = HashMap<String, Arc<DecodingKey>>;

/// The keys of one project.
#[derive(Clone)]
pub(crate) struct Keys(Arc<Shared>);

struct Shared {
    client: Client,
    clock: Arc<dyn Clock>,
    cache: Mutex<Cache>,
    /// Held during a fetch.
    fetch_lock: Arc<AsyncMutex<()>>,
}

#[derive(Clone, Default)]
struct Cache {
    keys: Arc<KeySet>,
    /// The time of the last successful fetch.
    fetched_at: Option<Timestamp>,
    /// The time of the last fetch.
    tried_at: Option<Timestamp>,
    /// The time of the last fetch for an unknown id.
    searched_at: Option<Timestamp>,
    /// Whether the last fetch failed.
    is_failing: bool,
    /// The number of completed fetches.
    fetches: u64,
}

/// The reason for a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FetchReason {
    NoKeys,
    UnknownId,
    Age,
}

impl Keys {
    pub(crate) fn new(client: Client, clock: Arc<dyn Clock>) -> Self {
        let (cache, fetch_lock) = (Mutex::default(), Arc::default());
        Self(Arc::new(Shared { client, clock, cache, fetch_lock }))
    }

    pub(crate) async fn find(&self, kid: &str) -> Result<Arc<DecodingKey>, JwtError> {
        let before = self.0.cache.lock().clone();
        if let Some(reason) = before.fetch_reason(kid, self.0.clock.now()) {
            self.fetch(reason, before.fetches).await;
        }
        let cache = self.0.cache.lock().clone();
        match cache.keys.get(kid) {
            Some(key) => Ok(Arc::clone(key)),
            // Only a successful fetch shows that a key does not exist.
            None if cache.keys.is_empty() || cache.is_failing => Err(JwtError::KeysUnavailable),
            None => Err(JwtError::Invalid),
        }
    }

    /// Fetches the keys, unless another request has done so since `fetches` was read.
    async fn fetch(&self, reason: FetchReason, fetches: u64) {
        let lock = Arc::clone(&self.0.fetch_lock);
        let guard = match reason {
            // Old keys serve while another request fetches.
            FetchReason::Age => lock.try_lock_owned().ok(),
            FetchReason::NoKeys | FetchReason::UnknownId => Some(lock.lock_owned().await),
        };
        let Some(guard) = guard else { return };
        if self.0.cache.lock().fetches != fetches {
            return;
        }
        let shared = Arc::clone(&self.0);
        // In its own task, because others wait for it even if this request is cancelled.
        let fetch = tokio::spawn(async move {
            shared.fetch(reason).await;
            drop(guard);
        });
        if fetch.await.is_err() {
            tracing::error!("the fetch of session JWT keys panicked");
        }
    }
}

impl Shared {
    async fn fetch(&self, reason: FetchReason) {
        let now = self.clock.now();
        let result = self.request().await;
        let mut cache = self.cache.lock();
        cache.fetches += 1;
        cache.tried_at = Some(now);
        if reason == FetchReason::UnknownId {
            cache.searched_at = Some(now);
        }
        cache.is_failing = result.is_err();
        match result {
            Ok(keys) => (cache.keys, cache.fetched_at) = (Arc::new(keys), Some(now)),
            Err(error) => tracing::warn!(
                code = %error.code,
                request_id = error.request_id,
                cached = cache.keys.len(),
                "failed to fetch session JWT keys"
            ),
        }
    }

    async fn request(&self) -> Result<KeySet, ProviderError> {
        let jwks: JwksResponse = match self.client.jwks().await {
            Err(error) if error.code == "connect" => self.client.jwks().await?,
            result => result?,
        };
        let keys: KeySet = jwks.keys().filter_map(decoding_key).collect();
        if keys.is_empty() {
            let why = "no usable key".to_owned();
            let error = RequestError::InvalidResponse { why, request_id: None };
            return Err(classify(error, Idempotency::Idempotent));
        }
        Ok(keys)
    }
}

impl Cache {
    fn fetch_reason(&self, kid: &str, now: Timestamp) -> Option<FetchReason> {
        let is_over = |since: Option<Timestamp>, duration| {
            // In either direction, because a clock may be set back.
            since.is_none_or(|since| now.duration_since(since).abs() >= duration)
        };
        if self.keys.is_empty() {
            return is_over(self.tried_at, FIRST_COOL_DOWN).then_some(FetchReason::NoKeys);
        }
        if !self.keys.contains_key(kid) && is_over(self.searched_at, COOL_DOWN) {
            return Some(FetchReason::UnknownId);
        }
        let is_old = is_over(self.fetched_at, MAX_AGE) && is_over(self.tried_at, COOL_DOWN);
        is_old.then_some(FetchReason::Age)
    }
}

/// Returns the id and the key of a JWK for RS256 signatures.
pub(crate) fn decoding_key(jwk: Jwk) -> Option<(String, Arc<DecodingKey>)> {
    let is_supported = jwk.kty == "RSA"
        && jwk.alg.is_none_or(|alg| alg == "RS256")
        && jwk.usage.is_none_or(|usage| usage == "sig");
    let key = is_supported.then(|| DecodingKey::from_rsa_components(&jwk.n, &jwk.e))?.ok()?;
    Some((jwk.kid, Arc::new(key)))
}
