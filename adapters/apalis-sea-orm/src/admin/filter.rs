//! Selects jobs by queue, kind, state, error and text.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr,
    sea_query::{
        Alias, Asterisk, Expr, ExprTrait, LikeExpr, Order, Query, SelectStatement,
        extension::mysql::{IndexHintScope, MySqlSelectStatementExt},
    },
};
use uuid::Uuid;

use crate::{
    entity::job,
    sql::{self, select_ids, union},
};

/// Conditions that a job must all meet. The [default](Default) matches every job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Matches jobs in any of these queues; an empty list matches no job.
    pub queues: Option<Vec<String>>,
    /// Matches jobs of this kind.
    pub kind: Option<String>,
    /// Matches jobs in this [`state`](crate::entity::state).
    pub state: Option<String>,
    /// Matches jobs whose latest attempt failed with this code.
    pub error_code: Option<String>,
    /// The latest error contains this text, or the id starts with it.
    pub text: Option<String>,
}

/// Returns the number of jobs that match and are in one of `states`, for example before a bulk
/// action on [`CANCELLABLE`](crate::entity::state::CANCELLABLE) or
/// [`RETRYABLE`](crate::entity::state::RETRYABLE) jobs.
pub async fn count_matching<C: ConnectionTrait>(
    conn: &C,
    filter: &JobFilter,
    states: &[&str],
) -> Result<u64, DbErr> {
    let count = |mut part: SelectStatement| {
        part.clear_selects().expr_as(Expr::col(job::Column::Id).count(), "jobs").to_owned()
    };
    let parts = filter.selects(Some(&filter.states(states))).into_iter().map(count);
    let Some(all) = union(parts) else { return Ok(0) };
    let rows = conn.query_all(&all).await?;
    let counts = rows.iter().map(|row| row.try_get_by_index::<i64>(0));
    let count: i64 = counts.sum::<Result<_, _>>()?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Returns the number of jobs that match and are in one of `states`, but at most `limit`. Reads no
/// more than `limit` jobs of each state.
pub async fn count_up_to<C: ConnectionTrait>(
    conn: &C,
    filter: &JobFilter,
    states: &[&str],
    limit: u64,
) -> Result<u64, DbErr> {
    let parts = filter.selects(Some(&filter.states(states))).into_iter();
    let Some(all) = union(parts.map(|mut part| part.limit(limit).to_owned())) else { return Ok(0) };
    let count = Query::select()
        .expr_as(Expr::col(Asterisk).count(), "jobs")
        .from_subquery(all, Alias::new("matching"))
        .to_owned();
    let Some(row) = conn.query_one(&count).await? else { return Ok(0) };
    let found = u64::try_from(row.try_get_by_index::<i64>(0)?).unwrap_or(0);
    Ok(Ord::min(found, limit))
}

/// The number of jobs of one kind in one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindCount {
    pub kind: String,
    pub queue: String,
    pub jobs: u64,
}

/// Returns the number of jobs that match and are in one of `states` by kind and queue, the most
/// frequent first.
pub async fn count_by_kind<C: ConnectionTrait>(
    conn: &C,
    filter: &JobFilter,
    states: &[&str],
) -> Result<Vec<KindCount>, DbErr> {
    use job::Column as C;
    let parts = filter.selects(Some(&filter.states(states))).into_iter().map(|mut part| {
        part.clear_selects()
            .columns([C::Kind, C::Queue])
            .expr_as(Expr::col(C::Id).count(), "jobs")
            .group_by_columns([C::Kind, C::Queue])
            .to_owned()
    });
    let Some(all) = union(parts) else { return Ok(Vec::new()) };
    let mut counts: Vec<KindCount> = Vec::new();
    for row in conn.query_all(&all).await? {
        let (kind, queue): (String, String) = (row.try_get("", "kind")?, row.try_get("", "queue")?);
        let jobs = u64::try_from(row.try_get::<i64>("", "jobs")?).unwrap_or(0);
        match counts.iter_mut().find(|count| count.kind == kind && count.queue == queue) {
            Some(count) => count.jobs += jobs,
            None => counts.push(KindCount { kind, queue, jobs }),
        }
    }
    counts.sort_by_key(|count| std::cmp::Reverse(count.jobs));
    Ok(counts)
}

