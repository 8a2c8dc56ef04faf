//! Protects Stytch from us and our invitations from its outages: what every call comes to decides
//! whether this worker goes on calling, and how fast.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use apalis_sea_orm::{Queue, hasten, hold_rate};
use guestlist_database::{Database, PROVIDER_RATE};
use guestlist_domain::{
    Clock, HeldBy, Outage, ProviderError, ProviderErrorKind, QueueName, WorkerReport, ProviderHealth,
};
use guestlist_stytch::StytchProvider;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::advice;
use crate::circuit::{Circuit, Order};

/// How often a worker that is not at its full rate looks what to do.
const TICK: Duration = Duration::from_millis(250);
/// So many refusals without a `Retry-After` in a second concern all of us, not one address.
const REFUSALS: u32 = 3;
/// Stytch's windows are fixed, and the shortest is a second.
const WINDOW: Duration = Duration::from_secs(1);
/// A longer wait than this is looked at again.
const LONGEST_HOLD: Duration = Duration::from_mins(15);
/// Stytch thinks that too few of our mails lead to a login: bulk mail makes that worse.
const BULK_HOLD: Duration = Duration::from_mins(1);

/// What one worker knows of Stytch. Clones are the same.
#[derive(Clone)]
pub struct Protection(Arc<Inner>);

struct Inner {
    known: Mutex<Known>,
    changed: Notify,
    clock: Arc<dyn Clock>,
    authenticate_url: String,
    full_rate: f64,
}

struct Known {
    circuit: Circuit,
    /// For how long nothing is to start, which all workers are to be told.
    hold: Option<Duration>,
    /// Refusals without a `Retry-After`, and since when.
    refusals: (Instant, u32),
    /// Until when bulk mail is held, and the same as others are told it.
    bulk_until: Option<(Instant, Timestamp)>,
}

/// What is in force.
#[derive(Debug, Default, PartialEq)]
struct InForce {
    held: Vec<&'static str>,
    rate: Option<f64>,
}

impl std::fmt::Debug for Protection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Protection").field("report", &self.report()).finish_non_exhaustive()
    }
}

impl Protection {
    /// All is well, as far as is known; `full_rate` is in calls a second.
    pub fn new(clock: Arc<dyn Clock>, full_rate: f64, authenticate_url: String) -> Self {
        let now = Instant::now();
        let circuit = Circuit::new(full_rate, now);
        let known = Known { circuit, hold: None, refusals: (now, 0), bulk_until: None };
        let changed = Notify::new();
        Self(Arc::new(Inner {
            known: Mutex::new(known),
            changed,
            clock,
            authenticate_url,
            full_rate,
        }))
    }

    /// What everybody may read of it.
    pub fn report(&self) -> WorkerReport {
        let known = self.known();
        WorkerReport {
            health: known.circuit.standing().clone(),
            bulk_until: known.bulk_until.map(|(_, at)| at),
        }
    }

    /// Why this worker calls nobody now.
    pub fn held_by(&self) -> Option<HeldBy> {
        self.known().circuit.held_by()
    }

    /// The last time in which it called nobody.
    pub fn last_outage(&self) -> Option<Outage> {
        self.known().circuit.last_outage()
    }

    /// What is wrong and what to do about it, where that is up to us.
    pub fn advice(&self) -> Option<advice::Advice> {
        match self.known().circuit.standing() {
            ProviderHealth::Misconfigured(trouble) => {
                Some(advice::advice(trouble, &self.0.authenticate_url))
            }
            _ => None,
        }
    }

    /// Notes what came of a call.
    pub fn note(&self, error: Option<&ProviderError>) {
        let (now, time) = (Instant::now(), self.0.clock.now());
        let mut known = self.known();
        let before = known.circuit.standing().as_str();
        known.circuit.note(error, now, time);
        if let Some(error) = error {
            known.slow_down(error, now, time);
        }
        self.tell(known, before);
    }

    fn probed(&self, error: Option<&ProviderError>) {
        let mut known = self.known();
        let before = known.circuit.standing().as_str();
        known.circuit.probed(error, Instant::now(), self.0.clock.now());
        self.tell(known, before);
    }

