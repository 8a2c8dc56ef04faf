//! Tests of the flows and jobs against fakes: a store in memory, a scripted provider, and a manual clock.
//!
//! `flows` tests one use case in each file, `races` concurrent changes, `properties` random sequences of
//! steps, and `fakes` the fake worker. `support` contains the fakes and helpers. The store is tested by
//! the contract of `guestlist-database`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests state what they rely on")]

mod fakes;
mod flows;
mod properties;
mod races;
mod support;
