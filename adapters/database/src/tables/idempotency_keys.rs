//! Idempotency keys and the responses to their requests.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub key_hash: Vec<u8>,
    pub request_hash: Vec<u8>,
    /// [`RUNNING`] or [`DONE`].
    pub state: String,
    pub lease_until: i64,
    pub status: Option<i16>,
    pub headers: Option<String>,
    pub content: Option<String>,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

pub(crate) const RUNNING: &str = "running";
pub(crate) const DONE: &str = "done";
