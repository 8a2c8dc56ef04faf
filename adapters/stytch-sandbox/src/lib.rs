//! A local Stytch (Consumer) over real HTTP, good enough that Stytch's official SDKs run against
//! it unchanged.
//!
//! It serves magic links, sessions and users under `/v1/…` as Stytch does, keeps the mail it
//! would have sent in an inbox, tells of changes by webhooks, and can be told to fail. Run the program `stytch-sandbox`, or
//! embed it:
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
//! # Words
//!
//! - A **call** is one request under `/v1`; a **refusal** is an error answer in Stytch's envelope.
//! - The **project** is what the pair of credentials opens: users, links, sessions and keys.
//! - A **link** is a magic link and the mail that carried it: the sandbox keeps them as one.
//! - A **message** is one webhook: an event, told to the endpoint until it is delivered.
//! - A **record** is one change of state, as the journal keeps it.
//! - The **control plane** (`/inbox`, `/sandbox/…`) is for people and tests; faults never touch it.

#![expect(clippy::struct_field_names, reason = "fields are named as Stytch's API names them")]

mod address;
mod answer;
mod api;
mod args;
mod auth;
mod authenticate;
mod body;
mod call;
mod claims;
mod clock;
mod constants;
mod control;
mod credentials;
mod dashboard;
mod error;
mod faults;
mod guard;
mod ids;
mod inbox;
mod invitations;
mod journal;
mod keys;
mod link;
mod logins;
mod mailing;
mod metadata;
mod options;
mod pages;
mod project;
mod redirects;
mod refusal;
mod routes;
mod search;
mod server;
mod session;
mod sessions;
mod spoiled;
mod stats;
mod store;
mod tables;
mod user;
mod users;
mod webhooks;

pub use args::{SandboxArgs, address, run};
pub use credentials::Credentials;
pub use error::Error;
pub use journal::stored_credentials;
pub use options::Options;
pub use server::Sandbox;
pub use webhooks::WebhookEndpoint;
