//! People who are gone. That one is gone twice is no conflict: a removal that is done again after
//! the identity came back must still come to its end.

use guestlist_domain::{Change, StoreError, Tombstone, UserId};
use sea_orm::{ActiveValue::Set, DatabaseTransaction, EntityTrait, sea_query::OnConflict};

use crate::apply::Refusal;
use crate::values::{Row, micros};

pub(crate) mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tombstones")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub provider_user_id: String,
        pub user_id: Uuid,
        pub at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

impl TryFrom<Model> for Tombstone {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let at = Row::of("tombstones", &model.provider_user_id).time("at", model.at)?;
        Ok(Self { provider_user_id: model.provider_user_id, user_id: UserId(model.user_id), at })
    }
}

pub(crate) async fn write(tx: &DatabaseTransaction, changes: &[&Change]) -> Result<(), Refusal> {
    let mut tombstones: Vec<_> = changes.iter().flat_map(|c| &c.tombstones).collect();
    tombstones.sort_by_key(|tombstone| &tombstone.provider_user_id);
    if tombstones.is_empty() {
        return Ok(());
    }
    let newest = OnConflict::column(Column::ProviderUserId)
        .update_columns([Column::UserId, Column::At])
        .to_owned();
    Entity::insert_many(tombstones.into_iter().map(row))
        .on_conflict(newest)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

fn row(tombstone: &Tombstone) -> ActiveModel {
    ActiveModel {
        provider_user_id: Set(tombstone.provider_user_id.clone()),
        user_id: Set(tombstone.user_id.0),
        at: Set(micros(tombstone.at)),
    }
}
