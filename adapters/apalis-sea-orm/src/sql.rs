//! Conditions and queries that several statements share, the conversion of times to and from columns
//! (microseconds since 1970, UTC), and the database's clock. Leases are judged by that clock only,
//! so workers' clocks need not agree.

use std::time::Duration;

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, DbErr,
    sea_query::{
        Alias, Asterisk, CaseStatement, Expr, ExprTrait, Func, Query, SelectStatement, UnionType,
    },
};
use uuid::Uuid;

use crate::entity::{job, state};

/// The most jobs that one statement changes. The database evaluates a `CASE` over n jobs for each
/// of n rows, so the cost of a statement grows with the square of this number.
pub(crate) const MAX_ROWS: usize = 200;

/// Matches jobs that are still running under these leases (id and fence). Every write to a leased
/// job has this condition: a worker that lost its lease names an outdated fence and changes
/// nothing.
pub(crate) fn lease_is_current(leases: &[(Uuid, i64)]) -> Condition {
    let fences = leases.iter().map(|(id, fence)| (*id, *fence));
    Condition::all()
        .add(job::Column::Id.is_in(leases.iter().map(|(id, _)| *id)))
        .add(state_in([state::RUNNING]))
        .add(Expr::col(job::Column::Fence).eq(value_by_id(fences)))
}

/// Matches jobs by state without using an index on it, for statements that find rows by id. If
/// MySQL found them by state, it would lock an index range and block inserts into it.
pub(crate) fn state_in<'s>(states: impl IntoIterator<Item = &'s str>) -> Expr {
    Expr::expr(Func::coalesce([Expr::col(job::Column::State), Expr::value("")])).is_in(states)
}

/// A `CASE` with a value for each job, and `NULL` for all others.
pub(crate) fn value_by_id<V: Into<Expr>>(values: impl IntoIterator<Item = (Uuid, V)>) -> Expr {
    let mut values = values.into_iter().peekable();
    if values.peek().is_none() {
        return Expr::cust("NULL");
    }
    let when = |case: CaseStatement, (id, value)| case.case(job::Column::Id.eq(id), value);
    values.fold(CaseStatement::new(), when).into()
}

/// Combines selects that each have an order and a limit. Each is wrapped in a subquery, because
/// SQLite allows no `LIMIT` in a part of a `UNION`.
pub(crate) fn union(parts: impl Iterator<Item = SelectStatement>) -> Option<SelectStatement> {
    let wrap = |part: SelectStatement| {
        Query::select().column(Asterisk).from_subquery(part, Alias::new("part")).to_owned()
    };
    let mut parts = parts.map(wrap);
    let mut all = parts.next()?;
    all.unions(parts.map(|part| (UnionType::All, part)));
    Some(all)
}

/// Returns the ids that these selects find, read by one statement.
pub(crate) async fn select_ids<C: ConnectionTrait>(
    conn: &C,
    parts: impl Iterator<Item = SelectStatement>,
) -> Result<Vec<Uuid>, DbErr> {
    let Some(all) = union(parts) else { return Ok(Vec::new()) };
    let rows = conn.query_all(&all).await?;
    rows.iter().map(|row| row.try_get_by_index::<Uuid>(0)).collect()
}

pub(crate) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// Converts microseconds to a timestamp; values out of range become the nearest valid timestamp.
pub(crate) fn timestamp(micros: i64) -> Timestamp {
    let end = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(micros).unwrap_or(end)
}

/// A duration in microseconds, capped so that adding it to a time cannot overflow.
pub(crate) fn duration_micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}

/// The database's current time. On MySQL it is independent of the session's time zone and of
/// daylight saving time.
pub(crate) fn database_now(engine: DbBackend) -> Expr {
    Expr::cust(match engine {
        DbBackend::Sqlite => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
        _ => "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6))",
    })
}

/// The end of a lease that starts now, by the database's clock.
pub(crate) fn lease_end(engine: DbBackend, lease: Duration) -> Expr {
    database_now(engine).add(duration_micros(lease))
}
