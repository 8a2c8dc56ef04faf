//! Taking jobs back from workers that fell silent.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, TransactionTrait,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use crate::{
    Queue,
    entity::{attempt, job, state},
    guard,
    settle::{insert_attempts, update::go_on},
    stats,
    time::{database_now, lease_end, micros},
};

/// Jobs of one call. More wait for the next.
const BATCH: u64 = 200;
/// The `error_code` of an attempt that never reported.
const LOST: &str = "lost";
const MESSAGE: &str = "the lease ended before the worker reported what came of it";

/// Room for leases of another length than this worker's.
const ROOM: Duration = Duration::from_mins(1);

/// Why a lease is over, by the database's clock.
#[derive(Clone, Copy, Debug)]
enum Term {
    Ended,
    Overlong,
}

/// Leases that end later than any that is given now: the database's clock was set back, or they
/// were given by it while it was ahead. They are ended once no heartbeat has corrected them for
/// the length of a lease.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overlong(Arc<Mutex<Ends>>);

/// By job and fence: the lease's end, and when it was first seen.
type Ends = HashMap<(Uuid, i64), (i64, Instant)>;

impl Overlong {
    /// Notes those that there are now, and returns those that have been there for so long.
    fn unchanged(&self, jobs: Vec<job::Model>, length: Duration) -> Vec<job::Model> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = HashMap::new();
        let mut unchanged = Vec::new();
        for job in jobs {
            let (key, end) = ((job.id, job.fence), job.lease_until.unwrap_or_default());
            let since = known.get(&key).filter(|(known, _)| *known == end);
            let since = since.map_or_else(Instant::now, |(_, since)| *since);
            seen.insert(key, (end, since));
            if since.elapsed() >= length {
                unchanged.push(job);
            }
        }
        *known = seen;
        unchanged
    }
}

impl Queue {
    /// Makes the jobs of any worker whose lease ended, by the database's clock, claimable at
    /// once, and answers their ids. The attempt stays charged and is recorded as `lost`. A job
    /// whose attempts are used up is handed out once more, as
    /// [exhausted](crate::Claimed::exhausted); one whose cancelling was asked for is cancelled.
    ///
    /// A lease that ends later than any that could be given now, by more than a minute, was given
    /// before the database's clock was set back. It has ended when, from one call to another that
    /// is at least a lease's length later, no heartbeat has replaced it.
    pub async fn rescue(&self, now: Timestamp) -> Result<Vec<Uuid>, DbErr> {
        let (silent, overlong) = self.over().await?;
        let overlong = self.overlong.unchanged(overlong, self.options.lease);
        let mut rescued = self.take_all_back(&silent, Term::Ended, now).await?;
        rescued.extend(self.take_all_back(&overlong, Term::Overlong, now).await?);
        Ok(rescued)
    }

    /// The running jobs whose leases ended, and those whose leases are too long.
    async fn over(&self) -> Result<(Vec<job::Model>, Vec<job::Model>), DbErr> {
        let turn_at = job::Column::TurnAt;
        let over = job::Entity::find()
            .column_as(self.is(turn_at, Term::Overlong), "overlong")
            .filter(job::Column::State.eq(state::RUNNING))
            .filter(
                Condition::any()
                    .add(self.is(turn_at, Term::Ended))
                    .add(self.is(turn_at, Term::Overlong)),
            )
            .order_by_asc(turn_at)
            .limit(BATCH)
            .into_query();
        let (mut silent, mut overlong) = (Vec::new(), Vec::new());
        for row in self.read.query_all(&over).await? {
            let job = job::Model::from_query_result(&row, "")?;
            let is_overlong: bool = row.try_get("", "overlong")?;
            if is_overlong { &mut overlong } else { &mut silent }.push(job);
        }
        Ok((silent, overlong))
    }

    async fn take_all_back(
        &self,
        jobs: &[job::Model],
        term: Term,
        now: Timestamp,
    ) -> Result<Vec<Uuid>, DbErr> {
        let mut rescued = Vec::new();
        let mut groups = vec![jobs];
        while let Some(group) = groups.pop() {
            if group.is_empty() {
                continue;
            }
            if self.take_back(group, term, now).await? {
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
    async fn take_back(
        &self,
        group: &[job::Model],
        term: Term,
        now: Timestamp,
    ) -> Result<bool, DbErr> {
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
            .filter(self.is(C::LeaseUntil, term))
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

    fn is(&self, column: job::Column, term: Term) -> Expr {
        let engine = self.write.get_database_backend();
        match term {
            Term::Ended => Expr::col(column).lt(database_now(engine)),
            Term::Overlong => Expr::col(column).gt(lease_end(engine, self.options.lease + ROOM)),
        }
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
