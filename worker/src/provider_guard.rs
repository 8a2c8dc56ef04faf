//! Protects the provider from overload, and jobs from the provider's outages: the result of each
//! call decides whether this worker continues to call, and at what rate.

pub mod circuit;
pub mod instrumented_provider;
mod rate_holds;
pub mod remediation;

use std::sync::Arc;
use std::time::{Duration, Instant};

use apalis_sea_orm::{JobQueue, hold_rate, retry_now};
use guestlist_database::{Database, PROVIDER_RATE};
use guestlist_domain::{
    Clock, HeldBy, Outage, ProviderError, ProviderErrorKind, ProviderHealth, QueueName,
    WorkerReport,
};
use guestlist_stytch::StytchProvider;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use circuit::{Admission, Circuit};
use rate_holds::RateHolds;
use remediation::{Remediation, remediation};

/// How often the guard runs while the worker is not at its full rate.
const TICK: Duration = Duration::from_millis(250);

/// One worker's view of the provider. Clones share their state.
#[derive(Clone)]
pub struct ProviderGuard(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    changed: Notify,
    clock: Arc<dyn Clock>,
    authenticate_url: String,
    full_rate: f64,
}

struct State {
    circuit: Circuit,
    rate_holds: RateHolds,
}

/// The settings that were last applied to the queue.
#[derive(Debug, Default, PartialEq)]
struct Applied {
    suspended: Vec<&'static str>,
    rate: Option<f64>,
}

impl std::fmt::Debug for ProviderGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderGuard").field("report", &self.report()).finish_non_exhaustive()
    }
}

impl ProviderGuard {
    /// Creates a guard that allows `full_rate` calls per second.
    pub fn new(clock: Arc<dyn Clock>, full_rate: f64, authenticate_url: String) -> Self {
        let now = Instant::now();
        let state =
            State { circuit: Circuit::new(full_rate, now), rate_holds: RateHolds::new(now) };
        Self(Arc::new(Inner {
            state: Mutex::new(state),
            changed: Notify::new(),
            clock,
            authenticate_url,
            full_rate,
        }))
    }

    /// The report that this worker publishes in the database.
    pub fn report(&self) -> WorkerReport {
        let state = self.0.state.lock();
        WorkerReport {
            health: state.circuit.health.clone(),
            bulk_until: state.rate_holds.bulk_until(),
        }
    }

    /// Returns why this worker makes no calls at present.
    pub fn held_by(&self) -> Option<HeldBy> {
        self.0.state.lock().circuit.held_by()
    }

    /// Returns the last period in which this worker made no calls.
    pub fn last_outage(&self) -> Option<Outage> {
        self.0.state.lock().circuit.last_outage
    }

    /// Returns the remedy, if the provider refuses the configuration.
    pub fn remediation(&self) -> Option<Remediation> {
        let state = self.0.state.lock();
        let ProviderHealth::Misconfigured(issue) = &state.circuit.health else { return None };
        Some(remediation(issue, &self.0.authenticate_url))
    }

    /// Records the result of a call.
    pub fn record_call(&self, error: Option<&ProviderError>) {
        let (now, time) = (Instant::now(), self.0.clock.now());
        let mut state = self.0.state.lock();
        let before = state.circuit.health.as_str();
        state.circuit.record_call(error, now, time);
        if let Some(error) = error {
            state.rate_holds.record_error(error, now, time);
        }
        self.notify(state, before);
    }

    fn record_probe(&self, error: Option<&ProviderError>) {
        let mut state = self.0.state.lock();
        let before = state.circuit.health.as_str();
        state.circuit.record_probe(error, Instant::now(), self.0.clock.now());
        self.notify(state, before);
    }

    /// Wakes [`run`](Self::run), and logs a change of health.
    fn notify(&self, state: MutexGuard<'_, State>, before: &str) {
        let health = state.circuit.health.clone();
        drop(state);
        self.0.changed.notify_one();
        if health.as_str() == before {
            return;
        }
        match &health {
            ProviderHealth::Ok => tracing::info!("calls to Stytch are at the full rate again"),
            ProviderHealth::Recovering(_) => {
                tracing::info!("Stytch answers again; ramping up to the full rate");
            }
            ProviderHealth::Down(issue) => {
                let (code, message) = (&issue.code, &issue.message);
                tracing::warn!(%code, message, "Stytch is unavailable; nothing is sent until it answers");
            }
            ProviderHealth::Misconfigured(issue) => {
                let Remediation { problem, fix } = remediation(issue, &self.0.authenticate_url);
                let (code, message) = (&issue.code, &issue.message);
                tracing::error!(%code, message, fix, "{problem}; nothing is sent until this is fixed");
            }
        }
    }

