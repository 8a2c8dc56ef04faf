//! A circuit breaker for calls to the provider. It opens when calls fail, so that an outage charges
//! no attempts, and closes through a ramp, so that jobs that waited do not all run at once. Callers
//! pass the time, so it does no I/O.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use guestlist_domain::{
    HealthIssue, HeldBy, Outage, ProviderError, ProviderErrorKind, ProviderHealth,
};
use jiff::Timestamp;

/// Period over which calls are counted.
const WINDOW: Duration = Duration::from_secs(10);
/// Failures in the window that open the circuit, if they are at least half of all calls.
const OPEN_FAILURES: usize = 10;
/// Consecutive failures after which the provider is probed, for workers that make too few calls to
/// reach [`OPEN_FAILURES`].
const SUSPICIOUS_FAILURES: u32 = 5;
/// An outage that starts within this time after the previous one continues it: the
/// probe succeeds, but other calls fail.
const RELAPSE_WINDOW: Duration = Duration::from_mins(1);
/// Longest interval between the probes of a repeated outage.
const MAX_PROBE_INTERVAL: Duration = Duration::from_secs(30);
/// Interval between probes of an unavailable provider.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// Interval between probes of a misconfigured provider.
const CONFIGURATION_PROBE_INTERVAL: Duration = Duration::from_secs(30);
/// First rate of the ramp, in calls per second. It doubles every second.
const INITIAL_RATE: f64 = 10.0;

/// Whether jobs that call the provider may be claimed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Admission {
    /// No such jobs may be claimed.
    Closed,
    /// They may be claimed, at most this many per second; `None` is the full rate.
    Open(Option<f64>),
}

/// A worker's circuit breaker.
#[derive(Debug)]
pub struct Circuit {
    full_rate: f64,
    calls: VecDeque<(Instant, bool)>,
    /// Number of failures in `calls`.
    failures: usize,
    /// Failures since the last success, and the time of the first.
    consecutive_failures: u32,
    failing_since: Option<Timestamp>,
    /// Number of repeated outages.
    relapses: u32,
    recovered_at: Option<Instant>,
    pub health: ProviderHealth,
    /// Start of the recovery, or time of the last probe.
    changed_at: Instant,
    /// The last outage that has ended.
    pub last_outage: Option<Outage>,
}

impl Circuit {
    /// Creates a closed circuit for a full rate in calls per second.
    pub fn new(full_rate: f64, now: Instant) -> Self {
        Self {
            full_rate,
            calls: VecDeque::new(),
            failures: 0,
            consecutive_failures: 0,
            failing_since: None,
            relapses: 0,
            recovered_at: None,
            health: ProviderHealth::Ok,
            changed_at: now,
            last_outage: None,
        }
    }

    /// Returns why no calls are made at present.
    pub fn held_by(&self) -> Option<HeldBy> {
        self.health.held_by()
    }

    /// Records the result of a call.
    pub fn record_call(&mut self, error: Option<&ProviderError>, now: Instant, time: Timestamp) {
        let is_failure = match error.map(|error| (error, error.kind)) {
            // A 429 response says nothing about the provider's health.
            Some((_, kind)) if kind.is_rate_limit() => return,
            Some((error, ProviderErrorKind::Misconfigured)) => {
                return self.set_misconfigured(error, now, time);
            }
            Some((_, ProviderErrorKind::Unavailable | ProviderErrorKind::Doubtful)) => true,
            Some(_) | None => false,
        };
        self.consecutive_failures = if is_failure { self.consecutive_failures + 1 } else { 0 };
        self.failing_since = self.failing_since.or(Some(time)).filter(|_| is_failure);
        self.calls.push_back((now, is_failure));
        self.failures += usize::from(is_failure);
        while let Some((_, was_failure)) =
            self.calls.pop_front_if(|(at, _)| now.duration_since(*at) > WINDOW)
        {
            self.failures -= usize::from(was_failure);
        }
        if let Some(error) = error
            && self.failures >= OPEN_FAILURES
            && self.failures * 2 >= self.calls.len()
        {
            self.open(error, now, time);
        }
    }

