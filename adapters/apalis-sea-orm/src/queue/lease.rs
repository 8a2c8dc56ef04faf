//! The worker's view of its leases. Their age is measured by this process's monotonic clock from
//! an instant before the claim was sent, so a lease ends here before it ends in the database.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::slots::Slot;
use crate::{
    entity::job,
    waker::{WakeReceiver, Waker},
};

/// The right to process a job. Until the last clone is dropped, the job counts towards its worker's
/// concurrency and heartbeats extend the lease; keep one until the job is settled.
#[derive(Clone, Debug)]
pub struct JobLease(Arc<LeaseState>);

#[derive(Debug)]
struct LeaseState {
    key: (Uuid, i64),
    queue: String,
    claimed_at: Instant,
    length: Duration,
    phase: Mutex<Phase>,
    /// When the claim or the latest heartbeat was sent; `None` once the lease is known to be lost.
    renewed_at: Mutex<Option<Instant>>,
    leases: Leases,
}

/// How far a job has come. It counts towards its worker's concurrency until it has finished.
#[derive(Debug)]
enum Phase {
    /// It has not called `wait_for_start`.
    Claimed,
    /// Its handler works, from `wait_for_start` on.
    Running { _slot: Slot },
    /// At most its result has yet to be written.
    Finished,
}

impl JobLease {
    /// Returns whether this worker certainly still holds the job. Check this immediately before
    /// anything that must not happen twice: a process that was stopped for longer than its lease
    /// gets `false`. (It cannot detect a suspended machine, whose monotonic clock stood still.)
    pub fn is_valid(&self) -> bool {
        !self.remaining().is_zero()
    }

    /// Returns how long the lease certainly lasts without another heartbeat. One tenth of its
    /// length is reserved for the duration of a call and for clocks that run at different speeds.
    pub fn remaining(&self) -> Duration {
        let length = self.0.length.mul_f64(0.9);
        let renewed_at = lock(&self.0.renewed_at);
        renewed_at.map_or(Duration::ZERO, |at| length.saturating_sub(at.elapsed()))
    }

    /// Creates a lease that belongs to no queue, for tests of handlers.
    pub fn detached(length: Duration) -> Self {
        Leases::default().grant((Uuid::nil(), 0), "", Instant::now(), length)
    }

    /// Lets the worker claim and start another job already. Call it when the handler has only the
    /// result left to write. Heartbeats extend the lease as before.
    pub fn free_slot(&self) {
        *lock(&self.0.phase) = Phase::Finished;
        self.0.leases.freed.wake();
    }

    /// Returns whether the job has not taken a slot yet.
    pub(super) fn is_unstarted(&self) -> bool {
        self.0.is_unstarted()
    }

    /// Keeps a slot until the job has finished.
    pub(super) fn occupy(&self, slot: Slot) {
        let mut phase = lock(&self.0.phase);
        if matches!(*phase, Phase::Claimed) {
            *phase = Phase::Running { _slot: slot };
        }
    }
}

impl LeaseState {
    fn is_unfinished(&self) -> bool {
        !matches!(*lock(&self.phase), Phase::Finished)
    }

    fn is_unstarted(&self) -> bool {
        matches!(*lock(&self.phase), Phase::Claimed)
    }
}

impl Drop for LeaseState {
    fn drop(&mut self) {
        lock(&self.leases.live).remove(&self.key);
        self.leases.freed.wake();
    }
}

type LiveLeases = HashMap<(Uuid, i64), Weak<LeaseState>>;

/// This process's leases, by job id and fence.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leases {
    live: Arc<Mutex<LiveLeases>>,
    freed: Waker,
}

impl Leases {
    pub(crate) fn grant(
        &self,
        key: (Uuid, i64),
        queue: &str,
        claimed_at: Instant,
        length: Duration,
    ) -> JobLease {
        let lease = Arc::new(LeaseState {
            key,
            queue: queue.to_owned(),
            claimed_at,
            length,
            phase: Mutex::new(Phase::Claimed),
            renewed_at: Mutex::new(Some(claimed_at)),
            leases: self.clone(),
        });
        lock(&self.live).insert(key, Arc::downgrade(&lease));
        JobLease(lease)
    }

