//! The worker's own view of its leases: judged by this process's monotonic clock from an instant
//! before the claim was sent, so that it ends before the database's view does.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::wake::{Waker, Wakes};

/// The right to perform a job. The queue counts a slot as taken, and keeps the lease alive by
/// heartbeats, until the last clone is dropped: keep one until the job is settled.
#[derive(Clone, Debug)]
pub struct Lease(Arc<Term>);

#[derive(Debug)]
struct Term {
    key: (Uuid, i64),
    queue: String,
    length: Duration,
    cancelled: CancellationToken,
    /// When the job may be begun, if its queue has a rate.
    start: Mutex<Option<Instant>>,
    /// When the claim or the last heartbeat was sent; none once the lease is known to be lost.
    since: Mutex<Option<Instant>>,
    leases: Leases,
}

impl Lease {
    /// Whether the job is surely still this worker's. Ask right before anything that must not be
    /// done twice: a process that was stopped for longer than its lease finds out here. (A
    /// machine that was suspended does not: its monotonic clock stood still.)
    pub fn held(&self) -> bool {
        !self.remaining().is_zero()
    }

    /// For how long the lease surely holds without another heartbeat. A tenth of the lease is
    /// kept back for the time a call takes and for clocks that run unevenly.
    pub fn remaining(&self) -> Duration {
        let length = self.0.length.mul_f64(0.9);
        lock(&self.0.since).map_or(Duration::ZERO, |since| length.saturating_sub(since.elapsed()))
    }

    /// Whether it is known that someone asked for the job to be [cancelled](crate::cancel).
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.is_cancelled()
    }

    /// Resolves when that is known, which takes a second or so: then end, and settle as
    /// [`Outcome::Cancelled`](crate::Outcome::Cancelled), or as what was achieved anyway.
    pub async fn cancelled(&self) {
        self.0.cancelled.cancelled().await;
    }

    /// A lease of no queue, for tests of handlers.
    pub fn lasting(length: Duration) -> Self {
        Leases::default().grant((Uuid::nil(), 0), "", Instant::now(), length)
    }

    /// Cancels it as if an operator had, for tests of handlers.
    pub fn cancel(&self) {
        self.0.cancelled.cancel();
    }

    pub(crate) fn start(&self, at: Instant) {
        *lock(&self.0.start) = Some(at);
    }

    pub(crate) fn start_at(&self) -> Option<Instant> {
        *lock(&self.0.start)
    }
}

impl Drop for Term {
    fn drop(&mut self) {
        lock(&self.leases.live).remove(&self.key);
        self.leases.freed.wake();
    }
}

type Terms = HashMap<(Uuid, i64), Weak<Term>>;

/// The leases in this process's hands, by job and fence.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leases {
    live: Arc<Mutex<Terms>>,
    freed: Waker,
}

impl Leases {
    pub(crate) fn grant(
        &self,
        key: (Uuid, i64),
        queue: &str,
        since: Instant,
        length: Duration,
    ) -> Lease {
        let term = Arc::new(Term {
            key,
            queue: queue.to_owned(),
            length,
            cancelled: CancellationToken::new(),
            start: Mutex::default(),
            since: Mutex::new(Some(since)),
            leases: self.clone(),
        });
        lock(&self.live).insert(key, Arc::downgrade(&term));
        Lease(term)
    }

    /// A lease that was lost, or given back while a heartbeat was under way, stays lost.
    pub(crate) fn renew(&self, lease: (Uuid, i64), since: Instant) {
        if let Some(term) = self.term(lease) {
            let mut known = lock(&term.since);
            *known = known.map(|known| known.max(since));
        }
    }

    pub(crate) fn lose(&self, lease: (Uuid, i64)) {
        if let Some(term) = self.term(lease) {
            *lock(&term.since) = None;
        }
    }

    fn term(&self, lease: (Uuid, i64)) -> Option<Arc<Term>> {
        lock(&self.live).get(&lease).and_then(Weak::upgrade)
    }

    pub(crate) fn count(&self) -> usize {
        lock(&self.live).len()
    }

    pub(crate) fn count_of(&self, queue: &str) -> usize {
        self.terms().iter().filter(|term| term.queue == queue).count()
    }

    pub(crate) fn cancel(&self, lease: (Uuid, i64)) {
        if let Some(term) = self.term(lease) {
            term.cancelled.cancel();
        }
    }

    /// Those not known to be cancelled, nor lost.
    pub(crate) fn heedless(&self) -> Vec<(Uuid, i64)> {
        let heedless =
            |term: &&Arc<Term>| !term.cancelled.is_cancelled() && lock(&term.since).is_some();
        self.terms().iter().filter(heedless).map(|term| term.key).collect()
    }

    /// Not under the lock: whoever drops the last clone of a lease needs it.
    fn terms(&self) -> Vec<Arc<Term>> {
        lock(&self.live).values().filter_map(Weak::upgrade).collect()
    }

    /// Those not lost that were claimed or extended at least so long ago.
    pub(crate) fn aged(&self, age: Duration) -> Vec<(Uuid, i64)> {
        let aged = |term: &&Arc<Term>| lock(&term.since).is_some_and(|at| at.elapsed() >= age);
        self.terms().iter().filter(aged).map(|term| term.key).collect()
    }

    /// Tells those who wait for a slot to look again.
    pub(crate) fn stir(&self) {
        self.freed.wake();
    }

    /// Tells whenever a slot became free.
    pub(crate) fn freed(&self) -> Wakes {
        self.freed.subscribe()
    }
}

/// None of these locks is held over anything that can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