/// Returns up to `limit` ids of jobs that match and are in one of `states`, in ascending order
/// after `after`, for bulk actions that write rows of the caller for each job.
pub async fn matching_ids<C: ConnectionTrait>(
    conn: &C,
    filter: &JobFilter,
    states: &[&str],
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Uuid>, DbErr> {
    let is_after = after.map(|after| job::Column::Id.gt(after));
    let parts = filter.selects(Some(&filter.states(states))).into_iter().map(|mut part| {
        part.and_where_option(is_after.clone()).order_by(job::Column::Id, Order::Asc).limit(limit);
        part
    });
    let mut ids = select_ids(conn, parts).await?;
    ids.sort();
    ids.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(ids)
}

impl JobFilter {
    /// Returns those of `states` that this filter allows.
    fn states<'s>(&self, states: &[&'s str]) -> Vec<&'s str> {
        let wanted = self.state.as_deref();
        states.iter().copied().filter(|state| wanted.is_none_or(|w| w == *state)).collect()
    }

    /// Returns selects that together find the ids of all jobs that match and are in one of
    /// `states`, or in any. Each uses an index that has them in order; without the hint, MySQL
    /// prefers to sort when it expects few rows.
    pub(crate) fn selects(&self, states: Option<&[&str]>) -> Vec<SelectStatement> {
        use job::Column as C;
        if self.queues.as_ref().is_some_and(Vec::is_empty) || states.is_some_and(<[_]>::is_empty) {
            return Vec::new();
        }
        let select = || {
            let mut select = Query::select().column(C::Id).from(job::Entity).to_owned();
            select.cond_where(self.condition()).to_owned()
        };
        let by = |index: &'static str, wanted: Expr| {
            select().force_index(index, IndexHintScope::All).and_where(wanted).to_owned()
        };
        match (&self.error_code, states) {
            (Some(code), states) => {
                let mut select = by("jobs_error", Expr::col(C::LastErrorCode).eq(code.as_str()));
                let states = states.map(|states| sql::state_in(states.iter().copied()));
                vec![select.and_where_option(states).to_owned()]
            }
            (None, Some(states)) => {
                let of = |state: &&str| by("jobs_list", Expr::col(C::State).eq(*state));
                states.iter().map(of).collect()
            }
            (None, None) => vec![select()],
        }
    }

    /// All conditions except state and error code, written so that no planner uses an index on the
    /// queue instead of the order of ids.
    fn condition(&self) -> Condition {
        use job::Column as C;
        let unindexed = |column: C| Expr::col(column).if_null("");
        let queues = self.queues.as_ref().map(|queues| unindexed(C::Queue).is_in(queues));
        let kind = self.kind.as_ref().map(|kind| unindexed(C::Kind).eq(kind.as_str()));
        let text = self.text.as_deref().map(text_condition);
        Condition::all().add_option(queues).add_option(kind).add_option(text)
    }
}

fn text_condition(text: &str) -> Condition {
    let escaped = text.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    let pattern = LikeExpr::new(format!("%{escaped}%")).escape('!');
    let ids = id_range(text).map(|(first, last)| job::Column::Id.between(first, last));
    Condition::any().add(Expr::col(job::Column::LastError).like(pattern)).add_option(ids)
}

/// Returns the first and last id that start with these hexadecimal digits.
fn id_range(prefix: &str) -> Option<(Uuid, Uuid)> {
    let digits: String = prefix.chars().filter(|c| *c != '-').collect();
    let is_prefix =
        (1..=32).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_hexdigit());
    let bound = |fill: &str| Uuid::try_parse(&(digits.clone() + &fill.repeat(32 - digits.len())));
    if is_prefix { Some((bound("0").ok()?, bound("f").ok()?)) } else { None }
}
