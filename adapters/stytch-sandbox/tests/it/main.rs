//! Tests over real HTTP, in one binary, because linking takes longer than testing.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a panic fails the test")]

mod control;
mod faults;
mod harness;
mod magic_links;
mod program;
mod receiver;
mod redirects;
mod rejections;
mod search;
mod sessions;
mod state;
mod users;
mod web_pages;
mod webhooks;
