//! What goes wrong, and how often.

use jiff::Timestamp;
use sea_orm::{
    ConnectionTrait, DbErr, FromQueryResult,
    sea_query::{Expr, ExprTrait, Query},
};

use crate::{
    entity::{job, state},
    time::timestamp,
};

/// The dead and the retrying jobs whose latest attempt failed with one code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorGroup {
    /// The code, or nothing.
    pub code: Option<String>,
    /// Of these jobs, those that are dead.
    pub dead: u64,
    /// And those that will be tried again.
    pub retrying: u64,
    /// When the first of these attempts was claimed, of those that are the latest of their job.
    pub first_seen: Timestamp,
    /// When the last was.
    pub last_seen: Timestamp,
}

#[derive(Debug, FromQueryResult)]
struct Row {
    state: String,
    code: Option<String>,
    jobs: i64,
    first: Option<i64>,
    last: Option<i64>,
}

/// Dead and retrying jobs by error code, the most frequent first.
pub async fn errors<C: ConnectionTrait>(conn: &C) -> Result<Vec<ErrorGroup>, DbErr> {
    use job::Column as C;
    let seen = || Expr::col(C::StartedAt).if_null(Expr::col(C::RunAt));
    let groups = Query::select()
        .column(C::State)
        .expr_as(Expr::col(C::LastErrorCode), "code")
        .expr_as(Expr::col(C::Id).count(), "jobs")
        .expr_as(seen().min(), "first")
        .expr_as(seen().max(), "last")
        .from(job::Entity)
        .and_where(Expr::col(C::State).is_in([state::DEAD, state::RETRYING]))
        .group_by_columns([C::State, C::LastErrorCode])
        .to_owned();
    let rows = conn.query_all(&groups).await?;
    let mut groups: Vec<ErrorGroup> = Vec::new();
    for row in &rows {
        add(&mut groups, Row::from_query_result(row, "")?);
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.dead + group.retrying));
    Ok(groups)
}

fn add(groups: &mut Vec<ErrorGroup>, row: Row) {
    let jobs = u64::try_from(row.jobs).unwrap_or(0);
    let dead = if row.state == state::DEAD { jobs } else { 0 };
    let retrying = jobs - dead;
    let first_seen = timestamp(row.first.unwrap_or(0));
    let last_seen = timestamp(row.last.unwrap_or(0));
    if let Some(group) = groups.iter_mut().find(|group| group.code == row.code) {
        group.dead += dead;
        group.retrying += retrying;
        group.first_seen = group.first_seen.min(first_seen);
        group.last_seen = group.last_seen.max(last_seen);
        return;
    }
    groups.push(ErrorGroup { code: row.code, dead, retrying, first_seen, last_seen });
}