    /// Records a successful heartbeat. A lease that was lost or released while the heartbeat was in
    /// flight stays lost.
    pub(crate) fn renew(&self, key: (Uuid, i64), at: Instant) {
        if let Some(lease) = self.get(key) {
            let mut renewed_at = lock(&lease.renewed_at);
            *renewed_at = renewed_at.map(|known| known.max(at));
        }
    }

    pub(crate) fn lose(&self, key: (Uuid, i64)) {
        if let Some(lease) = self.get(key) {
            *lock(&lease.renewed_at) = None;
        }
    }

    fn get(&self, key: (Uuid, i64)) -> Option<Arc<LeaseState>> {
        lock(&self.live).get(&key).and_then(Weak::upgrade)
    }

    pub(crate) fn count(&self) -> usize {
        lock(&self.live).len()
    }

    /// The number of jobs that count towards the worker's concurrency.
    pub(crate) fn unfinished(&self) -> usize {
        self.all().iter().filter(|lease| lease.is_unfinished()).count()
    }

    /// The number of jobs of these queues that count towards the worker's concurrency.
    pub(crate) fn unfinished_of(&self, queues: &[String]) -> usize {
        let leases = self.all();
        leases.iter().filter(|lease| lease.is_unfinished() && queues.contains(&lease.queue)).count()
    }

    /// The number of jobs of these queues that have no slot yet and were claimed less than `age` ago.
    pub(crate) fn unstarted_of(&self, queues: &[String], age: Duration) -> usize {
        let leases = self.all();
        let is_recent =
            |lease: &&Arc<LeaseState>| lease.is_unstarted() && lease.claimed_at.elapsed() < age;
        leases.iter().filter(is_recent).filter(|lease| queues.contains(&lease.queue)).count()
    }

    /// The leases that are not lost and were last renewed at least `age` ago.
    pub(crate) fn older_than(&self, age: Duration) -> Vec<(Uuid, i64)> {
        let is_older = |lease: &&Arc<LeaseState>| {
            lock(&lease.renewed_at).is_some_and(|at| at.elapsed() >= age)
        };
        self.all().iter().filter(is_older).map(|lease| lease.key).collect()
    }

    /// Copies the leases out of the lock, which dropping the last clone of one needs.
    fn all(&self) -> Vec<Arc<LeaseState>> {
        lock(&self.live).values().filter_map(Weak::upgrade).collect()
    }

    /// Makes the task that waits for free slots try to claim again.
    pub(crate) fn notify(&self) {
        self.freed.wake();
    }

    /// Returns a receiver that is notified whenever a slot becomes free.
    pub(crate) fn freed(&self) -> WakeReceiver {
        self.freed.subscribe()
    }
}

/// Leases that end later than any that is granted now: the database's clock was set back after they
/// were granted. They count as expired when no heartbeat has replaced them for a lease's length.
#[derive(Clone, Debug, Default)]
pub(crate) struct OverlongLeases(Arc<Mutex<OverlongEnds>>);

/// By job id and fence: the lease's end, and when it was first seen.
type OverlongEnds = HashMap<(Uuid, i64), (i64, Instant)>;

impl OverlongLeases {
    /// Records the overlong leases that exist now, and returns the jobs whose lease has not changed
    /// for at least `length`.
    pub(crate) fn unchanged(&self, jobs: Vec<job::Model>, length: Duration) -> Vec<job::Model> {
        let mut known = lock(&self.0);
        let mut seen = HashMap::new();
        let mut unchanged = Vec::new();
        for job in jobs {
            let (key, end) = ((job.id, job.fence), job.lease_until.unwrap_or_default());
            let since = known.get(&key).filter(|(known, _)| *known == end);
            let since = since.map_or_else(Instant::now, |(_, since)| *since);
            seen.insert(key, (end, since));
            if since.elapsed() >= length {
                unchanged.push(job);
            }
        }
        *known = seen;
        unchanged
    }
}

/// Ignores poisoning: nothing that can panic runs while one of this crate's locks is held.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
