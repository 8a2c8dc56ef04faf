//! The sandbox over real HTTP. One binary, as linking takes longer than testing.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

mod control;
mod faults;
mod harness;
mod magic_links;
mod program;
mod receiver;
mod redirects;
mod refusals;
mod search;
mod sessions;
mod state;
mod users;
mod web_pages;
mod webhooks;
