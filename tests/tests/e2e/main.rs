//! End-to-end tests: the built programs, called over HTTP, on every database.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a panic fails the test")]

mod api;
mod documentation;
mod invitations;
mod login;
mod operations;
mod processes;
mod security;
mod sessions;
mod users;
