//! Corrects times in the future that were written by a worker whose clock was ahead, as far as they
//! differ from intended ones:
//!
//! - Retries and snoozes never wait longer than [`Options::max_delay`](crate::Options::max_delay).
//!   Jobs that wait longer are treated as due.
//! - A job whose `created_at` is in the future is rescheduled with the same delay from now.
//! - A job that finished in the future finished now, and the key of a
//!   [periodic](crate::PERIODIC_KEY_PREFIX) one is freed.
//!
//! All other scheduled jobs keep their times. A time is in the future if it is ahead of both this
//! worker's clock and the database's, so a worker whose clock is behind changes nothing.

use std::{sync::atomic::Ordering, time::Duration};

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, UpdateMany,
    sea_query::{CaseStatement, Expr, ExprTrait, Order, Query, SelectStatement},
};
use uuid::Uuid;

use super::job_queue::JobQueue;
use crate::{
    entity::{job, state},
    sql::{self, database_now, duration_micros, micros, union},
};

/// Prefix of the unique keys of periodic jobs, whose remainder names the job and the interval. If
/// such a job has finished in the future, by a clock that was ahead, its key is freed so that the
/// job can run again at the right time.
pub const PERIODIC_KEY_PREFIX: &str = "periodic:";

/// The largest difference between clocks that counts as none.
const SKEW: Duration = Duration::from_mins(1);
/// Rows of each state that one call reads.
const PAGE_ROWS: usize = 200;

#[derive(Debug, FromQueryResult)]
struct FutureJob {
    id: Uuid,
    state: String,
    next_change_at: i64,
    run_at: i64,
    created_at: i64,
    started_at: Option<i64>,
    now: i64,
}

impl JobQueue {
    /// Corrects a page of jobs, and returns how many of them were delayed by a clock that was
    /// ahead. A worker does so when it starts and every ten seconds.
    pub async fn correct_clock_skew(&self, now: Timestamp) -> Result<u64, DbErr> {
        let ahead = self.future_jobs(micros(now)).await?;
        let Some(now) = ahead.first().map(|job| Ord::max(job.now, micros(now))) else {
            self.skew_checked_to.store(0, Ordering::Relaxed);
            return Ok(0);
        };
        let page = ahead.iter().filter(|job| job.state == state::SCHEDULED);
        let page: Vec<i64> = page.map(|job| job.next_change_at).collect();
        let last = page.iter().copied().max().filter(|_| page.len() == PAGE_ROWS);
        self.skew_checked_to.store(last.unwrap_or(0), Ordering::Relaxed);

        let (mut due, mut early, mut ended) = (Vec::new(), Vec::new(), Vec::new());
        for job in &ahead {
            let delay = self.options.max_delay.map(duration_micros);
            let is_overdelayed =
                delay.is_some_and(|delay| job.run_at > now + delay + duration_micros(SKEW));
            match job.state.as_str() {
                state::RETRYING if is_overdelayed => due.push(job.id),
                // A retry by an operator has not started yet.
                state::SCHEDULED if job.started_at.is_some() => {
                    if is_overdelayed {
                        due.push(job.id);
                    }
                }
                state::SCHEDULED if job.created_at > now + duration_micros(SKEW) => {
                    early.push(job.id);
                }
                state::RETRYING | state::SCHEDULED => {}
                _ => ended.push(job.id),
            }
        }
        let rescheduled = self.reschedule(&due, &early, now).await?;
        self.set_finished(&ended, now).await?;
        Ok(rescheduled)
    }

    async fn reschedule(&self, due: &[Uuid], early: &[Uuid], now: i64) -> Result<u64, DbErr> {
        use job::Column as C;
        let waiting = [state::SCHEDULED, state::RETRYING];
        let set_due = |update: UpdateMany<job::Entity>| update.col_expr(C::RunAt, Expr::value(now));
        let due = self.update(due, &waiting, C::RunAt.gt(now), set_due).await?;
        let delay = Expr::col(C::RunAt).sub(Expr::col(C::CreatedAt));
        // The order matters: MySQL evaluates assignments from left to right.
        let after_delay = |update: UpdateMany<job::Entity>| {
            update.col_expr(C::RunAt, delay.add(now)).col_expr(C::CreatedAt, Expr::value(now))
        };
        Ok(due + self.update(early, &waiting, C::CreatedAt.gt(now), after_delay).await?)
    }

    async fn set_finished(&self, ended: &[Uuid], now: i64) -> Result<(), DbErr> {
        use job::Column as C;
        let is_periodic = Expr::col(C::UniqueKey).like(format!("{PERIODIC_KEY_PREFIX}%"));
        let key = CaseStatement::new().case(is_periodic, Expr::value(None::<String>));
        let key = key.finally(Expr::col(C::UniqueKey)).into();
        let end = |update: UpdateMany<job::Entity>| {
            update.col_expr(C::UniqueKey, key).col_expr(C::FinishedAt, Expr::value(now))
        };
        self.update(ended, &ENDED, C::FinishedAt.gt(now), end).await?;
        Ok(())
    }

    async fn update(
        &self,
        ids: &[Uuid],
        states: &[&str],
        still: Expr,
        change: impl FnOnce(UpdateMany<job::Entity>) -> UpdateMany<job::Entity>,
    ) -> Result<u64, DbErr> {
        if ids.is_empty() {
            return Ok(0);
        }
        let update = change(job::Entity::update_many())
            .filter(job::Column::Id.is_in(ids.iter().copied()))
            .filter(sql::state_in(states.iter().copied()))
            .filter(still);
        Ok(update.exec(&self.write).await?.rows_affected)
    }

    /// Returns jobs of each state whose `next_change_at` is ahead of both clocks; of the scheduled ones a
    /// page, because many may be intended for a distant future.
    async fn future_jobs(&self, now: i64) -> Result<Vec<FutureJob>, DbErr> {
        let (skew, delay) =
            (duration_micros(SKEW), duration_micros(self.options.max_delay.unwrap_or_default()));
        let from = self.skew_checked_to.load(Ordering::Relaxed);
        let parts = [
            self.page(state::RETRYING, now + delay + skew, delay + skew),
            self.page(state::SCHEDULED, Ord::max(now, from), 0),
        ];
        let ended = ENDED.iter().map(|state| self.page(state, now + skew, skew));
        let Some(union) = union(parts.into_iter().chain(ended)) else { return Ok(Vec::new()) };
        let rows = self.read.query_all(&union).await?;
        rows.iter().map(|row| FutureJob::from_query_result(row, "")).collect()
    }

    /// Selects jobs of a state whose `next_change_at` is later than `after`, and more than `ahead`
    /// microseconds later than the database's current time.
    fn page(&self, state: &str, after: i64, ahead: i64) -> SelectStatement {
        use job::Column as C;
        let now = || database_now(self.read.get_database_backend());
        Query::select()
            .columns([C::Id, C::State, C::NextChangeAt, C::RunAt, C::CreatedAt, C::StartedAt])
            .expr_as(now(), "now")
            .from(job::Entity)
            .and_where(Expr::col(C::State).eq(state))
            .and_where(Expr::col(C::NextChangeAt).gt(after))
            .and_where(Expr::col(C::NextChangeAt).gt(now().add(ahead)))
            .order_by(C::NextChangeAt, Order::Asc)
            .limit(PAGE_ROWS as u64)
            .to_owned()
    }
}

const ENDED: [&str; 3] = [state::DONE, state::DEAD, state::CANCELLED];
