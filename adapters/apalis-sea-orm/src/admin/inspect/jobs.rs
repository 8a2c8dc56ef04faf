//! Lists jobs, and shows one with all its attempts.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Order,
};
use uuid::Uuid;

use crate::{
    admin::filter::JobFilter,
    entity::{attempt, job},
    sql::select_ids,
};

/// A job and its recorded attempts, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobWithAttempts {
    pub job: job::Model,
    /// All attempts except a plain success at the first.
    pub attempts: Vec<attempt::Model>,
}

/// Returns a page of the jobs that match, ordered by descending id (newest first, for version 7
/// ids), starting after `before`.
pub async fn jobs<C: ConnectionTrait>(
    conn: &C,
    filter: &JobFilter,
    before: Option<Uuid>,
    limit: u64,
) -> Result<Vec<job::Model>, DbErr> {
    use job::Column as C;
    let before = before.map(|before| C::Id.lt(before));
    let state = filter.state.as_deref().map(|state| [state]);
    let parts =
        filter.selects(state.as_ref().map(<[_; 1]>::as_slice)).into_iter().map(|mut part| {
            part.and_where_option(before.clone()).order_by(C::Id, Order::Desc).limit(limit);
            part
        });
    let ids = select_ids(conn, parts).await?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let jobs = job::Entity::find().filter(C::Id.is_in(ids)).order_by_desc(C::Id);
    jobs.all(conn).await
}

/// Returns a job, if it exists.
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
