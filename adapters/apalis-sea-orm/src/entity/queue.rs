//! Table `job_queues`: what operators said of queues. A queue that nobody said anything of has no
//! row.

use sea_orm::entity::prelude::*;

/// A queue that is, or was, paused. Times are microseconds since 1970, UTC.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "job_queues")]
pub struct Model {
    /// The queue.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// Since when, if it is.
    pub paused_at: Option<i64>,
    /// Who paused it.
    pub paused_by: Option<String>,
    /// Why.
    #[sea_orm(column_type = "Text", nullable)]
    pub reason: Option<String>,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
