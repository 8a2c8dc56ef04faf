//! The guard of every write to a leased job: this id, this fence, still running. A worker whose
//! lease was lost names a fence that is no more, and changes nothing.

use sea_orm::{
    ColumnTrait, Condition,
    sea_query::{CaseStatement, Expr, ExprTrait, Func},
};
use uuid::Uuid;

use crate::entity::{job, state};

/// Jobs of one statement. `CASE` is searched row by row, so a statement's work grows by the
/// square of this.
pub(crate) const ROWS: usize = 200;

/// The jobs of which these leases are still held.
pub(crate) fn held(leases: &[(Uuid, i64)]) -> Condition {
    let fences = leases.iter().map(|(id, fence)| (*id, *fence));
    Condition::all()
        .add(job::Column::Id.is_in(leases.iter().map(|(id, _)| *id)))
        .add(is_in([state::RUNNING]))
        .add(Expr::col(job::Column::Fence).eq(by_id(fences)))
}

/// A guard by state that no index serves: the rows are found by their ids. By their state, MySQL
/// would lock a range of the index, and whatever others are about to put into it.
pub(crate) fn is_in<'s>(states: impl IntoIterator<Item = &'s str>) -> Expr {
    Expr::expr(Func::coalesce([Expr::col(job::Column::State), Expr::value("")])).is_in(states)
}

/// A value for each job; NULL for the others.
pub(crate) fn by_id<V: Into<Expr>>(values: impl IntoIterator<Item = (Uuid, V)>) -> Expr {
    let mut values = values.into_iter().peekable();
    if values.peek().is_none() {
        return Expr::cust("NULL");
    }
    let when = |case: CaseStatement, (id, value)| case.case(job::Column::Id.eq(id), value);
    values.fold(CaseStatement::new(), when).into()
}
