//! The flows, played through: a store in memory, a Stytch that does as it is told, a clock that
//! stands still. `support` is the stage, `flows` the rules one by one, `races` what happens when
//! two things happen at once, `properties` whatever comes to a random mind.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it counts on")]

mod flows;
mod properties;
mod races;
mod stage;
mod support;
