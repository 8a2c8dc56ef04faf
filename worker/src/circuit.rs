//! The circuit to Stytch: opens when calls fail, so that an outage costs no attempts, and closes
//! in a ramp, so that what has waited does not all come at once. Pure: it is told the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use guestlist_domain::{HeldBy, Outage, ProviderError, ProviderErrorKind, ProviderHealth, HealthIssue};
use jiff::Timestamp;

/// Calls that are looked at.
const WINDOW: Duration = Duration::from_secs(10);
/// Failures in the window, and half of all its calls, open the circuit.
const FAILURES: usize = 10;
/// Failures without a success between them after which Stytch is asked how it is: where little is
/// sent, ten never come together.
const SUSPICIOUS: u32 = 5;
/// An outage that begins so soon after the last is the same one: what answers the probe is not
/// what fails.
const RELAPSE: Duration = Duration::from_mins(1);
/// How far probes of an outage that comes back are spread.
const PROBE_LONGEST: Duration = Duration::from_secs(30);
/// How soon an outage's end is noticed.
const PROBE_DOWN: Duration = Duration::from_secs(1);
/// How soon a mended configuration is noticed.
const PROBE_MISCONFIGURED: Duration = Duration::from_secs(30);
/// The ramp's first rate, a second; it doubles every second.
const RAMP_FROM: f64 = 10.0;

/// What the worker is to do now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Order {
    /// Take no jobs that call Stytch.
    Hold,
    /// Take them, at most so many a second; none: the full rate.
    Release(Option<f64>),
}

/// The circuit of one worker.
#[derive(Debug)]
pub struct Circuit {
    full_rate: f64,
    calls: VecDeque<(Instant, bool)>,
    /// Of these calls.
    failures: usize,
    /// Failures since the last success, and when the first was.
    in_a_row: u32,
    failing_since: Option<Timestamp>,
    /// Outages in close succession.
    relapses: u32,
    recovered: Option<Instant>,
    standing: ProviderHealth,
    /// Since when it recovers, or when it was last probed.
    turned: Instant,
    ended: Option<Outage>,
}

impl Circuit {
    /// A closed circuit for a rate of calls a second.
    pub fn new(full_rate: f64, now: Instant) -> Self {
        let (calls, standing) = (VecDeque::new(), ProviderHealth::Ok);
        Self {
            full_rate,
            calls,
            failures: 0,
            in_a_row: 0,
            failing_since: None,
            relapses: 0,
            recovered: None,
            standing,
            turned: now,
            ended: None,
        }
    }

    /// How it stands.
    pub fn standing(&self) -> &ProviderHealth {
        &self.standing
    }

    /// The last outage that is over.
    pub fn last_outage(&self) -> Option<Outage> {
        self.ended
    }

    /// Why nothing is sent now.
    pub fn held_by(&self) -> Option<HeldBy> {
        self.standing.held_by()
    }

    /// Notes what came of a call.
    pub fn note(&mut self, error: Option<&ProviderError>, now: Instant, time: Timestamp) {
        let is_failure = match error.map(|error| error.kind) {
            // A 429 is no failure, and says nothing of health either.
            Some(kind) if kind.is_rate_limit() => return,
            Some(ProviderErrorKind::Misconfigured) => {
                if let Some(error) = error {
                    self.misconfigured(error, now, time);
                }
                return;
            }
            Some(ProviderErrorKind::Unavailable | ProviderErrorKind::Doubtful) => true,
            Some(_) | None => false,
        };
        self.in_a_row = if is_failure { self.in_a_row + 1 } else { 0 };
        self.failing_since = self.failing_since.or(Some(time)).filter(|_| is_failure);
        self.calls.push_back((now, is_failure));
        self.failures += usize::from(is_failure);
        while let Some((_, was_failure)) =
            self.calls.pop_front_if(|(at, _)| now.duration_since(*at) > WINDOW)
        {
            self.failures -= usize::from(was_failure);
        }
        if let Some(error) = error
            && self.failures >= FAILURES
            && self.failures * 2 >= self.calls.len()
        {
            self.open(error, now, time);
        }
    }

    fn open(&mut self, error: &ProviderError, now: Instant, time: Timestamp) {
        if self.held_by().is_some() {
            return;
        }
        let is_relapse = self.recovered.is_some_and(|at| now.duration_since(at) < RELAPSE);
        self.relapses = if is_relapse { self.relapses + 1 } else { 0 };
        // A relapse in the ramp belongs to the outage that it falls back into.
        let began = self.failing_since.unwrap_or(time);
        let since = self.standing.issue().map_or(began, |trouble| trouble.since);
        self.standing = ProviderHealth::Down(trouble(error, since));
        self.turned = now;
    }

    fn misconfigured(&mut self, error: &ProviderError, now: Instant, time: Timestamp) {
        let since = self.standing.issue().map_or(time, |trouble| trouble.since);
        self.standing = ProviderHealth::Misconfigured(trouble(error, since));
        self.turned = now;
    }

    /// Whether calls fail one after the other, and it is to be found out why.
    pub fn is_suspicious(&self) -> bool {
        self.in_a_row >= SUSPICIOUS
    }

