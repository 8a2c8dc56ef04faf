//! Links that were used, by the hash of their token.

use guestlist_domain::{StoreError, TokenHash, UsedLink, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;

use super::columns::{RowReader, micros};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "used_links")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub token_hash: Vec<u8>,
    pub user_id: Option<Uuid>,
    pub at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for UsedLink {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        // An error identifies the row by its time, so that no hash of a token is logged.
        let row = RowReader::new("used_links", model.at);
        Ok(Self {
            token_hash: TokenHash(row.hash("token_hash", &model.token_hash)?),
            user_id: model.user_id.map(UserId),
            at: row.time("at", model.at)?,
        })
    }
}

pub(crate) fn row(link: &UsedLink) -> ActiveModel {
    ActiveModel {
        token_hash: Set(link.token_hash.0.to_vec()),
        user_id: Set(link.user_id.map(|id| id.0)),
        at: Set(micros(link.at)),
    }
}