    fn open(&mut self, error: &ProviderError, now: Instant, time: Timestamp) {
        if self.held_by().is_some() {
            return;
        }
        let is_relapse =
            self.recovered_at.is_some_and(|at| now.duration_since(at) < RELAPSE_WINDOW);
        self.relapses = if is_relapse { self.relapses + 1 } else { 0 };
        // A relapse during the ramp belongs to the preceding outage.
        let started_at = self.failing_since.unwrap_or(time);
        let since = self.health.issue().map_or(started_at, |issue| issue.since);
        self.health = ProviderHealth::Down(issue(error, since));
        self.changed_at = now;
    }

    fn set_misconfigured(&mut self, error: &ProviderError, now: Instant, time: Timestamp) {
        let since = self.health.issue().map_or(time, |issue| issue.since);
        self.health = ProviderHealth::Misconfigured(issue(error, since));
        self.changed_at = now;
    }

    /// Returns whether so many consecutive calls have failed that the provider must be probed.
    pub fn is_suspicious(&self) -> bool {
        self.consecutive_failures >= SUSPICIOUS_FAILURES
    }

    /// Returns whether the provider must be probed now. A `true` starts the next interval.
    pub fn is_probe_due(&mut self, now: Instant) -> bool {
        let interval = match self.health {
            ProviderHealth::Down(_) => {
                (PROBE_INTERVAL * (1 << self.relapses.min(6))).min(MAX_PROBE_INTERVAL)
            }
            ProviderHealth::Misconfigured(_) => CONFIGURATION_PROBE_INTERVAL,
            ProviderHealth::Ok | ProviderHealth::Recovering(_) if self.is_suspicious() => {
                PROBE_INTERVAL
            }
            ProviderHealth::Ok | ProviderHealth::Recovering(_) => return false,
        };
        let is_due = now.duration_since(self.changed_at) >= interval;
        if is_due {
            self.changed_at = now;
        }
        is_due
    }

    /// Records the result of a probe.
    pub fn record_probe(&mut self, error: Option<&ProviderError>, now: Instant, time: Timestamp) {
        let failure = error.filter(|error| !is_response(error));
        match (self.held_by(), failure) {
            (_, Some(error)) if error.kind == ProviderErrorKind::Misconfigured => {
                self.set_misconfigured(error, now, time);
            }
            (None, Some(error)) => self.open(error, now, time),
            // The provider answers, so the failures have another cause.
            (None, None) => self.consecutive_failures = 0,
            (Some(_), Some(error)) => {
                let since = self.health.issue().map_or(time, |issue| issue.since);
                self.health = ProviderHealth::Down(issue(error, since));
                // The next probe must not follow a slow one immediately.
                self.changed_at = now;
            }
            (Some(by), None) => self.recover(by, now, time),
        }
    }

    fn recover(&mut self, by: HeldBy, now: Instant, time: Timestamp) {
        let Some(issue) = self.health.issue().cloned() else { return };
        self.last_outage = Some(Outage { from: issue.since, to: time, by });
        self.health = ProviderHealth::Recovering(issue);
        self.calls.clear();
        (self.failures, self.consecutive_failures) = (0, 0);
        (self.changed_at, self.recovered_at) = (now, Some(now));
    }

    /// Returns the present decision. The end of the ramp closes the circuit.
    pub fn admission(&mut self, now: Instant) -> Admission {
        match self.health {
            ProviderHealth::Ok => Admission::Open(None),
            ProviderHealth::Down(_) | ProviderHealth::Misconfigured(_) => Admission::Closed,
            ProviderHealth::Recovering(_) => {
                let seconds = now.duration_since(self.changed_at).as_secs();
                let doublings = i32::try_from(seconds).unwrap_or(i32::MAX).min(60);
                let rate = INITIAL_RATE * 2f64.powi(doublings);
                if rate >= self.full_rate {
                    self.health = ProviderHealth::Ok;
                    return Admission::Open(None);
                }
                Admission::Open(Some(rate))
            }
        }
    }
}

