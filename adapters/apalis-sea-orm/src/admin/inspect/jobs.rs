//! Lists jobs, shows one with all its attempts, and groups failed ones by error code.

use std::collections::HashMap;

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{
        Expr, ExprTrait, Order, Query, SelectStatement,
        extension::mysql::{IndexHintScope, MySqlSelectStatementExt},
    },
};
use uuid::Uuid;

use crate::{
    admin::filter::JobFilter,
    entity::{attempt, job, state},
    sql::{self, select_ids, timestamp, union},
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

/// Jobs whose latest attempt failed with the same code and that are dead or will be tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorGroup {
    pub code: Option<String>,
    /// Number of dead jobs.
    pub dead: u64,
    /// Number of jobs to be retried after a failure.
    pub retrying: u64,
    /// Number of jobs that wait otherwise: snoozed, of an unknown kind, or due again and not yet
    /// claimed.
    pub waiting: u64,
    /// When a job of the group was first claimed for its latest attempt.
    pub first_seen: Timestamp,
    /// When a job of the group was last claimed.
    pub last_seen: Timestamp,
    /// The id of the newest job.
    pub newest: Uuid,
    /// The error message of the newest job.
    pub message: Option<String>,
}

#[derive(Debug, FromQueryResult)]
struct Row {
    state: String,
    code: Option<String>,
    jobs: i64,
    first: Option<i64>,
    last: Option<i64>,
    newest: Uuid,
}

/// Returns dead, retrying and waiting jobs grouped by error code, the most frequent first. Reads
/// each of these jobs, but no job that waits without an error.
pub async fn errors<C: ConnectionTrait>(conn: &C) -> Result<Vec<ErrorGroup>, DbErr> {
    let all = union([select_failed(), select_waiting()].into_iter()).unwrap_or_default();
    let rows = conn.query_all(&all).await?;
    let mut groups: Vec<ErrorGroup> = Vec::new();
    for row in &rows {
        add(&mut groups, Row::from_query_result(row, "")?);
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.dead + group.retrying + group.waiting));
    let mut messages = messages(conn, &groups).await?;
    for group in &mut groups {
        group.message = messages.remove(&group.newest).flatten();
    }
    Ok(groups)
}

fn select_failed() -> SelectStatement {
    let is_failed = job::Column::State.is_in([state::DEAD, state::RETRYING]);
    select_groups().and_where(is_failed).to_owned()
}

/// Uses the index on error codes, because most scheduled jobs have none.
fn select_waiting() -> SelectStatement {
    select_groups()
        .force_index("jobs_error", IndexHintScope::All)
        .and_where(job::Column::LastErrorCode.is_not_null())
        .and_where(sql::state_in([state::SCHEDULED, state::READY]))
        .to_owned()
}

fn select_groups() -> SelectStatement {
    use job::Column as C;
    let seen = || Expr::col(C::StartedAt).if_null(Expr::col(C::RunAt));
    Query::select()
        .column(C::State)
        .expr_as(Expr::col(C::LastErrorCode), "code")
        .expr_as(Expr::col(C::Id).count(), "jobs")
        .expr_as(seen().min(), "first")
        .expr_as(seen().max(), "last")
        .expr_as(Expr::col(C::Id).max(), "newest")
        .from(job::Entity)
        .group_by_columns([C::State, C::LastErrorCode])
        .to_owned()
}

fn add(groups: &mut Vec<ErrorGroup>, row: Row) {
    let jobs = u64::try_from(row.jobs).unwrap_or(0);
    let of = |state: &str| if row.state == state { jobs } else { 0 };
    let (dead, retrying) = (of(state::DEAD), of(state::RETRYING));
    let waiting = of(state::SCHEDULED) + of(state::READY);
    let first_seen = timestamp(row.first.unwrap_or(0));
    let last_seen = timestamp(row.last.unwrap_or(0));
    let (code, newest) = (row.code, row.newest);
    if let Some(group) = groups.iter_mut().find(|group| group.code == code) {
        group.dead += dead;
        group.retrying += retrying;
        group.waiting += waiting;
        group.first_seen = group.first_seen.min(first_seen);
        group.last_seen = group.last_seen.max(last_seen);
        group.newest = Ord::max(group.newest, newest);
        return;
    }
    let message = None;
    let group =
        ErrorGroup { code, dead, retrying, waiting, first_seen, last_seen, newest, message };
    groups.push(group);
}

async fn messages<C: ConnectionTrait>(
    conn: &C,
    groups: &[ErrorGroup],
) -> Result<HashMap<Uuid, Option<String>>, DbErr> {
    if groups.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(Uuid, Option<String>)> = job::Entity::find()
        .select_only()
        .columns([job::Column::Id, job::Column::LastError])
        .filter(job::Column::Id.is_in(groups.iter().map(|group| group.newest)))
        .into_tuple()
        .all(conn)
        .await?;
    Ok(rows.into_iter().collect())
}
