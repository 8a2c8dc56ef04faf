//! Table `job_workers`: the workers that report. It is for operators only; leases alone decide
//! which worker holds a job.

use sea_orm::entity::prelude::*;

/// A worker. Times are microseconds since 1970, UTC, by the database's clock.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "job_workers")]
pub struct Model {
    /// [`Options::worker`](crate::Options::worker).
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// When the worker first reported.
    pub started_at: i64,
    /// When the worker last reported.
    pub seen_at: i64,
    /// Separated by commas.
    #[sea_orm(column_type = "Text")]
    pub queues: String,
    /// Number of jobs the worker held at its last report.
    pub running: i32,
    /// The most jobs the worker holds at a time.
    pub concurrency: i32,
    pub host: String,
    pub pid: i64,
    /// [`Options::info`](crate::Options::info).
    #[sea_orm(column_type = "Text", nullable)]
    pub info: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
