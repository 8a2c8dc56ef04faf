//! Writing down what came of attempts: many at a time, in a transaction that the caller may own,
//! so that a job's end and what it did to the caller's rows are one commit.

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, UpdateMany,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use crate::{
    entity::{attempt, job, state},
    guard::{self, by_id},
    time::micros,
};

/// Characters of an error's text that are kept.
const MESSAGE: usize = 4_000;

/// The end of one attempt. `job`, `fence`, `number` and `started_at` are those of the
/// [`Claimed`](crate::Claimed) job.
#[derive(Clone, Debug, PartialEq)]
pub struct Settlement {
    /// The id of the row in `job_attempts`. Chosen before the first try and kept for each further
    /// one, it tells a settlement that was written from one that was not.
    pub attempt_id: Uuid,
    pub job: Uuid,
    pub fence: i64,
    pub worker: String,
    pub number: u32,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub outcome: Outcome,
    pub error: Option<Failure>,
}

/// What becomes of a job after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is finished.
    Done,
    /// It failed and is tried again at that time; the attempt is charged.
    Retry { at: Timestamp },
    /// It could not be tried, and is at that time; the attempt is given back.
    Snooze { at: Timestamp },
    /// It failed for good.
    Dead,
}

/// Why an attempt did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For machines: at most 64 bytes of ASCII; more is cut off.
    pub code: String,
    /// For people: at most 4,000 characters; more is cut off.
    pub message: String,
    /// The id that a called service gave its answer.
    pub request_id: Option<String>,
}

/// Whether a group of settlements was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "when leases were lost the transaction must be rolled back"]
pub enum Settled {
    /// Every lease was held: all is written, if the transaction commits.
    All,
    /// Some lease was not held. Others of the group may be written: roll back, leave out those
    /// whose [`standings`] are not [`Standing::Held`], and settle the others again.
    SomeLost,
}

/// How a settlement stands with the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its lease is held: it can be written.
    Held,
    /// It was written already, say by a commit whose answer was lost.
    Settled,
    /// Its lease was lost: it can never be written, and what it did may be done again.
    Lost,
}

impl Outcome {
    /// As the `outcome` column spells it.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Retry { .. } => "retry",
            Outcome::Snooze { .. } => "snooze",
            Outcome::Dead => "dead",
        }
    }
}

/// Settles attempts: an UPDATE for each kind of outcome (and each 200 jobs), each guarded by its
/// job's fence, and one INSERT of the attempts worth keeping.
///
/// Call it in a transaction, and roll that back unless the answer is [`Settled::All`].
pub async fn settle<C: ConnectionTrait>(
    conn: &C,
    settlements: &[Settlement],
) -> Result<Settled, DbErr> {
    for kind in ["done", "retry", "snooze", "dead"] {
        let group: Vec<_> = settlements.iter().filter(|s| s.outcome.name() == kind).collect();
        for group in group.chunks(guard::ROWS) {
            let written = update(group).exec(conn).await?.rows_affected;
            if written < group.len() as u64 {
                return Ok(Settled::SomeLost);
            }
        }
    }
    let attempts = settlements.iter().filter(|s| !s.is_plain()).map(Settlement::row);
    insert_attempts(conn, attempts.collect()).await?;
    Ok(Settled::All)
}

/// Tells, in the order asked, whether each settlement can be written, was written or never can.
/// Ask outside the transaction that failed.
pub async fn standings<C: ConnectionTrait>(
    conn: &C,
    settlements: &[Settlement],
) -> Result<Vec<Standing>, DbErr> {
    let jobs: Vec<(Uuid, i64, String)> = job::Entity::find()
        .select_only()
        .columns([job::Column::Id, job::Column::Fence, job::Column::State])
        .filter(job::Column::Id.is_in(settlements.iter().map(|s| s.job)))
        .into_tuple()
        .all(conn)
        .await?;
    let written: Vec<Uuid> = attempt::Entity::find()
        .select_only()
        .column(attempt::Column::Id)
        .filter(attempt::Column::Id.is_in(settlements.iter().map(|s| s.attempt_id)))
        .into_tuple()
        .all(conn)
        .await?;
    let standing = |s: &Settlement| {
        let leased = jobs.iter().find(|(id, fence, _)| *id == s.job && *fence == s.fence);
        match leased.map(|(.., state)| state.as_str()) {
            Some(state::RUNNING) => Standing::Held,
            // Only the holder of a fence ends a job under it.
            Some(state::DONE) if s.outcome == Outcome::Done => Standing::Settled,
            _ if written.contains(&s.attempt_id) => Standing::Settled,
            _ => Standing::Lost,
        }
    };
    Ok(settlements.iter().map(standing).collect())
}

