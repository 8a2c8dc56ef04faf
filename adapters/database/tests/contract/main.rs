//! What the domain may rely on, written once and run for every engine.
//!
//! SQLite always runs. MySQL and MariaDB run where `GUESTLIST_TEST_MYSQL_URL` and
//! `GUESTLIST_TEST_MARIADB_URL` name a server whose user may create databases;
//! `GUESTLIST_TEST_REQUIRE_ALL=1` makes a missing one a failure.

#![expect(clippy::unwrap_used, reason = "a test says what it counts on")]

mod audit;
mod bed;
mod conflicts;
mod groups;
mod idempotency;
mod lists;
mod locks;
mod lost_connections;
mod migrations;
mod opening;
mod plans;
mod queue;
mod reading;
mod reconciling;
mod samples;
mod searching;
mod sessions;
mod sweeping;
mod whole;
