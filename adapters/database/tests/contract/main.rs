//! The contract of the store, checked on every engine.
//!
//! The store in memory and SQLite always run. MySQL and MariaDB run if `GUESTLIST_TEST_MYSQL_URL` and
//! `GUESTLIST_TEST_MARIADB_URL` name a server whose user may create databases. A missing server is a
//! failure if `GUESTLIST_TEST_REQUIRE_ALL` is set.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod connections;
mod migrations;
mod reads;
mod support;
mod writes;
