//! Runs every test on each engine: SQLite in a temporary file, and MySQL and MariaDB on the servers
//! named by `GUESTLIST_TEST_MYSQL_URL` and `GUESTLIST_TEST_MARIADB_URL`, where databases may be
//! created.

#![cfg(test)]

mod admin;
mod backend;
mod harness;
#[cfg(target_os = "linux")]
mod processes;
mod queue;
