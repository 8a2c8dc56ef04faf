//! Detects pooled connections whose transaction did not end.
//!
//! When SQLite cannot write a commit, for example because the disk is full, it may end the
//! transaction itself. sqlx 0.9 still counts that transaction as open, so each later one on the
//! connection becomes a savepoint that succeeds and is never committed. Such a connection must not
//! be used again. Let the pool check connections when they are returned:
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

/// Returns whether a connection that is returned to its pool has no open transaction. If it has
/// one, the pool closes the connection, which ends the transaction.
pub async fn is_reusable<C: Connection>(connection: &mut C) -> Result<bool> {
    if connection.is_in_transaction() {
        // Runs the rollback that was queued when a transaction was dropped.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}