/// Inserts rows of `job_attempts`, if there are any.
pub(crate) async fn insert_attempts<C: ConnectionTrait>(
    conn: &C,
    rows: Vec<attempt::ActiveModel>,
) -> Result<(), DbErr> {
    for rows in rows.chunks(1_000) {
        let rows = rows.iter().cloned();
        attempt::Entity::insert_many(rows).exec_without_returning(conn).await?;
    }
    Ok(())
}

/// The UPDATE of settlements that have one kind of outcome.
fn update(group: &[&Settlement]) -> UpdateMany<job::Entity> {
    use job::Column as C;
    let leases: Vec<_> = group.iter().map(|s| (s.job, s.fence)).collect();
    let finished = by_id(group.iter().map(|s| (s.job, micros(s.finished_at))));
    let run_at = by_id(group.iter().filter_map(|s| Some((s.job, micros(s.outcome.run_at()?)))));
    let errors = group.iter().filter_map(|s| Some((s.job, s.error.as_ref()?)));
    let code = by_id(errors.clone().map(|(job, error)| (job, error.code())));
    let message = by_id(errors.map(|(job, error)| (job, error.message())));

    let update = job::Entity::update_many()
        .filter(guard::held(&leases))
        .col_expr(C::LockedBy, Expr::value(None::<String>))
        .col_expr(C::LeaseUntil, Expr::value(None::<i64>))
        .col_expr(C::LastErrorCode, code)
        .col_expr(C::LastError, message);
    let to = |update: UpdateMany<job::Entity>, state: &str| {
        update.col_expr(C::State, Expr::value(state))
    };
    match group[0].outcome {
        Outcome::Done => to(update, state::DONE).col_expr(C::FinishedAt, finished),
        Outcome::Dead => to(update, state::DEAD).col_expr(C::FinishedAt, finished),
        Outcome::Retry { .. } => to(update, state::RETRYING).col_expr(C::RunAt, run_at),
        Outcome::Snooze { .. } => to(update, state::SCHEDULED)
            .col_expr(C::RunAt, run_at)
            .col_expr(C::Attempts, Expr::col(C::Attempts).sub(1)),
    }
}

impl Outcome {
    fn run_at(self) -> Option<Timestamp> {
        match self {
            Outcome::Retry { at } | Outcome::Snooze { at } => Some(at),
            Outcome::Done | Outcome::Dead => None,
        }
    }
}

impl Settlement {
    /// A success at the first attempt without anything to tell: the job's row says it all.
    fn is_plain(&self) -> bool {
        self.outcome == Outcome::Done && self.number == 1 && self.error.is_none()
    }

    fn row(&self) -> attempt::ActiveModel {
        let error = self.error.as_ref();
        attempt::ActiveModel {
            id: Set(self.attempt_id),
            job_id: Set(self.job),
            number: Set(i32::try_from(self.number).unwrap_or(i32::MAX)),
            fence: Set(self.fence),
            worker: Set(ascii(&self.worker)),
            started_at: Set(micros(self.started_at)),
            finished_at: Set(micros(self.finished_at)),
            outcome: Set(self.outcome.name().to_owned()),
            error_code: Set(error.map(Failure::code)),
            error: Set(error.map(Failure::message)),
            request_id: Set(error.and_then(|e| e.request_id.as_deref()).map(ascii)),
        }
    }
}

impl Failure {
    fn code(&self) -> String {
        ascii(&self.code)
    }

    fn message(&self) -> String {
        self.message.chars().take(MESSAGE).collect()
    }
}

/// What fits a column of 64 bytes of ASCII.
pub(crate) fn ascii(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() { c } else { '?' }).take(64).collect()
}