    /// Whether Stytch is to be asked now whether it is there. Asked for twice, it is due once.
    pub fn is_probe_due(&mut self, now: Instant) -> bool {
        let every = match self.standing {
            ProviderHealth::Down(_) => (PROBE_DOWN * (1 << self.relapses.min(6))).min(PROBE_LONGEST),
            ProviderHealth::Misconfigured(_) => PROBE_MISCONFIGURED,
            ProviderHealth::Ok | ProviderHealth::Recovering(_) if self.in_a_row >= SUSPICIOUS => PROBE_DOWN,
            ProviderHealth::Ok | ProviderHealth::Recovering(_) => return false,
        };
        let is_due = now.duration_since(self.turned) >= every;
        if is_due {
            self.turned = now;
        }
        is_due
    }

    /// Notes what came of a probe.
    pub fn probed(&mut self, error: Option<&ProviderError>, now: Instant, time: Timestamp) {
        let refusal = error.filter(|error| !is_answer(error));
        if self.held_by().is_none() {
            match refusal {
                Some(error) if error.kind == ProviderErrorKind::Misconfigured => {
                    self.misconfigured(error, now, time);
                }
                Some(error) => self.open(error, now, time),
                // It is there; what fails is something else.
                None => self.in_a_row = 0,
            }
            return;
        }
        let Some(trouble) = self.standing.issue().cloned() else { return };
        match refusal {
            None => {
                let by = self.held_by().unwrap_or(HeldBy::ProviderDown);
                self.ended = Some(Outage { from: trouble.since, to: time, by });
                self.standing = ProviderHealth::Recovering(trouble);
                self.calls.clear();
                (self.failures, self.in_a_row) = (0, 0);
                (self.turned, self.recovered) = (now, Some(now));
            }
            Some(error) if error.kind == ProviderErrorKind::Misconfigured => {
                self.misconfigured(error, now, time);
            }
            Some(error) => {
                self.standing = ProviderHealth::Down(self::trouble(error, trouble.since));
                // One that hung for long is not followed by the next at once.
                self.turned = now;
            }
        }
    }

    /// What to do now; the ramp's end closes the circuit.
    pub fn order(&mut self, now: Instant) -> Order {
        match self.standing {
            ProviderHealth::Ok => Order::Release(None),
            ProviderHealth::Down(_) | ProviderHealth::Misconfigured(_) => Order::Hold,
            ProviderHealth::Recovering(_) => {
                let seconds = now.duration_since(self.turned).as_secs();
                let doublings = i32::try_from(seconds).unwrap_or(i32::MAX).min(60);
                let rate = RAMP_FROM * 2f64.powi(doublings);
                if rate >= self.full_rate {
                    self.standing = ProviderHealth::Ok;
                    return Order::Release(None);
                }
                Order::Release(Some(rate))
            }
        }
    }
}

/// Whether somebody is there and knows us, though this call was refused.
fn is_answer(error: &ProviderError) -> bool {
    error.kind.is_rejection() || error.kind.is_rate_limit()
}

