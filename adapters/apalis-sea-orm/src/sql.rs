//! Conditions and queries that several statements share.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, UpdateMany,
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

/// First character of unique keys that a job gives up when it ends.
pub(crate) const UNFINISHED_KEY: char = '~';

/// Clears the unique keys that are held only while a job is unfinished, for jobs for which `ended`
/// is true. Must come before assignments that `ended` depends on: MySQL evaluates assignments from
/// left to right.
pub(crate) fn free_key(update: UpdateMany<job::Entity>, ended: &Expr) -> UpdateMany<job::Entity> {
    use job::Column as C;
    let is_temporary = || Expr::col(C::UniqueKey).like(format!("{UNFINISHED_KEY}%"));
    let is_freed = || ended.clone().and(is_temporary());
    let old_key = CaseStatement::new().case(is_freed(), Expr::col(C::UniqueKey));
    let new_key = CaseStatement::new().case(is_freed(), Expr::value(None::<String>));
    update
        .col_expr(C::FreedKey, old_key.finally(Expr::col(C::FreedKey)).into())
        .col_expr(C::UniqueKey, new_key.finally(Expr::col(C::UniqueKey)).into())
}