    /// Applies the guard's decisions to the queue, and probes an unavailable provider, until `stop`.
    pub async fn run(
        self,
        queue: JobQueue,
        database: Database,
        provider: Arc<StytchProvider>,
        stop: CancellationToken,
    ) {
        self.check_credentials(&provider, &stop).await;
        let mut applied = Applied::default();
        let mut reported = None;
        while !stop.is_cancelled() {
            let is_settled = self.apply(&queue, &database, &mut applied).await;
            let report = self.report();
            if reported.as_ref().is_some_and(|reported| *reported != report)
                && let Err(error) = queue.report().await
            {
                tracing::debug!(%error, "the provider's health was not reported");
            }
            reported = Some(report);
            let is_probe_due = self.0.state.lock().circuit.is_probe_due(Instant::now());
            if is_probe_due {
                self.probe(&queue, &database, &provider, &stop).await;
            }
            let is_suspicious = self.0.state.lock().circuit.is_suspicious();
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.0.changed.notified() => {}
                () = tokio::time::sleep(TICK), if !is_settled || is_suspicious => {}
            }
        }
    }

    /// Detects wrong credentials at the start, before the first mail is due.
    async fn check_credentials(&self, provider: &StytchProvider, stop: &CancellationToken) {
        let result = stop.run_until_cancelled(provider.check_credentials()).await;
        if let Some(Err(error)) = result
            && error.kind == ProviderErrorKind::Misconfigured
        {
            self.record_call(Some(&error));
        }
    }

    async fn probe(
        &self,
        queue: &JobQueue,
        database: &Database,
        provider: &StytchProvider,
        stop: &CancellationToken,
    ) {
        let was_held = self.held_by().is_some();
        let result = stop.run_until_cancelled(provider.check_credentials()).await;
        if let Some(result) = result {
            self.record_probe(result.as_ref().err());
        }
        if was_held && self.held_by().is_none() {
            self.retry_failed(queue, database).await;
        }
    }

    /// Applies the present decisions to the queue. Returns whether they stay the same until the next
    /// call.
    async fn apply(&self, queue: &JobQueue, database: &Database, applied: &mut Applied) -> bool {
        self.hold_all_workers(database).await;
        let (admission, is_bulk_held) = self.decide();
        let (suspended, rate): (Vec<_>, _) = match admission {
            Admission::Closed => (names(QueueName::calls_provider), applied.rate),
            Admission::Open(rate) => {
                let is_held = |queue: QueueName| queue == QueueName::Invitation && is_bulk_held;
                (names(is_held), Some(rate.unwrap_or(self.0.full_rate)))
            }
        };
        if rate != applied.rate
            && let Some(rate) = rate
        {
            queue.set_rate(rate);
        }
        if suspended != applied.suspended {
            queue.suspend(&suspended);
            let resumed = applied.suspended.iter().filter(|name| !suspended.contains(name));
            queue.unsuspend(&resumed.collect::<Vec<_>>());
        }
        *applied = Applied { suspended, rate };
        matches!(admission, Admission::Open(None)) && !is_bulk_held
    }

    /// Returns the circuit's decision, and whether bulk mail is held in addition.
    fn decide(&self) -> (Admission, bool) {
        let mut state = self.0.state.lock();
        let before = state.circuit.health.as_str();
        let now = Instant::now();
        let admission = state.circuit.admission(now);
        let is_bulk_held = state.rate_holds.is_bulk_held(now);
        if state.circuit.health.as_str() != before {
            self.notify(state, before);
        }
        (admission, is_bulk_held)
    }

    /// Makes failed jobs due immediately: their delays grew during the outage and have no meaning
    /// after it.
    async fn retry_failed(&self, queue: &JobQueue, database: &Database) {
        let queues: Vec<_> =
            names(QueueName::calls_provider).iter().map(ToString::to_string).collect();
        match retry_now(database.write(), &queues, self.0.clock.now()).await {
            Ok(_) => queue.options().waker.wake(),
            Err(error) => {
                tracing::warn!(%error, "jobs that failed during the outage keep their delays");
            }
        }
    }

    /// Holds the rate of all workers, if the provider asked for it.
    async fn hold_all_workers(&self, database: &Database) {
        let Some(hold) = self.0.state.lock().rate_holds.hold.take() else { return };
        if let Err(error) = hold_rate(database.write().pool(), PROVIDER_RATE, hold).await {
            tracing::warn!(%error, "the rate of the other workers was not held");
        }
    }
}

fn names(predicate: impl Fn(QueueName) -> bool) -> Vec<&'static str> {
    let all = QueueName::ALL.iter().copied();
    all.filter(|queue| predicate(*queue)).map(QueueName::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_that_call_the_provider_are_suspended_and_others_are_not() {
        assert_eq!(names(QueueName::calls_provider), ["login", "invitation", "provider"]);
    }
}
