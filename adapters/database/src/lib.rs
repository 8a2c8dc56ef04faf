//! The domain's store on a SQL database: SQLite, or MySQL in the dialect that Vitess supports.
//!
//! - [`connect()`] opens a [`Database`]. The crate `guestlist-migrations` creates its schema.
//! - [`SqlStore`] implements the domain's `Store`. Concurrent changes are committed in groups
//!   (`write::committer`), each group in one transaction of multi-row statements
//!   (`write::transaction`). Concurrent lookups by key are combined into one query
//!   (`batching`).
//! - `tables` has the row type of each table and its mapping to the domain type.
//! - [`operations`] holds the queries for operators: jobs, queues, workers, the audit log.
//! - [`idempotency`] stores responses, so that a repeated request is executed once.

mod batching;
mod connect;
mod error;
pub mod idempotency;
pub mod operations;
mod read;
mod retry;
mod schema;
mod store;
mod tables;
mod write;

pub use connect::{
    ConnectError, Connection, Database, FileGone, WriteFailure, connect, connect_or_create,
    sqlite_file,
};
pub use operations::PROVIDER_RATE;
pub use schema::SchemaError;
pub use store::SqlStore;
