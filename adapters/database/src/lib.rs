//! The store: keeps what the domain decides, in SQLite or in MySQL as Vitess understands it.
//!
//! - [`connect`] opens a [`Database`]; its migrations are the crate `guestlist-migrations`.
//! - [`SqlStore`] is the domain's `Store` on it. Changes that arrive together are committed
//!   together (`commit`), in one transaction of multi-row statements (`apply`); look-ups of
//!   sessions that arrive together are one query (`batch`).
//! - A file a noun: its row, how the row becomes the noun, how it is written and found.
//! - [`idempotency`] keeps answers for requests that come twice.

mod apply;
mod audit;
mod batch;
pub mod board;
mod commit;
mod connect;
mod connection;
mod errors;
mod events;
mod file;
mod guards;
mod health;
pub mod idempotency;
mod inbox;
mod invitations;
mod jobs;
mod keys;
mod link_claims;
mod lists;
mod logins;
mod reconcile;
mod removed_addresses;
mod retry;
mod rows;
mod schema;
mod seen;
mod sessions;
mod stale;
mod store;
mod tombstones;
mod traces;
mod users;
mod values;

pub use audit::{AuditFilter, By};
pub use board::PROVIDER_RATE;
pub use connect::{ConnectError, Database, connect, connect_or_create};
pub use connection::Connection;
pub use file::sqlite_file;
pub use health::WriteFailure;
pub use schema::SchemaError;
pub use store::SqlStore;
