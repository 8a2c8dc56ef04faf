//! The server loop as raw sockets meet it, with short limits.

mod connections;
mod server;
mod stopping;
mod timeouts;
