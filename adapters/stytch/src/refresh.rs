//! Deduplication of session refreshes: requests with the same token share one call and reuse its
//! result for a while, and during an outage of Stytch requests fail at once.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use guestlist_domain::{AuthenticatedSession, ProviderError, ProviderErrorKind, TokenHash};
use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;

/// The time for which a result is reused: half of a JWT's five minutes, so that its last user can
/// use it for as long again.
const REUSE_TIME: Duration = Duration::from_secs(150);
/// The timeout of a refresh. Shorter than that of other calls, because a user waits for it.
const TIMEOUT: Duration = Duration::from_secs(3);
/// The time after a failure before the next call.
const OUTAGE_RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// The last result for one token. Its lock is held during a call.
type Slot = Arc<AsyncMutex<Option<CachedSession>>>;

#[derive(Clone)]
struct CachedSession {
    session: AuthenticatedSession,
    refreshed_at: Instant,
}

#[derive(Default)]
pub(crate) struct SessionRefresher {
    slots: Mutex<Slots>,
    outage: Mutex<Option<Outage>>,
}

#[derive(Default)]
struct Slots {
    by_token: HashMap<TokenHash, Slot>,
    cleaned_at: Option<Instant>,
}

#[derive(Clone)]
struct Outage {
    error: ProviderError,
    next_try: Instant,
}

impl SessionRefresher {
    /// Returns the result of `call` for a token, or a recent result for the same token.
    pub(crate) async fn refresh(
        &self,
        token: &str,
        call: impl Future<Output = Result<AuthenticatedSession, ProviderError>>,
    ) -> Result<AuthenticatedSession, ProviderError> {
        let slot = self.slot(TokenHash::of(token));
        let mut cached = slot.lock().await;
        if let Some(cached) = cached.as_ref().filter(|cached| cached.is_fresh(Instant::now())) {
            return Ok(cached.session.clone());
        }
        self.check_outage()?;
        let refreshed_at = Instant::now();
        let result = tokio::time::timeout(TIMEOUT, call).await.unwrap_or_else(|_| Err(timed_out()));
        self.record(result.as_ref().err());
        *cached = result
            .as_ref()
            .ok()
            .map(|session| CachedSession { session: session.clone(), refreshed_at });
        result
    }

    fn slot(&self, hash: TokenHash) -> Slot {
        let mut slots = self.slots.lock();
        slots.clean(Instant::now());
        Arc::clone(slots.by_token.entry(hash).or_default())
    }

    /// Returns the last error during an outage, except to one request per interval, which calls
    /// Stytch.
    fn check_outage(&self) -> Result<(), ProviderError> {
        let mut outage = self.outage.lock();
        let Some(outage) = outage.as_mut() else { return Ok(()) };
        if Instant::now() < outage.next_try {
            return Err(outage.error.clone());
        }
        outage.next_try = Instant::now() + OUTAGE_RETRY_INTERVAL;
        Ok(())
    }

    /// Begins or ends an outage after a call. Errors about the session itself are no outage.
    fn record(&self, error: Option<&ProviderError>) {
        let is_outage = |kind| {
            use ProviderErrorKind::{
                BulkMailLimited, Doubtful, Misconfigured, RateLimited, Unavailable,
            };
            matches!(
                kind,
                Unavailable | Doubtful | RateLimited(_) | BulkMailLimited(_) | Misconfigured
            )
        };
        let error = error.filter(|error| is_outage(error.kind)).cloned();
        *self.outage.lock() =
            error.map(|error| Outage { error, next_try: Instant::now() + OUTAGE_RETRY_INTERVAL });
    }
}

impl Slots {
    /// Removes unused slots, at most once per [`REUSE_TIME`].
    fn clean(&mut self, now: Instant) {
        if self.cleaned_at.is_none_or(|then| now.duration_since(then) >= REUSE_TIME) {
            self.by_token.retain(|_, slot| is_in_use(slot, now));
            self.cleaned_at = Some(now);
        }
    }
}

impl CachedSession {
    fn is_fresh(&self, now: Instant) -> bool {
        now.duration_since(self.refreshed_at) < REUSE_TIME
    }
}

/// Returns whether a request holds or waits for the slot, or its result is fresh.
fn is_in_use(slot: &Slot, now: Instant) -> bool {
    let is_fresh =
        |cached: &Option<CachedSession>| cached.as_ref().is_some_and(|c| c.is_fresh(now));
    Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|cached| is_fresh(&cached))
}

fn timed_out() -> ProviderError {
    ProviderError {
        kind: ProviderErrorKind::Unavailable,
        code: "timeout".to_owned(),
        message: format!("no response within {} s", TIMEOUT.as_secs()),
        request_id: None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use guestlist_domain::{ProviderSession, Tokens};
    use jiff::Timestamp;

    use super::*;

    fn session() -> AuthenticatedSession {
        AuthenticatedSession {
            session: ProviderSession {
                provider_session_id: "session-test-1".into(),
                provider_user_id: "user-test-1".into(),
                started_at: Timestamp::UNIX_EPOCH,
                expires_at: Timestamp::UNIX_EPOCH,
            },
            tokens: Tokens { session_token: "token".into(), session_jwt: "jwt".into() },
            email: None,
        }
    }

    #[tokio::test]
    async fn requests_with_the_same_token_share_one_call() {
        let (refresher, calls) = (SessionRefresher::default(), AtomicU32::new(0));
        let call = || async {
            calls.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(session())
        };
        let one = refresher.refresh("a", call());
        let two = refresher.refresh("a", call());
        let (one, two) = tokio::join!(one, two);
        assert_eq!(one.unwrap().tokens.session_jwt, two.unwrap().tokens.session_jwt);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        refresher.refresh("b", call()).await.unwrap();
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn during_an_outage_only_the_first_request_calls_stytch() {
        let (refresher, calls) = (SessionRefresher::default(), AtomicU32::new(0));
        let call = || async {
            calls.fetch_add(1, Ordering::Relaxed);
            Err(timed_out())
        };
        for token in ["a", "b", "a", "c"] {
            assert_eq!(refresher.refresh(token, call()).await.unwrap_err().code, "timeout");
        }
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_rejected_session_is_no_outage() {
        let refresher = SessionRefresher::default();
        let rejected = ProviderError {
            kind: ProviderErrorKind::Rejected,
            code: "session_not_found".into(),
            message: String::new(),
            request_id: None,
        };
        assert!(refresher.refresh("a", async { Err(rejected) }).await.is_err());
        assert!(refresher.refresh("b", async { Ok(session()) }).await.is_ok());
    }

    #[tokio::test]
    async fn results_are_removed_when_they_are_old_and_unused() {
        let refresher = SessionRefresher::default();
        for token in ["a", "b"] {
            refresher.refresh(token, async { Ok(session()) }).await.unwrap();
        }
        let slot = refresher.slot(TokenHash::of("a"));
        let mut slots = refresher.slots.lock();
        slots.clean(Instant::now());
        assert_eq!(slots.by_token.len(), 2);
        slots.clean(Instant::now() + REUSE_TIME);
        assert!(slots.by_token.contains_key(&TokenHash::of("a")) && slots.by_token.len() == 1);
        drop(slot);
        slots.clean(Instant::now() + 2 * REUSE_TIME);
        assert!(slots.by_token.is_empty());
    }
}
