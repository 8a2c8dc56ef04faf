//! What a pool must do with a connection whose transaction did not end cleanly.
//!
//! When SQLite cannot write a commit, because a disk is full for example, it may end the transaction
//! by itself. sqlx 0.9 still counts that transaction as open, so that all that follows on the
//! connection is a savepoint within it: it succeeds, and is never committed. Such a connection must
//! not be used again. Let the pool ask whenever a connection is returned to it:
//!
//! ```
//! # let mut options = sea_orm::ConnectOptions::new("sqlite://app.db");
//! use apalis_sea_orm::pool::is_reusable;
//!
//! options.map_sqlx_sqlite_pool_opts(|pool| {
//!     pool.after_release(|connection, _| Box::pin(is_reusable(connection)))
//! });
//! ```

use sea_orm::sqlx::{Connection, Result};

/// Whether no transaction is open on a connection that is returned to its pool. If one is, the pool
/// closes the connection, which ends the transaction.
pub async fn is_reusable<C: Connection>(connection: &mut C) -> Result<bool> {
    // The rollback that a dropped transaction has asked for comes first.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}
