//! A local Stytch (Consumer) over real HTTP. Stytch's official SDKs run against it unchanged.
//!
//! It serves magic links, sessions and users under `/v1/…` as Stytch does, keeps the mail in an
//! inbox instead of sending it, sends webhooks, and injects faults on demand. Run the program
//! `stytch-sandbox`, or embed the library:
//!
//! ```no_run
//! # async fn example() -> Result<(), stytch_sandbox::Error> {
//! use stytch_sandbox::{Credentials, Options, Sandbox};
//! use tokio_util::sync::CancellationToken;
//!
//! let options = Options::new(([127, 0, 0, 1], 0).into(), Credentials::generate());
//! let sandbox = Sandbox::bind(options).await?;
//! println!("point your SDK at {}", sandbox.url());
//! sandbox.serve(CancellationToken::new()).await
//! # }
//! ```
//!
//! The control plane (`/inbox`, `/sandbox/…`) is for people and tests: it shows mail, statistics and
//! webhooks, moves the clock, rotates keys and injects faults.

#![expect(clippy::struct_field_names, reason = "fields are named as in Stytch's API")]

mod api;
mod cli;
mod control;
mod error;
mod faults;
mod options;
mod request;
mod response;
mod server;
mod state;
mod stats;
mod webhooks;

pub use cli::{SandboxArgs, parse_socket_addr, run};
pub use error::Error;
pub use options::{Credentials, Options};
pub use server::Sandbox;
pub use state::persistence::stored_credentials;
pub use webhooks::WebhookEndpoint;
