//! Asking for fresh session JWTs without a stampede: requests with one token share one call, its
//! answer serves for a while, and while Stytch does not answer nobody waits for it.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use guestlist_domain::{ProviderError, ProviderErrorKind, TokenHash, AuthenticatedSession};
use tokio::sync::Mutex as TurnMutex;

/// Half of a JWT's five minutes: whoever gets a shared one can use it for as long again.
const SHARED_FOR: Duration = Duration::from_secs(150);
/// A person waits for this, so it ends sooner than other calls.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long nobody asks after a call that failed; then one does.
const QUIET: Duration = Duration::from_secs(5);

type Turn = Arc<TurnMutex<Option<Fresh>>>;

#[derive(Clone)]
struct Fresh {
    vouched: AuthenticatedSession,
    at: Instant,
}

#[derive(Default)]
pub(crate) struct Refreshes {
    turns: Mutex<Turns>,
    outage: Mutex<Option<Outage>>,
}

#[derive(Default)]
struct Turns {
    by_token: HashMap<TokenHash, Turn>,
    tidied_at: Option<Instant>,
}

#[derive(Clone)]
struct Outage {
    error: ProviderError,
    next_try: Instant,
}

impl Refreshes {
    /// The answer of `call` for this token, or one that another request got a moment ago.
    pub(crate) async fn share(
        &self,
        token: &str,
        call: impl Future<Output = Result<AuthenticatedSession, ProviderError>>,
    ) -> Result<AuthenticatedSession, ProviderError> {
        let turn = self.turn(TokenHash::of(token));
        let mut held = turn.lock().await;
        if let Some(fresh) = held.as_ref().filter(|fresh| fresh.serves(Instant::now())) {
            return Ok(fresh.vouched.clone());
        }
        self.admit()?;
        let at = Instant::now();
        let answer = tokio::time::timeout(PATIENCE, call).await.unwrap_or_else(|_| Err(too_slow()));
        self.note(answer.as_ref().err());
        *held = answer.as_ref().ok().map(|vouched| Fresh { vouched: vouched.clone(), at });
        answer
    }

    fn turn(&self, hash: TokenHash) -> Turn {
        let mut turns = lock(&self.turns);
        turns.tidy(Instant::now());
        Arc::clone(turns.by_token.entry(hash).or_default())
    }

    /// While Stytch is silent one request in a while finds out whether it still is; all others
    /// get the last answer at once.
    fn admit(&self) -> Result<(), ProviderError> {
        let mut outage = lock(&self.outage);
        let Some(outage) = outage.as_mut() else { return Ok(()) };
        if Instant::now() < outage.next_try {
            return Err(outage.error.clone());
        }
        outage.next_try = Instant::now() + QUIET;
        Ok(())
    }

    fn note(&self, error: Option<&ProviderError>) {
        let is_silence = |kind| {
            use ProviderErrorKind::{BulkMailLimited, Doubtful, Misconfigured, RateLimited, Unavailable};
            matches!(kind, Unavailable | Doubtful | RateLimited(_) | BulkMailLimited(_) | Misconfigured)
        };
        let silence = error.filter(|error| is_silence(error.kind)).cloned();
        *lock(&self.outage) =
            silence.map(|error| Outage { error, next_try: Instant::now() + QUIET });
    }
}

impl Turns {
    /// Forgets, once in a while, the answers that no longer serve.
    fn tidy(&mut self, now: Instant) {
        if self.tidied_at.is_none_or(|then| now.duration_since(then) >= SHARED_FOR) {
            self.by_token.retain(|_, turn| is_worth_keeping(turn, now));
            self.tidied_at = Some(now);
        }
    }
}

impl Fresh {
    fn serves(&self, now: Instant) -> bool {
        now.duration_since(self.at) < SHARED_FOR
    }
}

/// Somebody holds it or waits for it, or its answer still serves.
fn is_worth_keeping(turn: &Turn, now: Instant) -> bool {
    let serves = |held: &Option<Fresh>| held.as_ref().is_some_and(|fresh| fresh.serves(now));
    Arc::strong_count(turn) > 1 || turn.try_lock().is_ok_and(|held| serves(&held))
}

fn too_slow() -> ProviderError {
    ProviderError {
        kind: ProviderErrorKind::Unavailable,
        code: "timeout".to_owned(),
        message: format!("no answer within {} s", PATIENCE.as_secs()),
        request_id: None,
    }
}

/// None of these locks is held over anything that can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use guestlist_domain::{ProviderSession, Tokens};
    use jiff::Timestamp;

    use super::*;

    fn vouched() -> AuthenticatedSession {
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
    async fn requests_with_one_token_share_one_call() {
        let (refreshes, calls) = (Refreshes::default(), AtomicU32::new(0));
        let call = || async {
            calls.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(vouched())
        };
        let one = refreshes.share("a", call());
        let two = refreshes.share("a", call());
        let (one, two) = tokio::join!(one, two);
        assert_eq!(one.unwrap().tokens.session_jwt, two.unwrap().tokens.session_jwt);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        refreshes.share("b", call()).await.unwrap();
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn an_outage_is_waited_for_once() {
        let (refreshes, calls) = (Refreshes::default(), AtomicU32::new(0));
        let call = || async {
            calls.fetch_add(1, Ordering::Relaxed);
            Err(too_slow())
        };
        for token in ["a", "b", "a", "c"] {
            assert_eq!(refreshes.share(token, call()).await.unwrap_err().code, "timeout");
        }
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_session_that_is_gone_is_no_outage() {
        let refreshes = Refreshes::default();
        let gone = ProviderError {
            kind: ProviderErrorKind::Rejected,
            code: "session_not_found".into(),
            message: String::new(),
            request_id: None,
        };
        assert!(refreshes.share("a", async { Err(gone) }).await.is_err());
        assert!(refreshes.share("b", async { Ok(vouched()) }).await.is_ok());
    }

    #[tokio::test]
    async fn answers_are_forgotten_when_they_no_longer_serve() {
        let refreshes = Refreshes::default();
        for token in ["a", "b"] {
            refreshes.share(token, async { Ok(vouched()) }).await.unwrap();
        }
        let held = refreshes.turn(TokenHash::of("a"));
        let mut turns = lock(&refreshes.turns);
        turns.tidy(Instant::now());
        assert_eq!(turns.by_token.len(), 2);
        turns.tidy(Instant::now() + SHARED_FOR);
        assert!(turns.by_token.contains_key(&TokenHash::of("a")) && turns.by_token.len() == 1);
        drop(held);
        turns.tidy(Instant::now() + 2 * SHARED_FOR);
        assert!(turns.by_token.is_empty());
    }
}
