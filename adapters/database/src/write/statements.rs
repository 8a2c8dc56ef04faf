//! Multi-row statements: INSERT, and UPDATE and DELETE of rows at the version that was read.

use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbErr,
    EntityName, EntityTrait, IdenStatic, Iterable, QueryFilter, Statement,
};
use uuid::Uuid;

use crate::batching::floor_to_fixed_size;
use crate::error::WriteError;
use crate::tables::columns::{RowUpdate, Versioned};

/// The maximum number of parameters in one statement. SQLite's limit is 32,766.
const MAX_PARAMETERS: usize = 30_000;
/// The maximum number of rows in one INSERT.
const MAX_INSERTED: usize = 512;
/// The maximum number of rows in one UPDATE or DELETE. Where their values differ, each row is looked
/// up in a `CASE` with a branch per row, so the work grows with the square of this number.
const MAX_CHANGED: usize = 64;

/// Splits rows into chunks of a few fixed lengths, so that few distinct statements are prepared.
fn chunks<T>(mut rows: &[T], max: usize) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = floor_to_fixed_size(rows.len().min(max));
        let chunk;
        (chunk, rows) = rows.split_at(length);
        (length > 0).then_some(chunk)
    })
}

/// Inserts rows, which have values for the same columns.
///
/// The text is written here and the values are moved, because SeaORM's `insert_many` builds an
/// expression for each value and copies it.
pub(super) async fn insert<A>(tx: &DatabaseTransaction, rows: Vec<A>) -> Result<(), DbErr>
where
    A: ActiveModelTrait,
{
    let Some(first) = rows.first() else { return Ok(()) };
    let columns = <A::Entity as EntityTrait>::Column::iter();
    let columns: Vec<_> = columns.filter(|column| !first.is_not_set(*column)).collect();
    let max = MAX_INSERTED.min(MAX_PARAMETERS / columns.len());
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        let length = floor_to_fixed_size(rows.len().min(max));
        let text = insert_text(A::Entity::default().table_name(), &columns, length);
        let values = rows.by_ref().take(length).flat_map(|mut row| {
            columns.iter().filter_map(move |column| row.take(*column).into_value())
        });
        let backend = tx.get_database_backend();
        tx.execute_raw(Statement::from_sql_and_values(backend, text, values)).await?;
    }
    Ok(())
}

/// Returns the text of an INSERT, in the quotation marks that SQLite and MySQL share.
fn insert_text(table: &str, columns: &[impl IdenStatic], rows: usize) -> String {
    let names: Vec<_> = columns.iter().map(IdenStatic::as_str).collect();
    let names = names.join("`, `");
    let row = format!("({})", vec!["?"; columns.len()].join(", "));
    let rows = vec![row.as_str(); rows].join(", ");
    format!("INSERT INTO `{table}` (`{names}`) VALUES {rows}")
}

/// Updates rows and increments their versions. Returns [`WriteError::Conflict`] if a row is not at
/// the expected version or occurs twice.
pub(super) async fn update<E: Versioned>(
    tx: &DatabaseTransaction,
    mut rows: Vec<RowUpdate<E::Column>>,
) -> Result<(), WriteError> {
    rows.sort_by_key(|row| row.id);
    for rows in group_by_columns(rows) {
        for rows in chunks(&rows, MAX_CHANGED) {
            update_columns::<E>(tx, rows).await?;
        }
    }
    Ok(())
}

/// Groups rows by the columns that change, and keeps the order of rows within a group.
fn group_by_columns<C: IdenStatic>(rows: Vec<RowUpdate<C>>) -> Vec<Vec<RowUpdate<C>>> {
    fn columns<C: IdenStatic>(row: &RowUpdate<C>) -> impl Iterator<Item = &'static str> {
        row.set.iter().map(|(column, _)| column.as_str())
    }
    let mut groups: Vec<Vec<RowUpdate<C>>> = Vec::new();
    for row in rows {
        match groups.iter_mut().find(|group| columns(&group[0]).eq(columns(&row))) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups
}

/// Updates rows of which the same columns change.
async fn update_columns<E: Versioned>(
    tx: &DatabaseTransaction,
    rows: &[RowUpdate<E::Column>],
) -> Result<(), WriteError> {
    let versions: Vec<_> = rows.iter().map(|row| (row.id, row.version)).collect();
    let mut update = E::update_many().filter(at_version::<E>(&versions));
    for (index, (column, _)) in rows[0].set.iter().enumerate() {
        let values = rows.iter().map(|row| (row.id, row.set[index].1.clone()));
        update = update.col_expr(*column, value_of_each::<E>(values.collect()));
    }
    let update = update.col_expr(E::VERSION, Expr::col(E::VERSION).add(1));
    require_rows(update.exec(tx).await?.rows_affected, rows.len())
}

/// Deletes rows. Returns [`WriteError::Conflict`] if a row is not at the expected version.
pub(super) async fn delete<E: Versioned>(
    tx: &DatabaseTransaction,
    mut rows: Vec<(Uuid, i64)>,
) -> Result<(), WriteError> {
    rows.sort_unstable();
    for rows in chunks(&rows, MAX_CHANGED) {
        let delete = E::delete_many().filter(at_version::<E>(rows));
        require_rows(delete.exec(tx).await?.rows_affected, rows.len())?;
    }
    Ok(())
}

fn at_version<E: Versioned>(rows: &[(Uuid, i64)]) -> Condition {
    let versions = rows.iter().map(|(id, version)| (*id, Expr::value(*version)));
    Condition::all()
        .add(E::ID.is_in(rows.iter().map(|(id, _)| *id)))
        .add(E::VERSION.into_expr().eq(value_of_each::<E>(versions.collect())))
}

/// Returns the value of each row: the value itself if all rows have the same, and else a `CASE` with
/// a branch per row.
fn value_of_each<E: Versioned>(mut values: Vec<(Uuid, Expr)>) -> Expr {
    if values.iter().all(|(_, value)| *value == values[0].1) {
        return values.swap_remove(0).1;
    }
    let case = |case: CaseStatement, (id, value): (Uuid, Expr)| case.case(E::ID.eq(id), value);
    values.into_iter().fold(CaseStatement::new(), case).into()
}

fn require_rows(affected: u64, expected: usize) -> Result<(), WriteError> {
    if affected == expected as u64 { Ok(()) } else { Err(WriteError::Conflict) }
}
