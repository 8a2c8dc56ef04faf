//! Which jobs an operator means.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{
        Alias, Asterisk, Expr, ExprTrait, LikeExpr, Order, Query, SelectStatement, UnionType,
        extension::mysql::{IndexHintScope, MySqlSelectStatementExt},
    },
};
use uuid::Uuid;

use crate::entity::{job, state};

/// Jobs with all that is said here; of [`Default`], every job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// In that queue.
    pub queue: Option<String>,
    /// Of that kind.
    pub kind: Option<String>,
    /// In that [`state`].
    pub state: Option<String>,
    /// Whose latest attempt failed with that code.
    pub error_code: Option<String>,
    /// Whose latest error holds that text, or whose id begins with it.
    pub text: Option<String>,
}

/// Counts the jobs that match and are in one of these states: before a bulk action, what it would
/// act on ([`state::CANCELLABLE`], [`state::RETRYABLE`]).
pub async fn count_matching<C: ConnectionTrait>(
    conn: &C,
    filter: &JobFilter,
    states: &[&str],
) -> Result<u64, DbErr> {
    let states = filter.states(states);
    if states.is_empty() {
        return Ok(0);
    }
    let count = job::Entity::find()
        .select_only()
        .expr(Expr::col(job::Column::Id).count())
        .filter(job::Column::State.is_in(states))
        .filter(filter.condition())
        .into_tuple::<i64>()
        .one(conn)
        .await?;
    Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
}

/// The ids of jobs that match and are in one of these states, in order, from the one after that:
/// for bulk actions that write something of the caller's for each job.
pub async fn matching<C: ConnectionTrait>(
    conn: &C,
    filter: &JobFilter,
    states: &[&str],
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Uuid>, DbErr> {
    let states = filter.states(states);
    let beyond = after.map(|after| job::Column::Id.gt(after));
    let parts = states.iter().map(|state| {
        let mut part = Query::select().column(job::Column::Id).from(job::Entity).to_owned();
        in_state(&mut part, state)
            .and_where_option(beyond.clone())
            .cond_where(filter.condition())
            .order_by(job::Column::Id, Order::Asc)
            .limit(limit);
        part
    });
    let Some(all) = union(parts) else { return Ok(Vec::new()) };
    let rows = conn.query_all(&all).await?;
    let ids = rows.iter().map(|row| row.try_get_by_index::<Uuid>(0));
    let mut ids = ids.collect::<Result<Vec<_>, _>>()?;
    ids.sort();
    ids.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(ids)
}

/// By that state, in the order of ids. MySQL, unless forced, reads and sorts a state that seems to
/// hold few.
pub(crate) fn in_state<'s>(
    select: &'s mut SelectStatement,
    state: &str,
) -> &'s mut SelectStatement {
    select.force_index("jobs_list", IndexHintScope::All);
    select.and_where(Expr::col(job::Column::State).eq(state))
}

/// All the rows of selects that have an order and a limit of their own: wrapped, because SQLite
/// takes no LIMIT in a part of a UNION.
pub(crate) fn union(parts: impl Iterator<Item = SelectStatement>) -> Option<SelectStatement> {
    let wrap = |part: SelectStatement| {
        Query::select().column(Asterisk).from_subquery(part, Alias::new("part")).to_owned()
    };
    let mut parts = parts.map(wrap);
    let mut all = parts.next()?;
    all.unions(parts.map(|part| (UnionType::All, part)));
    Some(all)
}

impl JobFilter {
    /// Those of the states that this filter leaves.
    pub(crate) fn states<'s>(&self, states: &[&'s str]) -> Vec<&'s str> {
        let wanted = self.state.as_deref();
        states.iter().copied().filter(|state| wanted.is_none_or(|w| w == *state)).collect()
    }

    /// The states to look in. No done job has an error.
    pub(crate) fn listed(&self) -> Option<Vec<&str>> {
        use state::{CANCELLED, DEAD, HELD, READY, RETRYING, RUNNING, SCHEDULED};
        if let Some(state) = &self.state {
            return Some(vec![state]);
        }
        let failed = self.error_code.is_some();
        failed.then(|| vec![SCHEDULED, READY, RUNNING, RETRYING, HELD, DEAD, CANCELLED])
    }

    /// All but the state. Written so that the queue tempts no planner away from the order of ids.
    pub(crate) fn condition(&self) -> Condition {
        use job::Column as C;
        let same = |column: C, text: &Option<String>| {
            text.as_ref().map(|text| Expr::col(column).if_null("").eq(text.as_str()))
        };
        Condition::all()
            .add_option(same(C::Queue, &self.queue))
            .add_option(same(C::Kind, &self.kind))
            .add_option(same(C::LastErrorCode, &self.error_code))
            .add_option(self.text.as_deref().map(text))
    }
}

fn text(text: &str) -> Condition {
    let escaped = text.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    let told = LikeExpr::new(format!("%{escaped}%")).escape('!');
    let ids = ids(text).map(|(first, last)| job::Column::Id.between(first, last));
    Condition::any().add(Expr::col(job::Column::LastError).like(told)).add_option(ids)
}

/// The ids that begin with those digits.
fn ids(prefix: &str) -> Option<(Uuid, Uuid)> {
    let digits: String = prefix.chars().filter(|c| *c != '-').collect();
    let plain = (1..=32).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_hexdigit());
    let bound = |fill: &str| Uuid::try_parse(&(digits.clone() + &fill.repeat(32 - digits.len())));
    if plain { Some((bound("0").ok()?, bound("f").ok()?)) } else { None }
}
