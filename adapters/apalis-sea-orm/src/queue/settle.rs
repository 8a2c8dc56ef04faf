//! Settles jobs: writes the results of attempts, many at a time, in a transaction that the caller
//! may own.

mod status;
mod update;

use sea_orm::{ConnectionTrait, DbErr, EntityTrait};

pub use self::status::{SettlementStatus, settlement_statuses};
pub(crate) use self::update::requeue;
use self::update::update;
use super::attempt::AttemptResult;
use crate::{entity::attempt, sql, stats};

/// Whether a group of results was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "when leases were lost the transaction must be rolled back"]
pub enum Settled {
    /// Every lease was current: all results are written, if the transaction commits.
    All,
    /// At least one lease was lost. Others of the group may be written: roll back, leave out those
    /// whose [status](settlement_statuses) is not [`Pending`](SettlementStatus::Pending), and settle
    /// the rest again.
    SomeLost,
}

/// Writes the results of attempts. Sends an UPDATE for each kind of outcome (and each 200 jobs),
/// guarded by each job's fence, one INSERT of the attempts to keep, and for the statistics one
/// SELECT and one statement for each queue.
///
/// A job whose cancellation was requested is not tried again: a retry or a snooze cancels it.
///
/// Call this in a transaction, and roll back unless it returns [`Settled::All`]. Take locks that are
/// shared with other transactions before this call rather than after it: the tasks of one worker
/// wait here for each other to update the statistics.
pub async fn settle<C: ConnectionTrait>(
    conn: &C,
    results: &[AttemptResult],
) -> Result<Settled, DbErr> {
    for outcome in ["done", "retry", "snooze", "dead", "cancelled"] {
        let group: Vec<_> = results.iter().filter(|r| r.outcome.name() == outcome).collect();
        for group in group.chunks(sql::MAX_ROWS) {
            let written = update(group).exec(conn).await?.rows_affected;
            if written < group.len() as u64 {
                return Ok(Settled::SomeLost);
            }
        }
    }
    let attempts = results.iter().filter(|r| !r.is_plain_success()).map(AttemptResult::row);
    insert_attempts(conn, attempts.collect()).await?;
    stats::count(conn, results).await?;
    Ok(Settled::All)
}

pub(crate) async fn insert_attempts<C: ConnectionTrait>(
    conn: &C,
    rows: Vec<attempt::ActiveModel>,
) -> Result<(), DbErr> {
    for rows in rows.chunks(1_000) {
        let rows = rows.iter().cloned();
        attempt::Entity::insert_many(rows).exec_without_returning(conn).await?;
    }
    Ok(())
}
