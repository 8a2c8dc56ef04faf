//! Drives the real programs, as processes over real HTTP, for tests from one end to the other.
//!
//! [`Guestlist`] is one installation: a folder, a database and a local Stytch of its own, its
//! processes, and typed ways to ask it things. Whatever was started is killed when it is dropped,
//! and its logs are printed if the test failed. Nothing here sleeps for luck: [`wait_until`] waits
//! for what is wanted, up to a limit.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a harness fails as its tests do: at once and loudly"
)]

mod asks;
pub mod browser;
mod contract;
mod database;
mod engine;
mod guestbook;
mod guestlist;
mod http;
mod network_proxy;
mod process;
mod sandbox;
mod server;
mod setup;
mod socket;
mod visitor;
mod wait;

pub use asks::id;
pub use contract::{Operation, operations};
pub use database::TestDatabase;
pub use engine::{Engine, on_every_engine, one_engine_at_a_time};
pub use guestbook::Guestbook;
pub use guestlist::Guestlist;
pub use http::{Answer, Caller};
pub use network_proxy::NetworkProxy;
pub use process::{Finished, Process, program};
pub use sandbox::{Mail, Stytch};
pub use server::Server;
pub use setup::{ADMIN, Setup, free_port};
pub use socket::Socket;
pub use visitor::Visitor;
pub use wait::{LONG, SHORT, wait_until};
