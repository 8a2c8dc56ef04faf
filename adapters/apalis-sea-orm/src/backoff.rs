//! How long a failed job waits: a pure function, whose answer is stored in the row as `run_at`.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use uuid::Uuid;

/// Doubles from `first` up to `longest`, and varies each wait by up to a tenth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first attempt.
    pub first: Duration,
    /// No wait is longer, but for its variation.
    pub longest: Duration,
}

impl Default for Backoff {
    /// From 5 seconds to an hour.
    fn default() -> Self {
        Self { first: Duration::from_secs(5), longest: Duration::from_hours(1) }
    }
}

impl Backoff {
    /// The wait of that job after its attempt of that number, from 1. The same job and number
    /// always answer the same; jobs that failed together do not return together.
    pub fn delay(&self, job: Uuid, number: u32) -> Duration {
        let doublings = number.saturating_sub(1).min(31);
        let wait = self.first.saturating_mul(1 << doublings).min(self.longest);
        wait.mul_f64(0.9 + 0.2 * spread(job, number))
    }
}

/// From 0 to 1, evenly over jobs and numbers.
fn spread(job: Uuid, number: u32) -> f64 {
    let mut hasher = DefaultHasher::new();
    (job, number).hash(&mut hasher);
    f64::from((hasher.finish() >> 32) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff = Backoff { first: Duration::from_secs(4), longest: Duration::from_mins(1) };
        let job = Uuid::from_u128(7);
        for (number, seconds) in [(0, 4.0), (1, 4.0), (2, 8.0), (4, 32.0), (5, 60.0), (4_000, 60.0)]
        {
            let wait = backoff.delay(job, number).as_secs_f64();
            assert!((seconds * 0.9..=seconds * 1.1).contains(&wait), "{number}: {wait}");
        }
    }

    #[test]
    fn jobs_that_failed_together_do_not_return_together() {
        let wait = |job| Backoff::default().delay(Uuid::from_u128(job), 1);
        let mut waits: Vec<_> = (0..100).map(wait).collect();
        waits.sort();
        waits.dedup();
        assert!(waits.len() > 95);
        assert_eq!(wait(1), wait(1));
    }
}
