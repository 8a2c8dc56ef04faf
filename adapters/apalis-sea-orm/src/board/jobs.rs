//! Jobs, newest first, and one job with all its attempts.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Order,
};
use uuid::Uuid;

use crate::{
    JobFilter,
    entity::{attempt, job},
    filter::ids,
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
    let before = before.map(|before| C::Id.lt(before));
    let state = filter.state.as_deref().map(|state| [state]);
    let parts = filter.reads(state.as_ref().map(<[_; 1]>::as_slice)).into_iter().map(|mut part| {
        part.and_where_option(before.clone()).order_by(C::Id, Order::Desc).limit(limit);
        part
    });
    let ids = ids(conn, parts).await?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let jobs = job::Entity::find().filter(C::Id.is_in(ids)).order_by_desc(C::Id);
    jobs.all(conn).await
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
