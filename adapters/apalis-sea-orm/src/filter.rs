//! Which jobs an operator means.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr,
    sea_query::{
        Alias, Asterisk, Expr, ExprTrait, LikeExpr, Order, Query, SelectStatement, UnionType,
        extension::mysql::{IndexHintScope, MySqlSelectStatementExt},
    },
};
use uuid::Uuid;

use crate::{entity::job, guard};

/// Jobs with all that is said here; of [`Default`], every job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// In one of these queues; of none, if it is empty.
    pub queues: Option<Vec<String>>,
    /// Of that kind.
    pub kind: Option<String>,
    /// In that [`state`](crate::entity::state).
    pub state: Option<String>,
    /// Whose latest attempt failed with that code.
    pub error_code: Option<String>,
    /// Whose latest error holds that text, or whose id begins with it.
    pub text: Option<String>,
}

/// Counts the jobs that match and are in one of these states: before a bulk action, what it would
/// act on ([`CANCELLABLE`](crate::entity::state::CANCELLABLE),
/// [`RETRYABLE`](crate::entity::state::RETRYABLE)).
pub async fn count_matching<C: ConnectionTrait>(
    conn: &C,
    filter: &JobFilter,
    states: &[&str],
) -> Result<u64, DbErr> {
    let count = |mut part: SelectStatement| {
        part.clear_selects().expr_as(Expr::col(job::Column::Id).count(), "jobs").to_owned()
    };
    let parts = filter.reads(Some(&filter.states(states))).into_iter().map(count);
    let Some(all) = union(parts) else { return Ok(0) };
    let rows = conn.query_all(&all).await?;
    let counts = rows.iter().map(|row| row.try_get_by_index::<i64>(0));
    let count: i64 = counts.sum::<Result<_, _>>()?;
    Ok(u64::try_from(count).unwrap_or(0))
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
    let beyond = after.map(|after| job::Column::Id.gt(after));
    let parts = filter.reads(Some(&filter.states(states))).into_iter().map(|mut part| {
        part.and_where_option(beyond.clone()).order_by(job::Column::Id, Order::Asc).limit(limit);
        part
    });
    let mut ids = ids(conn, parts).await?;
    ids.sort();
    ids.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(ids)
}

/// What reads of ids find together.
pub(crate) async fn ids<C: ConnectionTrait>(
    conn: &C,
    parts: impl Iterator<Item = SelectStatement>,
) -> Result<Vec<Uuid>, DbErr> {
    let Some(all) = union(parts) else { return Ok(Vec::new()) };
    let rows = conn.query_all(&all).await?;
    rows.iter().map(|row| row.try_get_by_index::<Uuid>(0)).collect()
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
    fn states<'s>(&self, states: &[&'s str]) -> Vec<&'s str> {
        let wanted = self.state.as_deref();
        states.iter().copied().filter(|state| wanted.is_none_or(|w| w == *state)).collect()
    }

    /// The reads that find the ids of all that match and are in one of these states (or in any),
    /// each by an index that has them in order. MySQL, unless forced, reads and sorts where it
    /// hopes to find few.
    pub(crate) fn reads(&self, states: Option<&[&str]>) -> Vec<SelectStatement> {
        use job::Column as C;
        if self.queues.as_ref().is_some_and(Vec::is_empty) || states.is_some_and(<[_]>::is_empty) {
            return Vec::new();
        }
        let read = || {
            let mut read = Query::select().column(C::Id).from(job::Entity).to_owned();
            read.cond_where(self.condition()).to_owned()
        };
        let by = |index: &'static str, wanted: Expr| {
            read().force_index(index, IndexHintScope::All).and_where(wanted).to_owned()
        };
        match (&self.error_code, states) {
            (Some(code), states) => {
                let mut read = by("jobs_error", Expr::col(C::LastErrorCode).eq(code.as_str()));
                let states = states.map(|states| guard::is_in(states.iter().copied()));
                vec![read.and_where_option(states).to_owned()]
            }
            (None, Some(states)) => {
                let of = |state: &&str| by("jobs_list", Expr::col(C::State).eq(*state));
                states.iter().map(of).collect()
            }
            (None, None) => vec![read()],
        }
    }

    /// All but the state and the code. Written so that the queue tempts no planner away from the
    /// order of ids.
    fn condition(&self) -> Condition {
        use job::Column as C;
        let plain = |column: C| Expr::col(column).if_null("");
        let queues = self.queues.as_ref().map(|queues| plain(C::Queue).is_in(queues));
        let kind = self.kind.as_ref().map(|kind| plain(C::Kind).eq(kind.as_str()));
        let text = self.text.as_deref().map(text);
        Condition::all().add_option(queues).add_option(kind).add_option(text)
    }
}

fn text(text: &str) -> Condition {
    let escaped = text.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    let told = LikeExpr::new(format!("%{escaped}%")).escape('!');
    let ids = beginning(text).map(|(first, last)| job::Column::Id.between(first, last));
    Condition::any().add(Expr::col(job::Column::LastError).like(told)).add_option(ids)
}

/// The ids that begin with those digits.
fn beginning(prefix: &str) -> Option<(Uuid, Uuid)> {
    let digits: String = prefix.chars().filter(|c| *c != '-').collect();
    let plain = (1..=32).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_hexdigit());
    let bound = |fill: &str| Uuid::try_parse(&(digits.clone() + &fill.repeat(32 - digits.len())));
    if plain { Some((bound("0").ok()?, bound("f").ok()?)) } else { None }
}
