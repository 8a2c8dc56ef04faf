//! Statements of many rows: inserted at once, or written and deleted only where they are as they
//! were read.

use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ColumnTrait, Condition, DatabaseTransaction, DbErr,
    EntityTrait, Iterable, QueryFilter, UpdateMany,
    sea_query::{CaseStatement, Expr, ExprTrait},
};
use uuid::Uuid;

use crate::apply::Refusal;
use crate::inbox::floor_to_power_of_two;

/// Parameters of one statement; SQLite takes 32,766.
const PARAMETERS: usize = 30_000;
/// Rows of one INSERT.
const INSERTS: usize = 512;
/// Rows of one UPDATE. `CASE` is searched row by row, so its work grows by the square of this.
const UPDATES: usize = 64;
/// Rows of one DELETE. Each adds to the depth of the condition, which SQLite limits to 1,000.
const DELETES: usize = 128;
/// Ids of one list.
pub(crate) const LIST: usize = 1_000;

/// Rows in pieces whose lengths are powers of two: few lengths are few statements to prepare.
fn pieces<T>(mut rows: &[T], most: usize) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = floor_to_power_of_two(rows.len().min(most));
        let piece;
        (piece, rows) = rows.split_at(length);
        (length > 0).then_some(piece)
    })
}

/// An entity whose rows are known by id and version.
pub(crate) trait Versioned: EntityTrait {
    const ID: Self::Column;
    const VERSION: Self::Column;
}

/// A row to be written over one that is as it was read.
pub(crate) struct Update<C> {
    pub(crate) id: Uuid,
    pub(crate) version: i64,
    /// The same columns in the same order for all rows of a table.
    pub(crate) set: Vec<(C, Expr)>,
}

pub(crate) async fn insert<A>(tx: &DatabaseTransaction, rows: Vec<A>) -> Result<(), DbErr>
where
    A: ActiveModelTrait + ActiveModelBehavior + Send,
{
    let columns = <A::Entity as EntityTrait>::Column::iter().count();
    for rows in pieces(&rows, INSERTS.min(PARAMETERS / columns)) {
        let rows = rows.iter().cloned();
        <A::Entity as EntityTrait>::insert_many(rows).exec_without_returning(tx).await?;
    }
    Ok(())
}

/// Writes rows and raises their versions; refuses if one is not as it was read, or is named twice.
pub(crate) async fn update<E: Versioned>(
    tx: &DatabaseTransaction,
    mut rows: Vec<Update<E::Column>>,
) -> Result<(), Refusal> {
    rows.sort_by_key(|row| row.id);
    for rows in pieces(&rows, UPDATES) {
        let version = Expr::col(E::VERSION).add(1);
        let written = set::<E>(rows)
            .col_expr(E::VERSION, version)
            .filter(as_read::<E>(rows.iter().map(|row| (row.id, row.version))))
            .exec(tx)
            .await?;
        expect(written.rows_affected, rows.len())?;
    }
    Ok(())
}

fn set<E: Versioned>(rows: &[Update<E::Column>]) -> UpdateMany<E> {
    let mut update = E::update_many();
    if let [row] = rows {
        for (column, value) in &row.set {
            update = update.col_expr(*column, value.clone());
        }
        return update;
    }
    for (index, (column, _)) in rows[0].set.iter().enumerate() {
        let case = rows.iter().fold(CaseStatement::new(), |case, row| {
            case.case(E::ID.eq(row.id), row.set[index].1.clone())
        });
        update = update.col_expr(*column, case.into());
    }
    update
}

/// Deletes rows; refuses if one is not as it was read.
pub(crate) async fn delete<E: Versioned>(
    tx: &DatabaseTransaction,
    mut rows: Vec<(Uuid, i64)>,
) -> Result<(), Refusal> {
    rows.sort_unstable();
    for rows in pieces(&rows, DELETES) {
        let deleted = E::delete_many().filter(as_read::<E>(rows.iter().copied())).exec(tx).await?;
        expect(deleted.rows_affected, rows.len())?;
    }
    Ok(())
}

fn as_read<E: Versioned>(rows: impl Iterator<Item = (Uuid, i64)>) -> Condition {
    rows.fold(Condition::any(), |any, (id, version)| {
        any.add(Condition::all().add(E::ID.eq(id)).add(E::VERSION.eq(version)))
    })
}

fn expect(affected: u64, rows: usize) -> Result<(), Refusal> {
    if affected == rows as u64 { Ok(()) } else { Err(Refusal::Conflict) }
}

/// A time that only ever moves forward.
pub(crate) fn forward<C: ColumnTrait>(column: C, micros: Option<i64>) -> Expr {
    let earlier = Condition::any().add(column.is_null()).add(column.lt(micros));
    match micros {
        Some(_) => CaseStatement::new()
            .case(earlier, Expr::value(micros))
            .finally(Expr::col(column))
            .into(),
        None => Expr::col(column),
    }
}
