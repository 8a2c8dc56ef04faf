//! Cancelling: at once what nobody performs, by a request what somebody does.

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{CaseStatement, Expr, ExprTrait},
};
use uuid::Uuid;

use crate::{
    JobFilter, Queue,
    entity::{job, state},
    filter::matching,
    guard,
    time::micros,
    unique,
};

/// What [`cancel`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cancelled {
    /// These are cancelled.
    pub at_once: Vec<Uuid>,
    /// These are running; their workers are asked to end them. Whatever becomes of the attempt,
    /// they are not tried again.
    pub requested: Vec<Uuid>,
}

/// Cancels those of the jobs that have not ended. Done ones stay done, and dead ones dead: nothing
/// would try them again.
///
/// Runs on any connection; for every 200 jobs three statements. A worker notices a request within
/// a second or so. The attempt it is in may still end as done or dead, if it was faster.
pub async fn cancel<C: ConnectionTrait>(
    conn: &C,
    ids: &[Uuid],
    now: Timestamp,
) -> Result<Cancelled, DbErr> {
    let mut cancelled = Cancelled::default();
    for ids in ids.chunks(guard::ROWS) {
        let ids = standing(conn, ids, &state::CANCELLABLE).await?;
        let ids: Vec<_> = ids.into_iter().map(|(id, _)| id).collect();
        if ids.is_empty() {
            continue;
        }
        withdraw(conn, &ids, now).await?;
        for (id, state) in standing(conn, &ids, &[state::CANCELLED, state::RUNNING]).await? {
            let running = state == state::RUNNING;
            if running { &mut cancelled.requested } else { &mut cancelled.at_once }.push(id);
        }
    }
    Ok(cancelled)
}

/// Cancels all jobs that match, 200 at a time. On a pool each batch commits by itself; in a
/// transaction all are one.
pub async fn cancel_matching<C: ConnectionTrait>(
    conn: &C,
    filter: &JobFilter,
    now: Timestamp,
) -> Result<Cancelled, DbErr> {
    let mut cancelled = Cancelled::default();
    let mut after = None;
    loop {
        let batch = guard::ROWS as u64;
        let ids = matching(conn, filter, &state::CANCELLABLE, after, batch).await?;
        let Some(last) = ids.last() else { return Ok(cancelled) };
        after = Some(*last);
        let more = cancel(conn, &ids, now).await?;
        cancelled.at_once.extend(more.at_once);
        cancelled.requested.extend(more.requested);
    }
}

async fn standing<C: ConnectionTrait>(
    conn: &C,
    ids: &[Uuid],
    states: &[&str],
) -> Result<Vec<(Uuid, String)>, DbErr> {
    let rows: Vec<(Uuid, String)> = job::Entity::find()
        .select_only()
        .columns([job::Column::Id, job::Column::State])
        .filter(job::Column::Id.is_in(ids.iter().copied()))
        .into_tuple()
        .all(conn)
        .await?;
    Ok(rows.into_iter().filter(|(_, state)| states.contains(&state.as_str())).collect())
}

/// One statement, so that no job slips from one state to another between two.
async fn withdraw<C: ConnectionTrait>(conn: &C, ids: &[Uuid], now: Timestamp) -> Result<(), DbErr> {
    use job::Column as C;
    let idle = || Expr::col(C::State).ne(state::RUNNING);
    let finished = CaseStatement::new().case(idle(), micros(now)).finally(Expr::col(C::FinishedAt));
    let withdrawn =
        CaseStatement::new().case(idle(), state::CANCELLED).finally(Expr::col(C::State));
    // In this order: MySQL reads a column as what was assigned to it before.
    unique::freed(job::Entity::update_many(), &idle())
        .col_expr(C::CancelRequestedAt, Expr::col(C::CancelRequestedAt).if_null(micros(now)))
        .col_expr(C::FinishedAt, finished.into())
        .col_expr(C::State, withdrawn.into())
        .filter(C::Id.is_in(ids.iter().copied()))
        .filter(guard::is_in(state::CANCELLABLE))
        .exec(conn)
        .await?;
    Ok(())
}

impl Queue {
    /// Tells the [`Lease`](crate::Lease)s of those jobs in this process's hands that were
    /// cancelled meanwhile, and answers their ids; by one statement, if there are any to ask for.
    pub async fn notice_cancelled(&self) -> Result<Vec<Uuid>, DbErr> {
        let mut noticed = Vec::new();
        for leases in self.leases.heedless().chunks(guard::ROWS) {
            let asked: Vec<(Uuid, i64)> = job::Entity::find()
                .select_only()
                .columns([job::Column::Id, job::Column::Fence])
                .filter(guard::held(leases))
                .filter(job::Column::CancelRequestedAt.is_not_null())
                .into_tuple()
                .all(&self.read)
                .await?;
            for lease in asked {
                self.leases.cancel(lease);
                noticed.push(lease.0);
            }
        }
        Ok(noticed)
    }
}
