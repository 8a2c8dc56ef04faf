//! What goes wrong, and how often.

use std::collections::HashMap;

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QuerySelect,
    sea_query::{
        Expr, ExprTrait, Query, SelectStatement,
        extension::mysql::{IndexHintScope, MySqlSelectStatementExt},
    },
};
use uuid::Uuid;

use crate::{
    entity::{job, state},
    filter::union,
    guard,
    time::timestamp,
};

/// The jobs that are dead or will be tried again, and whose latest attempt failed with one code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorGroup {
    /// The code, or nothing.
    pub code: Option<String>,
    /// Of these jobs, those that are dead.
    pub dead: u64,
    /// Those that will be tried again after a failure.
    pub retrying: u64,
    /// Those that wait otherwise: snoozed, of an unknown kind, or due again and not taken yet.
    pub waiting: u64,
    /// When the first of these attempts was claimed, of those that are the latest of their job.
    pub first_seen: Timestamp,
    /// When the last was.
    pub last_seen: Timestamp,
    /// The newest of these jobs.
    pub newest: Uuid,
    /// Its error.
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

/// Dead, retrying and waiting jobs by error code, the most frequent first. It reads each of them,
/// and none of those that wait without an error.
pub async fn errors<C: ConnectionTrait>(conn: &C) -> Result<Vec<ErrorGroup>, DbErr> {
    let all = union([failed(), put_off()].into_iter()).unwrap_or_default();
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

fn failed() -> SelectStatement {
    let failed = job::Column::State.is_in([state::DEAD, state::RETRYING]);
    grouped().and_where(failed).to_owned()
}

/// By the index of codes, as most of what is scheduled has none.
fn put_off() -> SelectStatement {
    grouped()
        .force_index("jobs_error", IndexHintScope::All)
        .and_where(job::Column::LastErrorCode.is_not_null())
        .and_where(guard::is_in([state::SCHEDULED, state::READY]))
        .to_owned()
}

fn grouped() -> SelectStatement {
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