    /// Tells the log, and whoever acts on it.
    fn tell(&self, known: MutexGuard<'_, Known>, before: &str) {
        let standing = known.circuit.standing().clone();
        drop(known);
        self.0.changed.notify_one();
        if standing.as_str() == before {
            return;
        }
        match &standing {
            ProviderHealth::Ok => tracing::info!("Stytch is called at the full rate again"),
            ProviderHealth::Recovering(_) => {
                tracing::info!("Stytch answers again; sending grows back to its full rate");
            }
            ProviderHealth::Down(trouble) => {
                let (code, message) = (&trouble.code, &trouble.message);
                tracing::warn!(%code, message, "Stytch does not answer: nothing is sent until it does");
            }
            ProviderHealth::Misconfigured(trouble) => {
                let advice = advice::advice(trouble, &self.0.authenticate_url);
                let (code, message) = (&trouble.code, &trouble.message);
                let (problem, fix) = (advice.problem, advice.fix);
                tracing::error!(%code, message, fix, "{problem}: nothing is sent until that is mended");
            }
        }
    }

    /// Does what is to be done until told to stop: holds and releases the queues, asks a silent
    /// Stytch whether it is back.
    pub async fn keep(
        self,
        queue: Queue,
        database: Database,
        provider: Arc<StytchProvider>,
        stop: CancellationToken,
    ) {
        // A wrong secret is known before anybody waits for a mail.
        let first = stop.run_until_cancelled(provider.check_credentials()).await;
        if let Some(Err(error)) = first
            && error.kind == ProviderErrorKind::Misconfigured
        {
            self.note(Some(&error));
        }
        let mut in_force = InForce::default();
        let mut reported = None;
        while !stop.is_cancelled() {
            let calm = self.enforce(&queue, &database, &mut in_force).await;
            let report = self.report();
            if reported.as_ref().is_some_and(|told| *told != report)
                && let Err(error) = queue.report().await
            {
                tracing::debug!(%error, "how it stands could not be reported now");
            }
            reported = Some(report);
            let is_probe_due = self.known().circuit.is_probe_due(Instant::now());
            if is_probe_due {
                let was_held = self.held_by().is_some();
                let answer = stop.run_until_cancelled(provider.check_credentials()).await;
                if let Some(answer) = answer {
                    self.probed(answer.as_ref().err());
                }
                if was_held && self.held_by().is_none() {
                    self.hasten(&queue, &database).await;
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.0.changed.notified() => {}
                () = tokio::time::sleep(TICK), if !calm || self.is_suspicious() => {}
            }
        }
    }

    /// Tells the queue what is so by now; answers whether nothing more is to be done until
    /// something happens.
    async fn enforce(&self, queue: &Queue, database: &Database, in_force: &mut InForce) -> bool {
        self.hold_others(database).await;
        let (order, is_bulk_held) = self.order();
        let (held, rate): (Vec<_>, _) = match order {
            Order::Hold => (names(QueueName::calls_provider), in_force.rate),
            Order::Release(rate) => {
                let bulk = |queue: QueueName| queue == QueueName::Invitation && is_bulk_held;
                (names(bulk), Some(rate.unwrap_or(self.0.full_rate)))
            }
        };
        if rate != in_force.rate
            && let Some(rate) = rate
        {
            queue.set_rate(rate);
        }
        if held != in_force.held {
            queue.hold(&held);
            let free: Vec<_> = in_force.held.iter().filter(|name| !held.contains(name)).collect();
            queue.release(&free);
        }
        *in_force = InForce { held, rate };
        matches!(order, Order::Release(None)) && !is_bulk_held
    }

    fn is_suspicious(&self) -> bool {
        self.known().circuit.is_suspicious()
    }

    /// What the circuit says, and whether bulk mail is held beyond that.
    fn order(&self) -> (Order, bool) {
        let mut known = self.known();
        let before = known.circuit.standing().as_str();
        let now = Instant::now();
        let order = known.circuit.order(now);
        known.bulk_until = known.bulk_until.filter(|(until, _)| now < *until);
        let is_bulk_held = known.bulk_until.is_some();
        if known.circuit.standing().as_str() != before {
            self.tell(known, before);
        }
        (order, is_bulk_held)
    }

    /// The pauses after failures grew while Stytch was away, and mean nothing now.
    async fn hasten(&self, queue: &Queue, database: &Database) {
        let queues: Vec<_> =
            names(QueueName::calls_provider).iter().map(ToString::to_string).collect();
        match hasten(database.write(), &queues, self.0.clock.now()).await {
            Ok(_) => queue.options().waker.wake(),
            Err(error) => {
                tracing::warn!(%error, "what failed while Stytch was away waits for its own time");
            }
        }
    }

    /// Tells all workers to wait, where Stytch said so.
    async fn hold_others(&self, database: &Database) {
        let Some(pause) = self.known().hold.take() else { return };
        if let Err(error) = hold_rate(database.write().pool(), PROVIDER_RATE, pause).await {
            tracing::warn!(%error, "the other workers could not be told to wait; they will be refused too");
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// A 429 holds all workers, where it concerns all.
    fn slow_down(&mut self, error: &ProviderError, now: Instant, time: Timestamp) {
        let after = match error.kind {
            ProviderErrorKind::RateLimited(after) => after,
            ProviderErrorKind::BulkMailLimited(after) => {
            let hold = after.unwrap_or_default().clamp(BULK_HOLD, LONGEST_HOLD);
            self.bulk_until = Some((now + hold, time + hold));
            return;
            }
            _ => return,
        };
        if after.is_none() {
            let (since, refusals) = &mut self.refusals;
            if now.duration_since(*since) > WINDOW {
                (*since, *refusals) = (now, 0);
            }
            *refusals += 1;
            if *refusals < REFUSALS {
                return;
            }
        }
        let hold = after.unwrap_or(WINDOW).min(LONGEST_HOLD);
        self.hold = self.hold.max(Some(hold));
    }
}

fn names(which: impl Fn(QueueName) -> bool) -> Vec<&'static str> {
    let all = QueueName::ALL.iter().copied();
    all.filter(|queue| which(*queue)).map(QueueName::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Timestamp = Timestamp::UNIX_EPOCH;

    fn known() -> Known {
        let now = Instant::now();
        let circuit = Circuit::new(100.0, now);
        Known { circuit, hold: None, refusals: (now, 0), bulk_until: None }
    }

    fn refused(code: &str, after: Option<Duration>) -> ProviderError {
        let kind = match code {
            "too_few_tokens_authenticated" => ProviderErrorKind::BulkMailLimited(after),
            _ => ProviderErrorKind::RateLimited(after),
        };
        ProviderError { kind, code: code.to_owned(), message: String::new(), request_id: None }
    }

    #[test]
    fn a_retry_after_holds_all_and_the_longest_counts() {
        let mut known = known();
        for seconds in [1, 7, 3] {
            let after = Some(Duration::from_secs(seconds));
            known.slow_down(&refused("too_many_requests", after), Instant::now(), TIME);
        }
        assert_eq!(known.hold, Some(Duration::from_secs(7)));
        known.slow_down(&refused("x", Some(Duration::from_hours(9))), Instant::now(), TIME);
        assert_eq!(known.hold, Some(LONGEST_HOLD));
    }

    #[test]
    fn one_refused_address_holds_nobody_else_and_several_do() {
        let (mut known, now) = (known(), Instant::now());
        let refusal = refused("too_many_requests", None);
        known.slow_down(&refusal, now, TIME);
        known.slow_down(&refusal, now, TIME);
        assert_eq!(known.hold, None);
        // Another second begins another count.
        known.slow_down(&refusal, now + WINDOW * 2, TIME);
        assert_eq!(known.hold, None);
        known.slow_down(&refusal, now + WINDOW * 2, TIME);
        known.slow_down(&refusal, now + WINDOW * 2, TIME);
        assert_eq!(known.hold, Some(WINDOW));
    }

    #[test]
    fn too_few_logins_hold_bulk_mail_and_nothing_else() {
        let (mut known, now) = (known(), Instant::now());
        let code = "too_few_tokens_authenticated";
        known.slow_down(&refused(code, None), now, TIME);
        assert_eq!(
            (known.hold, known.bulk_until),
            (None, Some((now + BULK_HOLD, TIME + BULK_HOLD)))
        );
        known.slow_down(&refused(code, Some(Duration::from_hours(24))), now, TIME);
        assert_eq!(known.bulk_until, Some((now + LONGEST_HOLD, TIME + LONGEST_HOLD)));
    }

    #[test]
    fn what_calls_stytch_is_held_and_the_rest_is_not() {
        assert_eq!(names(QueueName::calls_provider), ["login", "invitation", "provider"]);
    }
}
