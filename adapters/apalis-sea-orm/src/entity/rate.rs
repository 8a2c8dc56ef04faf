//! Table `job_rates`: how far the starts of jobs that share a [`Rate`](crate::Rate) are given away.

use sea_orm::entity::prelude::*;

/// A shared rate. Times are microseconds since 1970, UTC, by the database's clock.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "job_rates")]
pub struct Model {
    /// The rate's name.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The next start that nobody has.
    pub next_free: i64,
    /// The end of the latest [hold](crate::hold_rate); it may have passed.
    pub held_until: i64,
    /// When it was last asked for.
    pub seen_at: i64,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
