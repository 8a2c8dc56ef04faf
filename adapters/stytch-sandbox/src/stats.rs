//! Request counts by route and status, and the peak rate.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde::Serialize;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Default, Serialize)]
pub(crate) struct Stats {
    /// Counts by method and route, then by status, or `dropped` if no response was sent.
    requests: BTreeMap<String, BTreeMap<String, u64>>,
    /// The largest number of requests within any interval of one second.
    peak_per_second: usize,
    #[serde(skip)]
    last_second: VecDeque<Instant>,
}

impl Stats {
    pub(crate) fn record_request(&mut self, now: Instant) {
        while self.last_second.front().is_some_and(|oldest| now.duration_since(*oldest) >= SECOND) {
            self.last_second.pop_front();
        }
        self.last_second.push_back(now);
        self.peak_per_second = self.peak_per_second.max(self.last_second.len());
    }

    pub(crate) fn record_response(&mut self, route: String, status: String) {
        *self.requests.entry(route).or_default().entry(status).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Stats;

    #[test]
    fn the_peak_counts_any_interval_of_one_second() {
        let (mut stats, start) = (Stats::default(), Instant::now());
        for millis in [0, 900, 950, 1899, 1900, 5000] {
            stats.record_request(start + Duration::from_millis(millis));
        }
        assert_eq!(stats.peak_per_second, 3);
    }
}
