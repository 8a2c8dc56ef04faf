//! Taking jobs back from workers that fell silent.

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, TransactionTrait,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use crate::{
    Queue,
    entity::{attempt, job, state},
    guard,
    settle::{insert_attempts, update::go_on},
    stats,
    time::{database_now, micros},
};

/// Jobs of one call. More wait for the next.
const BATCH: u64 = 200;
/// The `error_code` of an attempt that never reported.
const LOST: &str = "lost";
const MESSAGE: &str = "the lease ended before the worker reported what came of it";

impl Queue {
    /// Makes the jobs of any worker whose lease ended, by the database's clock, claimable at
    /// once, and answers their ids. The attempt stays charged and is recorded as `lost`. A job
    /// whose attempts are used up is handed out once more, as
    /// [exhausted](crate::Claimed::exhausted); one whose cancelling was asked for is cancelled.
    pub async fn rescue(&self, now: Timestamp) -> Result<Vec<Uuid>, DbErr> {
        let silent = job::Entity::find()
            .filter(job::Column::State.eq(state::RUNNING))
            .filter(self.ended(job::Column::TurnAt))
            .order_by_asc(job::Column::TurnAt)
            .limit(BATCH)
            .all(&self.read)
            .await?;
        let mut rescued = Vec::new();
        let mut groups = vec![silent.as_slice()];
        while let Some(group) = groups.pop() {
            if group.is_empty() {
                continue;
            }
            if self.take_back(group, now).await? {
                rescued.extend(group.iter().map(|job| job.id));
            } else if group.len() > 1 {
                // Someone else took back, or extended, some of them: find out which.
                let (left, right) = group.split_at(group.len() / 2);
                groups.extend([left, right]);
            }
        }
        Ok(rescued)
    }

    /// Takes back all of a group, or none.
    async fn take_back(&self, group: &[job::Model], now: Timestamp) -> Result<bool, DbErr> {
        use job::Column as C;
        let leases: Vec<_> = group.iter().map(|job| (job.id, job.fence)).collect();
        let transaction = self.write.begin().await?;
        let finished = Expr::value(micros(now));
        let taken = go_on(job::Entity::update_many(), state::READY, finished)
            .col_expr(C::RunAt, Expr::value(micros(now)))
            .col_expr(C::LockedBy, Expr::value(None::<String>))
            .col_expr(C::LeaseUntil, Expr::value(None::<i64>))
            .col_expr(C::LastErrorCode, Expr::value(LOST))
            .col_expr(C::LastError, Expr::value(MESSAGE))
            .filter(guard::held(&leases))
            .filter(self.ended(C::LeaseUntil))
            .exec(&transaction)
            .await?;
        if taken.rows_affected < group.len() as u64 {
            transaction.rollback().await?;
            return Ok(false);
        }
        let rows = group.iter().map(|job| self.lost(job, now)).collect();
        insert_attempts(&transaction, rows).await?;
        stats::count_lost(&transaction, &self.options.worker, group, now).await?;
        transaction.commit().await?;
        Ok(true)
    }

    fn ended(&self, column: job::Column) -> Expr {
        Expr::col(column).lt(database_now(self.write.get_database_backend()))
    }

    fn lost(&self, job: &job::Model, now: Timestamp) -> attempt::ActiveModel {
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
            error: Set(Some(MESSAGE.to_owned())),
            request_id: Set(None),
        }
    }
}
