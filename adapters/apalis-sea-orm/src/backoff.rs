//! Exponential backoff with jitter, as a pure function of the attempt number.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use uuid::Uuid;

/// A delay that doubles with each attempt from `initial` up to `max`, with a jitter of ±10 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The delay after the first attempt.
    pub initial: Duration,
    /// The longest delay, before jitter.
    pub max: Duration,
}

impl Default for Backoff {
    /// 5 seconds to 1 hour.
    fn default() -> Self {
        Self { initial: Duration::from_secs(5), max: Duration::from_hours(1) }
    }
}

impl Backoff {
    /// Returns the delay after attempt `number`, which starts at 1. `jitter`, from 0 to 1, selects
    /// a point between 90 % and 110 % of the nominal delay.
    pub fn delay(&self, number: u32, jitter: f64) -> Duration {
        let doublings = number.saturating_sub(1).min(31);
        let nominal = self.initial.saturating_mul(1 << doublings).min(self.max);
        nominal.mul_f64(0.9 + 0.2 * jitter.clamp(0.0, 1.0))
    }

    /// Returns [`delay`](Self::delay) with random jitter.
    pub fn random_delay(&self, number: u32) -> Duration {
        self.delay(number, rand::random())
    }

    /// Returns [`delay`](Self::delay) with jitter derived from the job's id: the same for the same
    /// job and attempt, different between jobs that failed at the same time.
    pub fn job_delay(&self, job: Uuid, number: u32) -> Duration {
        let mut hasher = DefaultHasher::new();
        (job, number).hash(&mut hasher);
        let jitter = f64::from((hasher.finish() >> 32) as u32) / f64::from(u32::MAX);
        self.delay(number, jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_maximum() {
        let backoff = Backoff { initial: Duration::from_secs(4), max: Duration::from_mins(1) };
        let job = Uuid::from_u128(7);
        for (number, seconds) in [(0, 4.0), (1, 4.0), (2, 8.0), (4, 32.0), (5, 60.0), (4_000, 60.0)]
        {
            for delay in [backoff.job_delay(job, number), backoff.random_delay(number)] {
                let delay = delay.as_secs_f64();
                assert!((seconds * 0.9..=seconds * 1.1).contains(&delay), "{number}: {delay}");
            }
        }
    }

    #[test]
    fn jobs_that_failed_together_are_not_retried_together() {
        let delay = |job| Backoff::default().job_delay(Uuid::from_u128(job), 1);
        let mut delays: Vec<_> = (0..100).map(delay).collect();
        delays.sort();
        delays.dedup();
        assert!(delays.len() > 95);
        assert_eq!(delay(1), delay(1));
    }
}
