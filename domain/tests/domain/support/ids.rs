//! Reproducible ids: increasing, with a pseudo-random tail.

use std::sync::atomic::{AtomicU64, Ordering};

use guestlist_domain::Ids;
use uuid::Uuid;

/// Counts upwards; the seed determines the tail and thus the jitter.
pub(crate) struct SeededIds {
    seed: u64,
    drawn: AtomicU64,
}

impl SeededIds {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, drawn: AtomicU64::new(0) }
    }
}

impl Ids for SeededIds {
    fn next(&self) -> Uuid {
        let count = self.drawn.fetch_add(1, Ordering::Relaxed);
        let milliseconds = 1_795_000_000_000 + count;
        let tail = scattered(self.seed.wrapping_add(count));
        let id = (u128::from(milliseconds) << 80)
            | (0x7 << 76)
            | (0b10 << 62)
            | u128::from(tail & 0x3fff_ffff_ffff_ffff);
        Uuid::from_u128(id)
    }
}

/// One step of `SplitMix64`.
fn scattered(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