fn trouble(error: &ProviderError, since: Timestamp) -> HealthIssue {
    HealthIssue { since, code: error.code.clone(), message: error.message.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ProviderErrorKind) -> ProviderError {
        let (code, message) = ("a_code".into(), "a message".into());
        ProviderError { kind, code, message, request_id: None }
    }

    struct Bench {
        circuit: Circuit,
        now: Instant,
        time: Timestamp,
    }

    impl Bench {
        fn new() -> Self {
            let now = Instant::now();
            Self { circuit: Circuit::new(100.0, now), now, time: Timestamp::UNIX_EPOCH }
        }

        fn pass(&mut self, time: Duration) {
            self.now += time;
            self.time += time;
        }

        fn calls(&mut self, count: usize, kind: Option<ProviderErrorKind>) {
            let error = kind.map(error);
            for _ in 0..count {
                self.circuit.note(error.as_ref(), self.now, self.time);
            }
        }

        fn order(&mut self) -> Order {
            self.circuit.order(self.now)
        }
    }

    #[test]
    fn ten_failures_and_half_of_all_calls_open_it() {
        let mut bench = Bench::new();
        bench.calls(11, None);
        bench.calls(10, Some(ProviderErrorKind::Unavailable));
        assert_eq!(bench.order(), Order::Release(None), "fewer than half");
        bench.calls(1, Some(ProviderErrorKind::Doubtful));
        assert_eq!(bench.order(), Order::Hold);
        let mut few = Bench::new();
        few.calls(9, Some(ProviderErrorKind::Unavailable));
        assert_eq!(few.order(), Order::Release(None), "fewer than ten");
    }

    #[test]
    fn failures_of_long_ago_do_not_count() {
        let mut bench = Bench::new();
        bench.calls(9, Some(ProviderErrorKind::Unavailable));
        bench.pass(Duration::from_secs(11));
        bench.calls(9, Some(ProviderErrorKind::Unavailable));
        assert_eq!(bench.order(), Order::Release(None));
    }

    #[test]
    fn neither_a_429_nor_a_refusal_opens_it() {
        let mut bench = Bench::new();
        bench.calls(100, Some(ProviderErrorKind::RateLimited(None)));
        bench.calls(100, Some(ProviderErrorKind::Rejected));
        assert_eq!(bench.order(), Order::Release(None));
    }

    #[test]
    fn a_probe_that_is_answered_begins_a_ramp() {
        let mut bench = Bench::new();
        bench.calls(10, Some(ProviderErrorKind::Unavailable));
        assert!(!bench.circuit.is_probe_due(bench.now));
        bench.pass(PROBE_DOWN);
        assert!(bench.circuit.is_probe_due(bench.now));
        assert!(!bench.circuit.is_probe_due(bench.now), "once");
        let refusal = error(ProviderErrorKind::Unavailable);
        bench.circuit.probed(Some(&refusal), bench.now, bench.time);
        assert_eq!(bench.order(), Order::Hold);
        bench.pass(PROBE_DOWN);
        bench.circuit.probed(None, bench.now, bench.time);
        let rates: Vec<Order> = (0..5)
            .map(|_| {
                let order = bench.order();
                bench.pass(Duration::from_secs(1));
                order
            })
            .collect();
        let some = |rate| Order::Release(Some(rate));
        assert_eq!(rates, [some(10.0), some(20.0), some(40.0), some(80.0), Order::Release(None)]);
        assert_eq!(bench.circuit.standing(), &ProviderHealth::Ok);
        let Outage { from, to, by } = bench.circuit.last_outage().unwrap();
        assert_eq!((to.duration_since(from).as_secs(), by), (2, HeldBy::ProviderDown));
    }

    #[test]
    fn a_relapse_opens_it_again_since_the_same_time() {
        let mut bench = Bench::new();
        bench.calls(10, Some(ProviderErrorKind::Unavailable));
        bench.pass(PROBE_DOWN);
        bench.circuit.probed(None, bench.now, bench.time);
        bench.calls(10, Some(ProviderErrorKind::Unavailable));
        assert_eq!(bench.order(), Order::Hold);
        let ProviderHealth::Down(trouble) = bench.circuit.standing() else { panic!("open") };
        assert_eq!(trouble.since, Timestamp::UNIX_EPOCH);
    }

    #[test]
    fn where_little_is_sent_failures_in_a_row_make_it_ask_and_the_answer_decides() {
        let refusal = error(ProviderErrorKind::Unavailable);
        let failing = |every: u64| {
            let mut bench = Bench::new();
            for _ in 0..SUSPICIOUS {
                assert!(!bench.circuit.is_probe_due(bench.now));
                bench.calls(1, Some(ProviderErrorKind::Unavailable));
                bench.pass(Duration::from_secs(every));
            }
            assert!(bench.circuit.is_probe_due(bench.now));
            bench
        };
        let mut away = failing(60);
        away.circuit.probed(Some(&refusal), away.now, away.time);
        assert_eq!(away.order(), Order::Hold);
        let since = away.circuit.standing().issue().unwrap().since;
        assert_eq!(since, Timestamp::UNIX_EPOCH, "since the first of them");
        let mut there = failing(60);
        there.circuit.probed(None, there.now, there.time);
        assert_eq!(there.order(), Order::Release(None));
        there.pass(PROBE_DOWN);
        assert!(!there.circuit.is_probe_due(there.now), "until there are as many again");
        let mut mixed = Bench::new();
        for _ in 0..20 {
            mixed.calls(4, Some(ProviderErrorKind::Unavailable));
            mixed.calls(1, None);
            mixed.pass(Duration::from_mins(1));
            assert!(!mixed.circuit.is_probe_due(mixed.now));
        }
    }

    #[test]
    fn an_outage_that_comes_back_at_once_is_probed_less_and_less_often() {
        let mut bench = Bench::new();
        for pause in [1, 2, 4, 8] {
            bench.calls(10, Some(ProviderErrorKind::Unavailable));
            bench.pass(Duration::from_millis(pause * 1000 - 1));
            assert!(!bench.circuit.is_probe_due(bench.now), "{pause} s");
            bench.pass(Duration::from_millis(1));
            assert!(bench.circuit.is_probe_due(bench.now), "{pause} s");
            bench.circuit.probed(None, bench.now, bench.time);
        }
        bench.pass(RELAPSE);
        let _ = bench.order();
        bench.calls(10, Some(ProviderErrorKind::Unavailable));
        bench.pass(PROBE_DOWN);
        assert!(bench.circuit.is_probe_due(bench.now), "another outage");
    }

    #[test]
    fn one_refusal_of_our_configuration_is_enough() {
        let mut bench = Bench::new();
        bench.calls(1, Some(ProviderErrorKind::Misconfigured));
        assert_eq!(bench.order(), Order::Hold);
        bench.pass(Duration::from_secs(29));
        assert!(!bench.circuit.is_probe_due(bench.now));
        bench.pass(Duration::from_secs(1));
        assert!(bench.circuit.is_probe_due(bench.now));
        bench.circuit.probed(None, bench.now, bench.time);
        assert_eq!(bench.order(), Order::Release(Some(RAMP_FROM)));
    }
}
