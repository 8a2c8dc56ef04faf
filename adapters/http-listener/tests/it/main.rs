//! The server loop as raw sockets meet it, with short limits.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

mod connections;
mod server;
mod stopping;
mod timeouts;
