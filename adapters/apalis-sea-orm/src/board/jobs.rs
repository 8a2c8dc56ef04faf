//! Jobs, newest first, and one job with all its attempts.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, Order, Query, SelectStatement},
};
use uuid::Uuid;

use crate::{
    JobFilter,
    entity::{attempt, job},
    filter::{in_state, union},
};

/// A job and what came of its attempts, the first first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobWithAttempts {
    /// The job.
    pub job: job::Model,
    /// All attempts but a plain success at the first.
    pub attempts: Vec<attempt::Model>,
}

/// The jobs that match, those of the greatest ids (the newest, of version 7) first: a page of so
/// many, from the one before that id.
pub async fn jobs<C: ConnectionTrait>(
    conn: &C,
    filter: &JobFilter,
    before: Option<Uuid>,
    limit: u64,
) -> Result<Vec<job::Model>, DbErr> {
    use job::Column as C;
    let ids = match filter.listed() {
        Some(states) => {
            let of = |state| newest(filter, before, limit, Some(state));
            union(states.into_iter().map(of)).unwrap_or_default()
        }
        None => newest(filter, before, limit, None),
    };
    let rows = conn.query_all(&ids).await?;
    let ids = rows.iter().map(|row| row.try_get_by_index::<Uuid>(0));
    let mut ids = ids.collect::<Result<Vec<_>, _>>()?;
    ids.sort_by(|one, other| other.cmp(one));
    ids.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let jobs = job::Entity::find().filter(C::Id.is_in(ids)).order_by_desc(C::Id);
    jobs.all(conn).await
}

fn newest(
    filter: &JobFilter,
    before: Option<Uuid>,
    limit: u64,
    state: Option<&str>,
) -> SelectStatement {
    use job::Column as C;
    let mut select = Query::select().column(C::Id).from(job::Entity).to_owned();
    if let Some(state) = state {
        in_state(&mut select, state);
    }
    select
        .and_where_option(before.map(|before| Expr::col(C::Id).lt(before)))
        .cond_where(filter.condition())
        .order_by(C::Id, Order::Desc)
        .limit(limit)
        .to_owned()
}

/// That job, if it is there.
pub async fn job<C: ConnectionTrait>(conn: &C, id: Uuid) -> Result<Option<JobWithAttempts>, DbErr> {
    let Some(job) = job::Entity::find_by_id(id).one(conn).await? else { return Ok(None) };
    let attempts = attempt::Entity::find()
        .filter(attempt::Column::JobId.eq(id))
        .limit(1_000)
        .all(conn)
        .await?;
    let mut found = JobWithAttempts { job, attempts };
    found.attempts.sort_by_key(|attempt| attempt.fence);
    Ok(Some(found))
}
