//! Tests of the server loop over raw sockets.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a panic fails the test")]

mod connections;
mod server;
mod shutdown;
mod timeouts;
