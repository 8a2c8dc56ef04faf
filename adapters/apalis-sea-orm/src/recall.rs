//! Corrects times that a worker whose clock was ahead wrote into the future, where they can be
//! distinguished from times that were meant to lie there.
//!
//! - Retries and snoozes wait for no longer than [`Options::longest_pause`](crate::Options): what
//!   waits for longer is due.
//! - A job that was enqueued in the future waits for as long as it was to wait when it was enqueued.
//! - What ended in the future ended now, and a [periodic](crate::periodic) job's key is free.
//!
//! Other scheduled jobs keep their times. The future is what lies ahead of this worker's clock and
//! of the database's, so that one that is behind brings nothing back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, UpdateMany,
    sea_query::{CaseStatement, Expr, ExprTrait, Order, Query, SelectStatement},
};
use uuid::Uuid;

use crate::{
    PERIODIC, Queue,
    entity::{job, state},
    filter::union,
    guard,
    time::{database_now, micros},
};

/// Clocks that agree may differ by so much.
const SKEW: Duration = Duration::from_mins(1);
/// Rows of each state that one call looks at.
const PAGE: usize = 200;

/// Up to which time scheduled jobs were looked at: many may be meant for a distant future.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cursor(Arc<AtomicI64>);

#[derive(Debug, FromQueryResult)]
struct Ahead {
    id: Uuid,
    state: String,
    turn_at: i64,
    run_at: i64,
    created_at: i64,
    started_at: Option<i64>,
    now: i64,
}

impl Queue {
    /// Brings back what a clock that was ahead put into the future, a page at a time, and tells how
    /// many jobs were put off by it. A worker does so when it starts, and every ten seconds.
    pub async fn recall(&self, now: Timestamp) -> Result<u64, DbErr> {
        let ahead = self.ahead(micros(now)).await?;
        let Some(now) = ahead.first().map(|job| Ord::max(job.now, micros(now))) else {
            self.recalled_to.0.store(0, Ordering::Relaxed);
            return Ok(0);
        };
        let page = ahead.iter().filter(|job| job.state == state::SCHEDULED);
        let page: Vec<i64> = page.map(|job| job.turn_at).collect();
        let last = page.iter().copied().max().filter(|_| page.len() == PAGE);
        self.recalled_to.0.store(last.unwrap_or(0), Ordering::Relaxed);

        let (mut due, mut early, mut ended) = (Vec::new(), Vec::new(), Vec::new());
        for job in &ahead {
            let pause = self.options.longest_pause.map(long);
            let is_too_long = pause.is_some_and(|pause| job.run_at > now + pause + long(SKEW));
            match job.state.as_str() {
                state::RETRYING if is_too_long => due.push(job.id),
                // An operator's retry has not begun yet.
                state::SCHEDULED if job.started_at.is_some() => {
                    if is_too_long {
                        due.push(job.id);
                    }
                }
                state::SCHEDULED if job.created_at > now + long(SKEW) => early.push(job.id),
                state::RETRYING | state::SCHEDULED => {}
                _ => ended.push(job.id),
            }
        }
        let back = self.bring_back(&due, &early, now).await?;
        self.end_now(&ended, now).await?;
        Ok(back)
    }

    async fn bring_back(&self, due: &[Uuid], early: &[Uuid], now: i64) -> Result<u64, DbErr> {
        use job::Column as C;
        let waiting = [state::SCHEDULED, state::RETRYING];
        let at_once = |update: UpdateMany<job::Entity>| update.col_expr(C::RunAt, Expr::value(now));
        let due = self.update(due, &waiting, C::RunAt.gt(now), at_once).await?;
        let pause = Expr::col(C::RunAt).sub(Expr::col(C::CreatedAt));
        // In this order: MySQL reads a column as what was assigned to it before.
        let after_pause = |update: UpdateMany<job::Entity>| {
            update.col_expr(C::RunAt, pause.add(now)).col_expr(C::CreatedAt, Expr::value(now))
        };
        Ok(due + self.update(early, &waiting, C::CreatedAt.gt(now), after_pause).await?)
    }

    async fn end_now(&self, ended: &[Uuid], now: i64) -> Result<(), DbErr> {
        use job::Column as C;
        let is_tick = Expr::col(C::UniqueKey).like(format!("{PERIODIC}%"));
        let key = CaseStatement::new().case(is_tick, Expr::value(None::<String>));
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
            .filter(guard::is_in(states.iter().copied()))
            .filter(still);
        Ok(update.exec(&self.write).await?.rows_affected)
    }

    /// The first jobs of each state whose turn lies ahead of both clocks; of the scheduled ones a
    /// page.
    async fn ahead(&self, now: i64) -> Result<Vec<Ahead>, DbErr> {
        let (skew, pause) = (long(SKEW), long(self.options.longest_pause.unwrap_or_default()));
        let from = self.recalled_to.0.load(Ordering::Relaxed);
        let parts = [
            self.page(state::RETRYING, now + pause + skew, pause + skew),
            self.page(state::SCHEDULED, Ord::max(now, from), 0),
        ];
        let ended = ENDED.iter().map(|state| self.page(state, now + skew, skew));
        let Some(union) = union(parts.into_iter().chain(ended)) else { return Ok(Vec::new()) };
        let rows = self.read.query_all(&union).await?;
        rows.iter().map(|row| Ahead::from_query_result(row, "")).collect()
    }

    /// Jobs of that state whose turn is after that time, and further ahead of the database's now.
    fn page(&self, state: &str, after: i64, ahead: i64) -> SelectStatement {
        use job::Column as C;
        let now = || database_now(self.read.get_database_backend());
        Query::select()
            .columns([C::Id, C::State, C::TurnAt, C::RunAt, C::CreatedAt, C::StartedAt])
            .expr_as(now(), "now")
            .from(job::Entity)
            .and_where(Expr::col(C::State).eq(state))
            .and_where(Expr::col(C::TurnAt).gt(after))
            .and_where(Expr::col(C::TurnAt).gt(now().add(ahead)))
            .order_by(C::TurnAt, Order::Asc)
            .limit(PAGE as u64)
            .to_owned()
    }
}

const ENDED: [&str; 3] = [state::DONE, state::DEAD, state::CANCELLED];

fn long(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4)
}
