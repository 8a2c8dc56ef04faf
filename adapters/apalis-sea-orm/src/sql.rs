//! Conditions and queries that several statements share.

mod time;

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr,
    sea_query::{
        Alias, Asterisk, CaseStatement, Expr, ExprTrait, Func, Query, SelectStatement, UnionType,
    },
};
use uuid::Uuid;

pub(crate) use self::time::{database_now, duration_micros, lease_end, micros, timestamp};
use crate::entity::{job, state};

/// The most jobs that one statement changes. The database evaluates a `CASE` over n jobs for each
/// of n rows, so the cost of a statement grows with the square of this number.
pub(crate) const MAX_ROWS: usize = 200;

/// Matches jobs that are still running under these leases (id and fence). Every write to a leased
/// job has this condition: a worker that lost its lease names an outdated fence and changes
/// nothing.
pub(crate) fn lease_is_current(leases: &[(Uuid, i64)]) -> Condition {
    at_fence(leases).add(state_in([state::RUNNING]))
}

/// Matches jobs with these fences.
pub(crate) fn at_fence(jobs: &[(Uuid, i64)]) -> Condition {
    let fences = jobs.iter().map(|(id, fence)| (*id, *fence));
    Condition::all()
        .add(job::Column::Id.is_in(jobs.iter().map(|(id, _)| *id)))
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
