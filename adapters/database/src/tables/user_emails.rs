//! The address of each user: its primary key makes addresses unique, also where `users` is sharded
//! by id.

use guestlist_domain::User;
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user_emails")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub email: String,
    pub user_id: Uuid,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

pub(crate) fn row(user: &User) -> ActiveModel {
    ActiveModel { email: Set(user.email.as_str().to_owned()), user_id: Set(user.id.0) }
}
