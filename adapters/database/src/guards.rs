//! Guards: of two changes that raise the same counter from the same number, one is refused.

use std::time::Duration;

use guestlist_domain::{Change, Guard};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use crate::apply::Refusal;
use crate::connect::Database;
use crate::idempotency;

pub(crate) mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "guards")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity};

/// The row that [`Database::check_writable`] writes.
const WRITE_CHECK: &str = "write_check";
/// A write that succeeded so recently shows that the next one will.
const RECENT: Duration = Duration::from_secs(2);

impl Database {
    /// Writes a row, unless a write has just succeeded: a database that answers queries may still
    /// have a full disk, or be a primary that was demoted.
    pub(crate) async fn check_writable(&self) -> Result<(), DbErr> {
        let health = self.health();
        if self.write_failure().is_some() {
            // A nearly full disk has room for the row below, and not for an invitation.
            idempotency::check_room(self).await?;
        } else if health.last_write_age().is_some_and(|age| age < RECENT) {
            return Ok(());
        }
        let raise = OnConflict::column(Column::Name)
            .value(Column::Version, Expr::col(Column::Version).add(1))
            .to_owned();
        let row = ActiveModel { name: Set(WRITE_CHECK.to_owned()), version: Set(1) };
        let insert = Entity::insert(row).on_conflict(raise);
        insert.exec_without_returning(self.write()).await?;
        health.write_succeeded();
        Ok(())
    }
}

pub(crate) async fn raise(tx: &DatabaseTransaction, changes: &[&Change]) -> Result<(), Refusal> {
    let mut guards: Vec<&Guard> = changes.iter().flat_map(|c| &c.guards).collect();
    guards.sort_by_key(|guard| guard.name.as_str());
    for guard in guards {
        raise_one(tx, guard).await?;
    }
    Ok(())
}

async fn raise_one(tx: &DatabaseTransaction, guard: &Guard) -> Result<(), Refusal> {
    if guard.version == 0 {
        let row = ActiveModel { name: Set(guard.name.to_string()), version: Set(1) };
        Entity::insert(row).exec_without_returning(tx).await?;
        return Ok(());
    }
    let raised = Entity::update_many()
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::Name.eq(guard.name.as_str()))
        .filter(Column::Version.eq(guard.version))
        .exec(tx)
        .await?;
    if raised.rows_affected == 1 { Ok(()) } else { Err(Refusal::Conflict) }
}
