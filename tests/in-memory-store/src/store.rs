//! The store, which can be disturbed between a flow's reads and its write.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use guestlist_domain::{
    CLOCK_TOLERANCE, Change, ExpiredRows, LinkClaim, Store, StoreError, TokenHash, Usage, Verdict,
};
use jiff::Timestamp;

use crate::tables::Tables;

pub(crate) type StoreResult<T> = Result<T, StoreError>;

/// Code that runs at a chosen moment.
pub type Disturbance = Box<dyn FnOnce() + Send>;

/// A store of all data. It never waits, so that tests of flows need no runtime.
#[derive(Default)]
pub struct InMemoryStore {
    tables: Mutex<Tables>,
    disturbances: Mutex<Disturbances>,
}

#[derive(Default)]
struct Disturbances {
    before_apply: VecDeque<Disturbance>,
    /// Whether a disturbance is running; it is not disturbed itself.
    under_way: bool,
    failing_applies: usize,
}

impl InMemoryStore {
    /// Returns the rows, to read or change them directly.
    pub fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().expect("no test panics while it holds the rows")
    }

    /// Runs `disturb` before the next change is applied. Each further call disturbs the
    /// change after that.
    pub fn before_next_apply(&self, disturb: impl FnOnce() + Send + 'static) {
        self.disturbances().before_apply.push_back(Box::new(disturb));
    }

    /// Fails the next `times` changes with a lost connection, before anything is written.
    pub fn lose_next_applies(&self, times: usize) {
        self.disturbances().failing_applies = times;
    }

    /// Removes all disturbances.
    pub fn calm(&self) {
        *self.disturbances() = Disturbances::default();
    }

    fn disturbances(&self) -> MutexGuard<'_, Disturbances> {
        self.disturbances.lock().expect("no test panics while it holds the disturbances")
    }

    fn disturb(&self) -> StoreResult<()> {
        let mut disturbances = self.disturbances();
        if disturbances.under_way {
            return Ok(());
        }
        if disturbances.failing_applies > 0 {
            disturbances.failing_applies -= 1;
            return Err(StoreError::Unavailable("connection lost".into()));
        }
        let Some(disturb) = disturbances.before_apply.pop_front() else { return Ok(()) };
        disturbances.under_way = true;
        drop(disturbances);
        disturb();
        self.disturbances().under_way = false;
        Ok(())
    }
}

#[async_trait]
impl Store for InMemoryStore {
    async fn apply(&self, change: Change) -> StoreResult<Verdict> {
        self.disturb()?;
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

    async fn record_usage(&self, seen: &[Usage], at: Timestamp) -> StoreResult<()> {
        let mut tables = self.tables();
        for seen in seen {
            match seen {
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
        let mut left = limit;
        let mut keep = |at: Timestamp| {
            let goes = at < before && left > 0;
            left -= u64::from(goes);
            !goes
        };
        match what {
            ExpiredRows::Sessions => tables.sessions.retain(|_, session| keep(session.expires_at)),
            ExpiredRows::UsedLinks => tables.used_links.retain(|link| keep(link.at)),
            ExpiredRows::LinkClaims => tables.link_claims.retain(|_, until| keep(*until)),
            ExpiredRows::LoginRequests => tables.login_requests.retain(|request| keep(request.at)),
            ExpiredRows::IdempotencyKeys => {}
        }
        Ok(limit - left)
    }

    async fn ready(&self) -> StoreResult<()> {
        Ok(())
    }
}

/// Returns the later time, unless the stored one was recorded by a clock that was ahead.
fn last_use(stored: Option<Timestamp>, at: Timestamp) -> Timestamp {
    stored.filter(|stored| *stored <= at + CLOCK_TOLERANCE).map_or(at, |stored| stored.max(at))
}
