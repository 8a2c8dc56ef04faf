//! Hashes of the addresses of people who are gone. That one is gone twice is no conflict: an
//! address can be invited and removed again.

use guestlist_domain::Change;
use sea_orm::{ActiveValue::Set, DatabaseTransaction, EntityTrait, sea_query::OnConflict};

use crate::apply::Refusal;

pub(crate) mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "removed_addresses")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity};

pub(crate) async fn write(tx: &DatabaseTransaction, changes: &[&Change]) -> Result<(), Refusal> {
    let mut addresses: Vec<_> = changes.iter().flat_map(|c| &c.removed_addresses).collect();
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        return Ok(());
    }
    let rows = addresses.iter().map(|address| ActiveModel { hash: Set(address.0.to_vec()) });
    // Writing the hash over itself: a form of "do nothing" that SQLite and MySQL share.
    let same = OnConflict::column(Column::Hash).update_column(Column::Hash).to_owned();
    Entity::insert_many(rows).on_conflict(same).exec_without_returning(tx).await?;
    Ok(())
}
