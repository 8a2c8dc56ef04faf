//! What was called, how it was answered, and how busy the busiest second was.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use serde::Serialize;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Default, Serialize)]
pub(crate) struct Stats {
    /// By method and route, then by status, or `dropped` where no answer was given.
    requests: BTreeMap<String, BTreeMap<String, u64>>,
    /// The most calls within any one second, wherever it begins.
    peak_per_second: usize,
    #[serde(skip)]
    last_second: VecDeque<Instant>,
}

impl Stats {
    pub(crate) fn arrived(&mut self, now: Instant) {
        while self.last_second.front().is_some_and(|then| now.duration_since(*then) >= SECOND) {
            self.last_second.pop_front();
        }
        self.last_second.push_back(now);
        self.peak_per_second = self.peak_per_second.max(self.last_second.len());
    }

    pub(crate) fn answered(&mut self, route: String, outcome: String) {
        *self.requests.entry(route).or_default().entry(outcome).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Stats;

    #[test]
    fn the_peak_is_of_any_second_not_of_the_clock_s() {
        let (mut stats, start) = (Stats::default(), Instant::now());
        for millis in [0, 900, 950, 1899, 1900, 5000] {
            stats.arrived(start + Duration::from_millis(millis));
        }
        assert_eq!(stats.peak_per_second, 3);
    }
}
