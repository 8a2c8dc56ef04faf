//! Histograms of durations.

use std::time::Duration;

use crate::stats::BUCKETS;

/// Durations counted in buckets, each twice as wide as the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram(pub(super) [u64; BUCKETS]);

impl Default for Histogram {
    fn default() -> Self {
        Self([0; BUCKETS])
    }
}

impl Histogram {
    /// Returns the number of durations.
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Returns the duration that the given share (0.95, for example) of all durations did not
    /// exceed, or `None` without durations. The result is exact to within a bucket, and assumes an
    /// even distribution inside it.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let mut left = share.clamp(0.0, 1.0) * precise(self.count());
        let last = self.0.iter().rposition(|count| *count > 0)?;
        for (bucket, count) in self.0.iter().enumerate() {
            let count = precise(*count);
            if left <= count && count > 0.0 || bucket == last {
                let part = if count > 0.0 { (left / count).clamp(0.0, 1.0) } else { 1.0 };
                let (from, to) = bounds(bucket);
                return Some(from + to.saturating_sub(from).mul_f64(part));
            }
            left -= count;
        }
        None
    }

    /// Returns each bucket's upper bound and count in ascending order, for charts or Prometheus.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        self.0.iter().enumerate().map(|(bucket, count)| (bounds(bucket).1, *count))
    }
}

fn bounds(bucket: usize) -> (Duration, Duration) {
    let to = Duration::from_millis(1 << bucket);
    (if bucket == 0 { Duration::ZERO } else { to / 2 }, to)
}

#[expect(clippy::cast_precision_loss, reason = "a share of counts needs no more than 52 bits")]
fn precise(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_lies_in_its_bucket() {
        let mut times = Histogram::default();
        assert_eq!(times.quantile(0.5), None);
        times.0[3] = 90;
        times.0[10] = 10;
        assert_eq!(times.count(), 100);
        let within = |share: f64| times.quantile(share).unwrap().as_millis();
        assert!((4..=8).contains(&within(0.0)) && (4..=8).contains(&within(0.5)));
        assert_eq!(within(0.9), 8);
        assert!((512..=1024).contains(&within(0.95)));
        assert_eq!(within(1.0), 1024);
    }
}
