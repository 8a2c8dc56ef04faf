//! Reclaims jobs from workers that stopped sending heartbeats.

use std::time::Duration;

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, TransactionTrait,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::{
    job_queue::JobQueue,
    settle::{insert_attempts, requeue},
};
use crate::{
    entity::{attempt, job, state},
    sql::{self, database_now, lease_end, micros},
    stats,
};

/// The most jobs of one call; more wait for the next.
const BATCH: u64 = 200;
/// Outcome and error code of an attempt that was never reported.
const LOST: &str = "lost";
const LOST_MESSAGE: &str = "the lease ended before the worker reported a result";

/// Allowance for workers whose leases are longer than this worker's.
const ALLOWANCE: Duration = Duration::from_mins(1);

/// Why a lease has ended, by the database's clock.
#[derive(Clone, Copy, Debug)]
enum LeaseEnd {
    Expired,
    Overlong,
}

impl JobQueue {
    /// Makes jobs whose lease has expired, by the database's clock, claimable immediately, and
    /// returns their ids. The attempt stays charged and is recorded as `lost`. A job whose attempts
    /// are used up is delivered once more, as [exhausted](crate::ClaimedJob::exhausted); one whose
    /// cancellation was requested is cancelled.
    ///
    /// A lease that ends more than a minute later than one granted now could end was granted before
    /// the database's clock was set back. It counts as expired if no heartbeat replaces it between
    /// two calls that are at least the length of a lease apart.
    pub async fn rescue(&self, now: Timestamp) -> Result<Vec<Uuid>, DbErr> {
        let (expired, overlong) = self.ended_leases().await?;
        let overlong = self.overlong_leases.unchanged(overlong, self.options.lease);
        let mut rescued = self.reclaim_all(&expired, LeaseEnd::Expired, now).await?;
        rescued.extend(self.reclaim_all(&overlong, LeaseEnd::Overlong, now).await?);
        Ok(rescued)
    }

    /// Returns the running jobs whose leases have expired, and those whose leases are overlong.
    async fn ended_leases(&self) -> Result<(Vec<job::Model>, Vec<job::Model>), DbErr> {
        let next_change_at = job::Column::NextChangeAt;
        let select = job::Entity::find()
            .column_as(self.has_ended(next_change_at, LeaseEnd::Overlong), "overlong")
            .filter(job::Column::State.eq(state::RUNNING))
            .filter(
                Condition::any()
                    .add(self.has_ended(next_change_at, LeaseEnd::Expired))
                    .add(self.has_ended(next_change_at, LeaseEnd::Overlong)),
            )
            .order_by_asc(next_change_at)
            .limit(BATCH)
            .into_query();
        let (mut expired, mut overlong) = (Vec::new(), Vec::new());
        for row in self.read.query_all(&select).await? {
            let job = job::Model::from_query_result(&row, "")?;
            let is_overlong: bool = row.try_get("", "overlong")?;
            if is_overlong { &mut overlong } else { &mut expired }.push(job);
        }
        Ok((expired, overlong))
    }

    async fn reclaim_all(
        &self,
        jobs: &[job::Model],
        end: LeaseEnd,
        now: Timestamp,
    ) -> Result<Vec<Uuid>, DbErr> {
        let mut rescued = Vec::new();
        let mut groups = vec![jobs];
        while let Some(group) = groups.pop() {
            if group.is_empty() {
                continue;
            }
            if self.reclaim(group, end, now).await? {
                rescued.extend(group.iter().map(|job| job.id));
            } else if group.len() > 1 {
                // Others have reclaimed or extended some of them: find out which.
                let (left, right) = group.split_at(group.len() / 2);
                groups.extend([left, right]);
            }
        }
        Ok(rescued)
    }

    /// Reclaims all jobs of a group, or none.
    async fn reclaim(
        &self,
        group: &[job::Model],
        end: LeaseEnd,
        now: Timestamp,
    ) -> Result<bool, DbErr> {
        use job::Column as C;
        let leases: Vec<_> = group.iter().map(|job| (job.id, job.fence)).collect();
        let transaction = self.write.begin().await?;
        let finished = Expr::value(micros(now));
        let reclaimed = requeue(job::Entity::update_many(), state::READY, finished)
            .col_expr(C::RunAt, Expr::value(micros(now)))
            .col_expr(C::LockedBy, Expr::value(None::<String>))
            .col_expr(C::LeaseUntil, Expr::value(None::<i64>))
            .col_expr(C::LastErrorCode, Expr::value(LOST))
            .col_expr(C::LastError, Expr::value(LOST_MESSAGE))
            .filter(sql::lease_is_current(&leases))
            .filter(self.has_ended(C::LeaseUntil, end))
            .exec(&transaction)
            .await?;
        if reclaimed.rows_affected < group.len() as u64 {
            transaction.rollback().await?;
            return Ok(false);
        }
        let rows = group.iter().map(|job| self.lost_attempt(job, now)).collect();
        insert_attempts(&transaction, rows).await?;
        stats::count_lost(&transaction, &self.options.worker, group, now).await?;
        transaction.commit().await?;
        Ok(true)
    }

    fn has_ended(&self, column: job::Column, end: LeaseEnd) -> Expr {
        let engine = self.write.get_database_backend();
        match end {
            LeaseEnd::Expired => Expr::col(column).lt(database_now(engine)),
            LeaseEnd::Overlong => {
                Expr::col(column).gt(lease_end(engine, self.options.lease + ALLOWANCE))
            }
        }
    }

    fn lost_attempt(&self, job: &job::Model, now: Timestamp) -> attempt::ActiveModel {
        attempt::ActiveModel {
            id: Set((self.options.ids)()),
            job_id: Set(job.id),
            number: Set(job.attempts),
            fence: Set(job.fence),
            worker: Set(job.locked_by.clone().unwrap_or_default()),
            started_at: Set(job.started_at.unwrap_or(job.run_at)),
            finished_at: Set(micros(now)),
            outcome: Set(LOST.to_owned()),
            error_code: Set(Some(LOST.to_owned())),
            error: Set(Some(LOST_MESSAGE.to_owned())),
            request_id: Set(None),
        }
    }
}
