//! Table `job_rates`: the next start to assign for each shared [`Rate`](crate::Rate).

use sea_orm::entity::prelude::*;

/// A shared rate. Times are microseconds since 1970, UTC, by the database's clock.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "job_rates")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The first start that is not assigned.
    pub next_free: i64,
    /// End of the latest [hold](crate::hold_rate); it may have passed.
    pub held_until: i64,
    /// When a start was last assigned.
    pub seen_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
