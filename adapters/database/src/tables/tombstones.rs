//! Deleted users, by their id at the identity provider.

use guestlist_domain::{StoreError, Tombstone, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;

use super::columns::{RowReader, micros};

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

impl TryFrom<Model> for Tombstone {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let at = RowReader::new("tombstones", &model.provider_user_id).time("at", model.at)?;
        Ok(Self { provider_user_id: model.provider_user_id, user_id: UserId(model.user_id), at })
    }
}

pub(crate) fn row(tombstone: &Tombstone) -> ActiveModel {
    ActiveModel {
        provider_user_id: Set(tombstone.provider_user_id.clone()),
        user_id: Set(tombstone.user_id.0),
        at: Set(micros(tombstone.at)),
    }
}
