//! The public keys that session JWTs are checked with: cached, and fetched anew when they are old
//! or when a key is asked for that was never seen.
//!
//! Many requests may need a fetch at once, and anybody can send a JWT with a made-up key id. So
//! there is one fetch at a time, whose result all share, and made-up ids cause at most one in
//! [`COOL_DOWN`], or one in [`FIRST_COOL_DOWN`] while no keys can be had.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use guestlist_domain::{Clock, JwtError, ProviderError};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::DecodingKey;
use tokio::sync::Mutex as Turn;

use crate::{
    answers::{Jwk, Jwks},
    client::Client,
    error::{Repeat, Trouble, classify},
};

/// Stytch serves old and new keys side by side for a month, but may withdraw one at once.
const MAX_AGE: SignedDuration = SignedDuration::from_mins(5);
/// Between two tries for old keys, and between two searches for unknown ones.
const COOL_DOWN: SignedDuration = SignedDuration::from_secs(30);
/// Between two tries while there are no keys at all: short, since nobody gets in by a JWT alone.
const FIRST_COOL_DOWN: SignedDuration = SignedDuration::from_secs(1);

type KeySet = HashMap<String, Arc<DecodingKey>>;

/// The keys of one project.
#[derive(Clone)]
pub(crate) struct Keys(Arc<Shared>);

struct Shared {
    client: Client,
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
    turn: Arc<Turn<()>>,
}

/// What is known of the keys.
#[derive(Clone, Default)]
struct Known {
    keys: Arc<KeySet>,
    fetched_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
    /// The last fetch for the sake of an unknown id.
    searched_at: Option<Timestamp>,
    /// Whether the last fetch failed.
    is_failing: bool,
    /// How many fetches have ended.
    fetches: u64,
}

/// Why a fetch is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    First,
    UnknownId,
    Age,
}

impl Keys {
    pub(crate) fn new(client: Client, clock: Arc<dyn Clock>) -> Self {
        let (known, turn) = (Mutex::default(), Arc::default());
        Self(Arc::new(Shared { client, clock, known, turn }))
    }

    /// The key of that id.
    pub(crate) async fn find(&self, kid: &str) -> Result<Arc<DecodingKey>, JwtError> {
        let before = self.0.known();
        if let Some(due) = before.due(kid, self.0.clock.now()) {
            self.fetch(due, before.fetches).await;
        }
        let known = self.0.known();
        match known.keys.get(kid) {
            Some(key) => Ok(Arc::clone(key)),
            // That there is no such key is known only from a fetch that succeeded.
            None if known.keys.is_empty() || known.is_failing => Err(JwtError::KeysUnavailable),
            None => Err(JwtError::Invalid),
        }
    }

    async fn fetch(&self, due: Due, fetches: u64) {
        let turn = Arc::clone(&self.0.turn);
        let turn = match due {
            // The old key serves while somebody else fetches.
            Due::Age => turn.try_lock_owned().ok(),
            Due::First | Due::UnknownId => Some(turn.lock_owned().await),
        };
        let Some(turn) = turn else { return };
        if self.0.known().fetches != fetches {
            return; // Somebody else's fetch, waited for, is as good.
        }
        let shared = Arc::clone(&self.0);
        // In a task of its own: the request that it is for may be given up, others wait for it.
        let fetch = tokio::spawn(async move {
            shared.fetch(due).await;
            drop(turn);
        });
        if fetch.await.is_err() {
            tracing::error!("the fetch of the keys for session JWTs broke off");
        }
    }
}

impl Shared {
    fn known(&self) -> Known {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(&self, due: Due) {
        let now = self.clock.now();
        let answer = self.key_set().await;
        let mut known = self.lock();
        known.fetches += 1;
        known.tried_at = Some(now);
        if due == Due::UnknownId {
            known.searched_at = Some(now);
        }
        known.is_failing = answer.is_err();
        match answer {
            Ok(keys) => (known.keys, known.fetched_at) = (Arc::new(keys), Some(now)),
            Err(error) => tracing::warn!(
                code = %error.code,
                request_id = error.request_id,
                at_hand = known.keys.len(),
                "the keys for session JWTs can't be fetched"
            ),
        }
    }

    async fn key_set(&self) -> Result<KeySet, ProviderError> {
        let jwks: Jwks = match self.client.jwks().await {
            Err(error) if error.code == "connect" => self.client.jwks().await?,
            answer => answer?,
        };
        let keys: KeySet = jwks.keys().filter_map(key).collect();
        if keys.is_empty() {
            let why = "no key that can be used".to_owned();
            let trouble = Trouble::BadAnswer { why, request_id: None };
            return Err(classify(trouble, Repeat::Harmless));
        }
        Ok(keys)
    }
}

impl Known {
    fn due(&self, kid: &str, now: Timestamp) -> Option<Due> {
        let is_over = |since: Option<Timestamp>, length| {
            // In either direction: a clock may be set back.
            since.is_none_or(|since| now.duration_since(since).abs() >= length)
        };
        if self.keys.is_empty() {
            return is_over(self.tried_at, FIRST_COOL_DOWN).then_some(Due::First);
        }
        if !self.keys.contains_key(kid) && is_over(self.searched_at, COOL_DOWN) {
            return Some(Due::UnknownId);
        }
        let is_old = is_over(self.fetched_at, MAX_AGE) && is_over(self.tried_at, COOL_DOWN);
        is_old.then_some(Due::Age)
    }
}

/// A key to check RS256 with.
pub(crate) fn key(jwk: Jwk) -> Option<(String, Arc<DecodingKey>)> {
    let is_ours = jwk.kty == "RSA"
        && jwk.alg.is_none_or(|alg| alg == "RS256")
        && jwk.usage.is_none_or(|usage| usage == "sig");
    let key = is_ours.then(|| DecodingKey::from_rsa_components(&jwk.n, &jwk.e))?.ok()?;
    Some((jwk.kid, Arc::new(key)))
}
