//! Keeping leases, and giving them back.

use std::{collections::HashSet, time::Instant};

use sea_orm::{
    DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use crate::{
    Queue,
    entity::{job, state},
    guard,
    settle::update::go_on,
    time::{lease_end, micros},
};

impl Queue {
    /// Extends the leases of these jobs (id and fence) by a full length from now, by one
    /// statement (for each 200), and answers the ids of those that are lost. Their
    /// [`Lease`](crate::Lease)s know it from then on.
    pub async fn beat(&self, jobs: &[(Uuid, i64)]) -> Result<Vec<Uuid>, DbErr> {
        let mut lost = Vec::new();
        for jobs in jobs.chunks(guard::ROWS) {
            let since = Instant::now();
            let extended = self.extend(jobs).await?;
            let held =
                if extended == jobs.len() as u64 { None } else { Some(self.held(jobs).await?) };
            for lease in jobs {
                if held.as_ref().is_none_or(|held| held.contains(&lease.0)) {
                    self.leases.renew(*lease, since);
                } else {
                    self.leases.lose(*lease);
                    lost.push(lease.0);
                }
            }
        }
        Ok(lost)
    }

    /// Makes these jobs (id and fence) claimable again without charging the attempt, and tells
    /// how many were: those whose lease was lost are not. For jobs that were not begun, or whose
    /// performance was cut off by a shutdown. A job whose cancelling was asked for is cancelled.
    pub async fn give_back(&self, jobs: &[(Uuid, i64)]) -> Result<u64, DbErr> {
        use job::Column as C;
        let mut given = 0;
        for jobs in jobs.chunks(guard::ROWS) {
            let finished = Expr::value(micros(self.options.now()));
            let back = go_on(job::Entity::update_many(), state::READY, finished)
                .col_expr(C::Attempts, Expr::col(C::Attempts).sub(1))
                .col_expr(C::LockedBy, Expr::value(None::<String>))
                .col_expr(C::LeaseUntil, Expr::value(None::<i64>))
                .filter(guard::held(jobs))
                .exec(&self.write)
                .await?;
            given += back.rows_affected;
            for lease in jobs {
                self.leases.lose(*lease);
            }
        }
        Ok(given)
    }

    async fn extend(&self, jobs: &[(Uuid, i64)]) -> Result<u64, DbErr> {
        let end = lease_end(self.write.get_database_backend(), self.options.lease);
        let extended = job::Entity::update_many()
            .col_expr(job::Column::LeaseUntil, end)
            .filter(guard::held(jobs))
            .exec(&self.write)
            .await?;
        Ok(extended.rows_affected)
    }

    async fn held(&self, jobs: &[(Uuid, i64)]) -> Result<HashSet<Uuid>, DbErr> {
        let held: Vec<Uuid> = job::Entity::find()
            .select_only()
            .column(job::Column::Id)
            .filter(guard::held(jobs))
            .into_tuple()
            .all(&self.write)
            .await?;
        Ok(held.into_iter().collect())
    }
}
