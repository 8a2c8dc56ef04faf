//! The store, with hooks that run between a flow's reads, and between them and its write.

use std::collections::VecDeque;

use async_trait::async_trait;
use guestlist_domain::{
    CLOCK_TOLERANCE, Change, ExpiredRows, LinkClaim, Store, StoreError, TokenHash, Usage, Verdict,
};
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};

use crate::tables::Tables;

pub(crate) type StoreResult<T> = Result<T, StoreError>;

/// Code that a test runs at a certain point.
pub type Hook = Box<dyn FnOnce() + Send>;

/// A store of all data. It never waits, so that tests of flows need no runtime.
#[derive(Default)]
pub struct InMemoryStore {
    tables: Mutex<Tables>,
    hooks: Mutex<Hooks>,
}

#[derive(Default)]
struct Hooks {
    before_apply: VecDeque<Hook>,
    before_latest_invitation: Option<Hook>,
    /// Whether a hook is running. What it reads and applies runs no hooks.
    is_running: bool,
    failing_applies: usize,
}

impl InMemoryStore {
    /// Returns the rows, to read or change them directly.
    pub fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock()
    }

    /// Runs `hook` before the next change is applied. The hook of each further call runs before the
    /// change after that.
    pub fn run_before_next_apply(&self, hook: impl FnOnce() + Send + 'static) {
        self.hooks().before_apply.push_back(Box::new(hook));
    }

    /// Runs `hook` before the latest invitation of a user is read next.
    pub fn run_before_next_latest_invitation(&self, hook: impl FnOnce() + Send + 'static) {
        self.hooks().before_latest_invitation = Some(Box::new(hook));
    }

    /// Fails the next `times` changes with a lost connection, before anything is written.
    pub fn lose_next_applies(&self, times: usize) {
        self.hooks().failing_applies = times;
    }

    /// Removes all hooks and failures.
    pub fn clear_hooks(&self) {
        *self.hooks() = Hooks::default();
    }

    fn hooks(&self) -> MutexGuard<'_, Hooks> {
        self.hooks.lock()
    }

    fn before_apply(&self) -> StoreResult<()> {
        let mut hooks = self.hooks();
        if hooks.failing_applies > 0 && !hooks.is_running {
            hooks.failing_applies -= 1;
            return Err(StoreError::Unavailable("connection lost".into()));
        }
        drop(hooks);
        self.run_hook(|hooks| hooks.before_apply.pop_front());
        Ok(())
    }

    pub(crate) fn before_latest_invitation(&self) {
        self.run_hook(|hooks| hooks.before_latest_invitation.take());
    }

    fn run_hook(&self, take: impl FnOnce(&mut Hooks) -> Option<Hook>) {
        let mut hooks = self.hooks();
        if hooks.is_running {
            return;
        }
        let Some(hook) = take(&mut hooks) else { return };
        hooks.is_running = true;
        drop(hooks);
        hook();
        self.hooks().is_running = false;
    }
}

#[async_trait]
impl Store for InMemoryStore {
    async fn apply(&self, change: Change) -> StoreResult<Verdict> {
        self.before_apply()?;
        Ok(self.tables().apply(change))
    }

    async fn claim_link(
        &self,
        token: TokenHash,
        now: Timestamp,
        until: Timestamp,
    ) -> StoreResult<LinkClaim> {
        let mut tables = self.tables();
        // All claims have the same length; one that ends much later was made by a clock that was ahead.
        let latest = until + (until - now);
        match tables.link_claims.insert(token, until) {
            None => Ok(LinkClaim::Granted),
            Some(held) if held <= now || held > latest => Ok(LinkClaim::TakenOver),
            Some(held) => {
                tables.link_claims.insert(token, held);
                Ok(LinkClaim::Held)
            }
        }
    }

    async fn release_link(&self, token: TokenHash, until: Timestamp) -> StoreResult<()> {
        self.tables().link_claims.retain(|claimed, held| *claimed != token || *held != until);
        Ok(())
    }

    async fn record_usage(&self, usages: &[Usage], at: Timestamp) -> StoreResult<()> {
        let mut tables = self.tables();
        for usage in usages {
            match usage {
                Usage::Session { session, user } => {
                    if let Some(session) = tables.sessions.get_mut(session) {
                        session.last_used_at = last_use(Some(session.last_used_at), at);
                    }
                    if let Some(user) = tables.users.get_mut(user) {
                        user.last_seen_at = Some(last_use(user.last_seen_at, at));
                    }
                }
                Usage::Key(key) => {
                    if let Some(key) = tables.api_keys.get_mut(key) {
                        key.last_used_at = Some(last_use(key.last_used_at, at));
                    }
                }
            }
        }
        Ok(())
    }

    async fn delete_expired(
        &self,
        what: ExpiredRows,
        before: Timestamp,
        limit: u64,
    ) -> StoreResult<u64> {
        let mut tables = self.tables();
        let mut remaining = limit;
        let mut keep = |at: Timestamp| {
            let is_deleted = at < before && remaining > 0;
            remaining -= u64::from(is_deleted);
            !is_deleted
        };
        match what {
            ExpiredRows::Sessions => tables.sessions.retain(|_, session| keep(session.expires_at)),
            ExpiredRows::UsedLinks => tables.used_links.retain(|link| keep(link.at)),
            ExpiredRows::LinkClaims => tables.link_claims.retain(|_, until| keep(*until)),
            ExpiredRows::LoginRequests => tables.login_requests.retain(|request| keep(request.at)),
            ExpiredRows::IdempotencyKeys => {}
        }
        Ok(limit - remaining)
    }

    async fn ready(&self) -> StoreResult<()> {
        Ok(())
    }
}

/// Returns the later time, unless the stored one was recorded by a clock that was ahead.
fn last_use(stored: Option<Timestamp>, at: Timestamp) -> Timestamp {
    stored.filter(|stored| *stored <= at + CLOCK_TOLERANCE).map_or(at, |stored| stored.max(at))
}