/// Returns whether the provider answered and accepted the credentials, though it refused the call.
fn is_response(error: &ProviderError) -> bool {
    error.kind.is_rejection() || error.kind.is_rate_limit()
}

fn issue(error: &ProviderError, since: Timestamp) -> HealthIssue {
    HealthIssue { since, code: error.code.clone(), message: error.message.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ProviderErrorKind) -> ProviderError {
        let (code, message) = ("a_code".into(), "a message".into());
        ProviderError { kind, code, message, request_id: None }
    }

    struct TestCircuit {
        circuit: Circuit,
        now: Instant,
        time: Timestamp,
    }

    impl TestCircuit {
        fn new() -> Self {
            let now = Instant::now();
            Self { circuit: Circuit::new(100.0, now), now, time: Timestamp::UNIX_EPOCH }
        }

        fn advance(&mut self, time: Duration) {
            self.now += time;
            self.time += time;
        }

        fn calls(&mut self, count: usize, kind: Option<ProviderErrorKind>) {
            let error = kind.map(error);
            for _ in 0..count {
                self.circuit.record_call(error.as_ref(), self.now, self.time);
            }
        }

        fn admission(&mut self) -> Admission {
            self.circuit.admission(self.now)
        }
    }

    #[test]
    fn ten_failures_that_are_half_of_all_calls_open_the_circuit() {
        let mut test = TestCircuit::new();
        test.calls(11, None);
        test.calls(10, Some(ProviderErrorKind::Unavailable));
        assert_eq!(test.admission(), Admission::Open(None), "fewer than half");
        test.calls(1, Some(ProviderErrorKind::Doubtful));
        assert_eq!(test.admission(), Admission::Closed);
        let mut few = TestCircuit::new();
        few.calls(9, Some(ProviderErrorKind::Unavailable));
        assert_eq!(few.admission(), Admission::Open(None), "fewer than ten");
    }

    #[test]
    fn failures_outside_the_window_do_not_count() {
        let mut test = TestCircuit::new();
        test.calls(9, Some(ProviderErrorKind::Unavailable));
        test.advance(Duration::from_secs(11));
        test.calls(9, Some(ProviderErrorKind::Unavailable));
        assert_eq!(test.admission(), Admission::Open(None));
    }

    #[test]
    fn neither_429_responses_nor_rejections_open_the_circuit() {
        let mut test = TestCircuit::new();
        test.calls(100, Some(ProviderErrorKind::RateLimited(None)));
        test.calls(100, Some(ProviderErrorKind::Rejected));
        assert_eq!(test.admission(), Admission::Open(None));
    }

    #[test]
    fn an_answered_probe_starts_the_ramp() {
        let mut test = TestCircuit::new();
        test.calls(10, Some(ProviderErrorKind::Unavailable));
        assert!(!test.circuit.is_probe_due(test.now));
        test.advance(PROBE_INTERVAL);
        assert!(test.circuit.is_probe_due(test.now));
        assert!(!test.circuit.is_probe_due(test.now), "due only once");
        let refusal = error(ProviderErrorKind::Unavailable);
        test.circuit.record_probe(Some(&refusal), test.now, test.time);
        assert_eq!(test.admission(), Admission::Closed);
        test.advance(PROBE_INTERVAL);
        test.circuit.record_probe(None, test.now, test.time);
        let rates: Vec<Admission> = (0..5)
            .map(|_| {
                let order = test.admission();
                test.advance(Duration::from_secs(1));
                order
            })
            .collect();
        let some = |rate| Admission::Open(Some(rate));
        assert_eq!(rates, [some(10.0), some(20.0), some(40.0), some(80.0), Admission::Open(None)]);
        assert_eq!(test.circuit.health, ProviderHealth::Ok);
        let Outage { from, to, by } = test.circuit.last_outage.unwrap();
        assert_eq!((to.duration_since(from).as_secs(), by), (2, HeldBy::ProviderDown));
    }

    #[test]
    fn a_relapse_continues_the_same_outage() {
        let mut test = TestCircuit::new();
        test.calls(10, Some(ProviderErrorKind::Unavailable));
        test.advance(PROBE_INTERVAL);
        test.circuit.record_probe(None, test.now, test.time);
        test.calls(10, Some(ProviderErrorKind::Unavailable));
        assert_eq!(test.admission(), Admission::Closed);
        let ProviderHealth::Down(issue) = &test.circuit.health else { panic!("open") };
        assert_eq!(issue.since, Timestamp::UNIX_EPOCH);
    }

    #[test]
    fn consecutive_failures_cause_a_probe_that_decides() {
        let refusal = error(ProviderErrorKind::Unavailable);
        let failing = |every: u64| {
            let mut test = TestCircuit::new();
            for _ in 0..SUSPICIOUS_FAILURES {
                assert!(!test.circuit.is_probe_due(test.now));
                test.calls(1, Some(ProviderErrorKind::Unavailable));
                test.advance(Duration::from_secs(every));
            }
            assert!(test.circuit.is_probe_due(test.now));
            test
        };
        let mut failed = failing(60);
        failed.circuit.record_probe(Some(&refusal), failed.now, failed.time);
        assert_eq!(failed.admission(), Admission::Closed);
        let since = failed.circuit.health.issue().unwrap().since;
        assert_eq!(since, Timestamp::UNIX_EPOCH, "since the first failure");
        let mut recovered = failing(60);
        recovered.circuit.record_probe(None, recovered.now, recovered.time);
        assert_eq!(recovered.admission(), Admission::Open(None));
        recovered.advance(PROBE_INTERVAL);
        assert!(
            !recovered.circuit.is_probe_due(recovered.now),
            "not before the next five failures"
        );
        let mut mixed = TestCircuit::new();
        for _ in 0..20 {
            mixed.calls(4, Some(ProviderErrorKind::Unavailable));
            mixed.calls(1, None);
            mixed.advance(Duration::from_mins(1));
            assert!(!mixed.circuit.is_probe_due(mixed.now));
        }
    }

    #[test]
    fn a_repeated_outage_is_probed_less_often() {
        let mut test = TestCircuit::new();
        for pause in [1, 2, 4, 8] {
            test.calls(10, Some(ProviderErrorKind::Unavailable));
            test.advance(Duration::from_millis(pause * 1000 - 1));
            assert!(!test.circuit.is_probe_due(test.now), "{pause} s");
            test.advance(Duration::from_millis(1));
            assert!(test.circuit.is_probe_due(test.now), "{pause} s");
            test.circuit.record_probe(None, test.now, test.time);
        }
        test.advance(RELAPSE_WINDOW);
        let _ = test.admission();
        test.calls(10, Some(ProviderErrorKind::Unavailable));
        test.advance(PROBE_INTERVAL);
        assert!(test.circuit.is_probe_due(test.now), "another outage");
    }

    #[test]
    fn one_misconfiguration_error_opens_the_circuit() {
        let mut test = TestCircuit::new();
        test.calls(1, Some(ProviderErrorKind::Misconfigured));
        assert_eq!(test.admission(), Admission::Closed);
        test.advance(Duration::from_secs(29));
        assert!(!test.circuit.is_probe_due(test.now));
        test.advance(Duration::from_secs(1));
        assert!(test.circuit.is_probe_due(test.now));
        test.circuit.record_probe(None, test.now, test.time);
        assert_eq!(test.admission(), Admission::Open(Some(INITIAL_RATE)));
    }
}
