//! Numbers of rows that are counted up to a limit.

use std::iter::Sum;

/// The highest number that is counted. Counting costs time for each row.
pub(super) const MAX_COUNT: u64 = 10_000;

/// A number of rows, counted up to a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CappedCount {
    pub count: u64,
    /// Whether there are more rows than that.
    pub is_capped: bool,
}

impl CappedCount {
    /// Creates a count of rows of which one more than [`MAX_COUNT`] were counted.
    pub(super) fn of(rows: u64) -> Self {
        Self { count: Ord::min(rows, MAX_COUNT), is_capped: rows > MAX_COUNT }
    }
}

impl Sum for CappedCount {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |all, one| Self {
            count: all.count + one.count,
            is_capped: all.is_capped || one.is_capped,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_above_the_limit_is_capped() {
        assert_eq!(CappedCount::of(9), CappedCount { count: 9, is_capped: false });
        assert_eq!(CappedCount::of(10_000), CappedCount { count: 10_000, is_capped: false });
        let capped = CappedCount::of(10_001);
        assert_eq!(capped, CappedCount { count: 10_000, is_capped: true });
        let total: CappedCount = [CappedCount::of(5), capped].into_iter().sum();
        assert_eq!(total, CappedCount { count: 10_005, is_capped: true });
    }
}
