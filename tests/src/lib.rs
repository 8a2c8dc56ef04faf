//! A harness that runs the built programs as processes and tests them over HTTP.
//!
//! [`Guestlist`] is one installation: a temporary folder, a database, a local Stytch sandbox, its
//! processes, and typed methods to call it. Dropping it kills its processes; if the test failed,
//! it prints their logs. [`wait_until`] polls for a condition, so that no test sleeps for a fixed
//! time and hopes.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in the harness is a failure of the test"
)]

pub mod browser;
pub mod coverage;
mod database;
mod guestbook;
mod guestlist;
mod http;
mod process;
mod sandbox;
mod wait;

pub use database::{
    DatabaseServer, Engine, NetworkProxy, TestDatabase, on_every_engine, one_engine_at_a_time,
};
pub use guestbook::Guestbook;
pub use guestlist::{ADMIN, Guestlist, Setup, UNKNOWN_ID, free_port, id, user_path};
pub use http::{Caller, Operation, Response, Socket, Visitor, operations};
pub use process::{Process, ProcessOutput, program};
pub use sandbox::{Mail, SandboxClient};
pub use wait::{LONG, SHORT, wait_until};
