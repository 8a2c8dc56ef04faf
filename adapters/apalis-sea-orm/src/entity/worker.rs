//! Table `job_workers`: who is there. For people only; leases alone decide whose a job is.

use sea_orm::entity::prelude::*;

/// A worker. Times are microseconds since 1970, UTC, by the database's clock.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "job_workers")]
pub struct Model {
    /// [`Options::worker`](crate::Options::worker).
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// When it first said that it is there.
    pub started_at: i64,
    /// When it last did.
    pub seen_at: i64,
    /// The queues it works, separated by commas.
    #[sea_orm(column_type = "Text")]
    pub queues: String,
    /// How many jobs it held then.
    pub running: i32,
    /// How many it holds at most.
    pub concurrency: i32,
    /// The machine's name.
    pub host: String,
    /// The process.
    pub pid: i64,
    /// [`Options::info`](crate::Options::info).
    #[sea_orm(column_type = "Text", nullable)]
    pub info: Option<String>,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
