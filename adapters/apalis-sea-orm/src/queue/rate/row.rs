//! The row of a rate, and its correction after a clock was ahead.

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait},
};

use super::start_times::AHEAD;
use crate::{
    entity::rate::{Column, Entity},
    sql::{database_now, duration_micros},
};

/// The most starts that may be reserved at a time.
const MAX_STARTS: i64 = 1_000;
/// Allowance for other gaps between starts, such as those of a worker with a slower rate.
const ALLOWANCE: i64 = 60_000_000;

/// The largest step back of the clock that needs no correction.
const TOLERANCE: i64 = 1_000_000;

/// The longest hold. Renew a hold that must last longer.
pub const MAX_HOLD: Duration = Duration::from_hours(1);

/// A row of `job_rates`. Times are microseconds since 1970, by the database's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) next_free: i64,
    pub(super) held_until: i64,
    /// When the row was last written.
    pub(super) seen_at: i64,
    /// When the row was read.
    pub(super) now: i64,
}

impl Row {
    /// Returns the row as it would have been written if the database's clock had always agreed with
    /// its present time. A row written later than now was written before the clock was set back, or
    /// by a process whose clock was ahead; its times are moved back by the difference. Times that
    /// no worker could have written even so are dropped.
    pub(super) fn corrected(self, interval: i64) -> Self {
        let ahead = Ord::max(self.seen_at - self.now, 0);
        let ahead = if ahead < TOLERANCE { 0 } else { ahead };
        let mut row = Self {
            next_free: self.next_free.saturating_sub(ahead),
            held_until: self.held_until.saturating_sub(ahead),
            seen_at: self.seen_at - ahead,
            now: self.now,
        };
        let hold = duration_micros(MAX_HOLD);
        if row.held_until > row.now.saturating_add(hold) {
            row.held_until = row.now;
        }
        let from = Ord::max(row.held_until, row.now);
        let most = interval.saturating_mul(MAX_STARTS).saturating_add(AHEAD + ALLOWANCE);
        if interval > 0 && row.next_free > from.saturating_add(most) {
            row.next_free = from;
        }
        row
    }
}

/// Locks the row until the transaction ends, without changing it.
pub(super) async fn lock<C: ConnectionTrait>(conn: &C, name: &str) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::SeenAt, Expr::col(Column::SeenAt))
        .filter(Expr::col(Column::Name).eq(name))
        .exec(conn)
        .await?;
    Ok(())
}

pub(super) async fn read<C: ConnectionTrait>(conn: &C, name: &str) -> Result<Option<Row>, DbErr> {
    let row: Option<(i64, i64, i64, i64)> = Entity::find_by_id(name)
        .select_only()
        .columns([Column::NextFree, Column::HeldUntil, Column::SeenAt])
        .expr(database_now(conn.get_database_backend()))
        .into_tuple()
        .one(conn)
        .await?;
    Ok(row.map(|(next_free, held_until, seen_at, now)| Row { next_free, held_until, seen_at, now }))
}

/// Writes the row as of the time at which it was read.
pub(super) async fn write<C: ConnectionTrait>(
    conn: &C,
    name: &str,
    row: &Row,
) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::NextFree, Expr::value(row.next_free))
        .col_expr(Column::HeldUntil, Expr::value(row.held_until))
        .col_expr(Column::SeenAt, Expr::value(row.now))
        .filter(Expr::col(Column::Name).eq(name))
        .exec(conn)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000_000_000;
    const SECOND: i64 = 1_000_000;
    const HOUR: i64 = 3_600 * SECOND;

    fn row(next_free: i64, held_until: i64, seen_at: i64) -> Row {
        Row {
            next_free: NOW + next_free,
            held_until: NOW + held_until,
            seen_at: NOW + seen_at,
            now: NOW,
        }
    }

    #[test]
    fn a_row_written_by_this_clock_is_unchanged() {
        for row in [
            row(SECOND, -HOUR, 0),
            row(600 * SECOND, 600 * SECOND, -SECOND),
            row(HOUR, HOUR, 0),
            row(-HOUR, -HOUR, -HOUR),
            // Fifty reserved starts of a slow rate.
            row(500 * SECOND, -HOUR, -SECOND),
        ] {
            assert_eq!(row.corrected(10 * SECOND), row);
        }
    }

    #[test]
    fn a_row_written_by_a_clock_that_was_ahead_is_moved_back_by_the_difference() {
        let ahead = row(2 * HOUR + SECOND, 2 * HOUR + 60 * SECOND, 2 * HOUR);
        assert_eq!(ahead.corrected(SECOND), row(SECOND, 60 * SECOND, 0));
    }

    #[test]
    fn times_that_no_worker_could_have_written_are_dropped() {
        assert_eq!(row(2 * HOUR, -HOUR, 0).corrected(10_000).next_free, NOW);
        let held = row(2 * HOUR, 2 * HOUR, 0).corrected(10_000);
        assert_eq!((held.next_free, held.held_until), (NOW, NOW));
        // A hold keeps its end; starts after it are dropped.
        let held = row(2 * HOUR, 600 * SECOND, 0).corrected(10_000);
        assert_eq!(held, row(600 * SECOND, 600 * SECOND, 0));
    }
}
