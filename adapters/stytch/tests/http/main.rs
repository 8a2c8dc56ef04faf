//! The provider over real HTTP: against a server that answers whatever a test says, and against
//! the sandbox.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod calls;
mod connections;
mod jwt;
mod keys;
mod listing;
mod minter;
mod recordings;
mod road;
mod rotation;
mod searches;
mod secrets;
mod shapes;
mod stub;
mod webhooks;
