//! Multi-row statements: INSERT, and UPDATE and DELETE of rows at the version that was read.

use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait};
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ColumnTrait, Condition, DatabaseTransaction, DbErr,
    EntityTrait, Iterable, QueryFilter, UpdateMany,
};
use uuid::Uuid;

use crate::batching::floor_to_fixed_size;
use crate::error::WriteError;
use crate::tables::columns::{RowUpdate, Versioned};

/// The maximum number of parameters in one statement. SQLite's limit is 32,766.
const MAX_PARAMETERS: usize = 30_000;
/// The maximum number of rows in one INSERT.
const MAX_INSERTED: usize = 512;
/// The maximum number of rows in one UPDATE. Each row is looked up in a `CASE` with a branch per
/// row, so the work grows with the square of this number.
const MAX_UPDATED: usize = 64;
/// The maximum number of rows in one DELETE. Each row adds to the depth of the condition, which
/// SQLite limits to 1,000.
const MAX_DELETED: usize = 128;

/// Splits rows into chunks of a few fixed lengths, so that few distinct statements are prepared.
fn chunks<T>(mut rows: &[T], max: usize) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = floor_to_fixed_size(rows.len().min(max));
        let chunk;
        (chunk, rows) = rows.split_at(length);
        (length > 0).then_some(chunk)
    })
}

pub(super) async fn insert<A>(tx: &DatabaseTransaction, rows: Vec<A>) -> Result<(), DbErr>
where
    A: ActiveModelTrait + ActiveModelBehavior + Send,
{
    let columns = <A::Entity as EntityTrait>::Column::iter().count();
    for rows in chunks(&rows, MAX_INSERTED.min(MAX_PARAMETERS / columns)) {
        let rows = rows.iter().cloned();
        <A::Entity as EntityTrait>::insert_many(rows).exec_without_returning(tx).await?;
    }
    Ok(())
}

/// Updates rows and increments their versions. Returns [`WriteError::Conflict`] if a row is not at
/// the expected version or occurs twice.
pub(super) async fn update<E: Versioned>(
    tx: &DatabaseTransaction,
    mut rows: Vec<RowUpdate<E::Column>>,
) -> Result<(), WriteError> {
    rows.sort_by_key(|row| row.id);
    for rows in chunks(&rows, MAX_UPDATED) {
        let next_version = Expr::col(E::VERSION).add(1);
        let updated = set_columns::<E>(rows)
            .col_expr(E::VERSION, next_version)
            .filter(at_version::<E>(rows.iter().map(|row| (row.id, row.version))))
            .exec(tx)
            .await?;
        require_rows(updated.rows_affected, rows.len())?;
    }
    Ok(())
}

fn set_columns<E: Versioned>(rows: &[RowUpdate<E::Column>]) -> UpdateMany<E> {
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

/// Deletes rows. Returns [`WriteError::Conflict`] if a row is not at the expected version.
pub(super) async fn delete<E: Versioned>(
    tx: &DatabaseTransaction,
    mut rows: Vec<(Uuid, i64)>,
) -> Result<(), WriteError> {
    rows.sort_unstable();
    for rows in chunks(&rows, MAX_DELETED) {
        let delete = E::delete_many().filter(at_version::<E>(rows.iter().copied()));
        require_rows(delete.exec(tx).await?.rows_affected, rows.len())?;
    }
    Ok(())
}

fn at_version<E: Versioned>(rows: impl Iterator<Item = (Uuid, i64)>) -> Condition {
    rows.fold(Condition::any(), |any, (id, version)| {
        any.add(Condition::all().add(E::ID.eq(id)).add(E::VERSION.eq(version)))
    })
}

fn require_rows(affected: u64, expected: usize) -> Result<(), WriteError> {
    if affected == expected as u64 { Ok(()) } else { Err(WriteError::Conflict) }
}
