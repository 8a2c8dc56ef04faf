//! Extends and releases leases.

use std::{collections::HashSet, time::Instant};

use sea_orm::{
    DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::{job_queue::JobQueue, settle::requeue};
use crate::{
    entity::{job, state},
    sql::{self, lease_end, micros},
};

impl JobQueue {
    /// Extends the leases of these jobs (id and fence) to a full length from now, with one statement
    /// for each 200. Marks the leases that are lost, and returns the ids of their jobs.
    pub async fn heartbeat(&self, jobs: &[(Uuid, i64)]) -> Result<Vec<Uuid>, DbErr> {
        let mut lost = Vec::new();
        for jobs in jobs.chunks(sql::MAX_ROWS) {
            let sent_at = Instant::now();
            let extended = self.extend(jobs).await?;
            let current =
                if extended == jobs.len() as u64 { None } else { Some(self.current(jobs).await?) };
            for lease in jobs {
                if current.as_ref().is_none_or(|current| current.contains(&lease.0)) {
                    self.leases.renew(*lease, sent_at);
                } else {
                    self.leases.lose(*lease);
                    lost.push(lease.0);
                }
            }
        }
        Ok(lost)
    }

    /// Makes these jobs (id and fence) claimable again without charging the attempt, for jobs that
    /// did not start or were interrupted by a shutdown. Cancels those whose cancellation was
    /// requested. Returns how many were released; jobs whose lease was lost are not.
    pub async fn release(&self, jobs: &[(Uuid, i64)]) -> Result<u64, DbErr> {
        use job::Column as C;
        let mut count = 0;
        for jobs in jobs.chunks(sql::MAX_ROWS) {
            let finished = Expr::value(micros(self.options.now()));
            let released = requeue(job::Entity::update_many(), state::READY, finished)
                .col_expr(C::Attempts, Expr::col(C::Attempts).sub(1))
                .col_expr(C::LockedBy, Expr::value(None::<String>))
                .col_expr(C::LeaseUntil, Expr::value(None::<i64>))
                .filter(sql::lease_is_current(jobs))
                .exec(&self.write)
                .await?;
            count += released.rows_affected;
            for lease in jobs {
                self.leases.lose(*lease);
            }
        }
        Ok(count)
    }

    async fn extend(&self, jobs: &[(Uuid, i64)]) -> Result<u64, DbErr> {
        let end = lease_end(self.write.get_database_backend(), self.options.lease);
        let extended = job::Entity::update_many()
            .col_expr(job::Column::LeaseUntil, end)
            .filter(sql::lease_is_current(jobs))
            .exec(&self.write)
            .await?;
        Ok(extended.rows_affected)
    }

    async fn current(&self, jobs: &[(Uuid, i64)]) -> Result<HashSet<Uuid>, DbErr> {
        let current: Vec<Uuid> = job::Entity::find()
            .select_only()
            .column(job::Column::Id)
            .filter(sql::lease_is_current(jobs))
            .into_tuple()
            .all(&self.write)
            .await?;
        Ok(current.into_iter().collect())
    }
}
