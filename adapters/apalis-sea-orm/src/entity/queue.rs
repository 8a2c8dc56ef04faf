//! Table `job_queues`: pauses. A queue that was never paused has no row.

use sea_orm::entity::prelude::*;

/// A queue that is or was paused. Times are microseconds since 1970, UTC.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "job_queues")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// Start of the pause, or `None` if the queue is not paused.
    pub paused_at: Option<i64>,
    /// The operator who paused the queue.
    pub paused_by: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub reason: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
