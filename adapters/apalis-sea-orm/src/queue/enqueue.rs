//! Enqueues jobs on any connection or open transaction.

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ConnectionTrait, DbErr, EntityTrait, SqlErr,
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    entity::{job, state},
    sql::micros,
};

/// Rows per INSERT. SQLite allows 32,766 parameters in a statement, and a row has twelve.
const INSERT_ROWS: usize = 1_000;

/// A job to enqueue.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    /// Use version 7 UUIDs, which keep inserts into a busy table close together.
    pub id: Uuid,
    /// At most 32 bytes of ASCII.
    pub queue: String,
    /// Selects the handler. At most 64 bytes of ASCII.
    pub kind: String,
    /// The handler's input. At most 64 KB as JSON on MySQL.
    pub args: Value,
    /// Jobs with a lower number are claimed first.
    pub priority: i16,
    pub run_at: Timestamp,
    /// Number of attempts after which the job is dead; at least 1.
    pub max_attempts: u32,
    /// A key that no other job may have, at most 190 characters. It stays taken as long as the row
    /// exists, in every state. See also [`PERIODIC_KEY_PREFIX`](crate::PERIODIC_KEY_PREFIX).
    pub unique_key: Option<String>,
    /// The caller's current time. A job whose `run_at` is not later is claimable immediately.
    pub created_at: Timestamp,
}

/// Enqueues jobs, with one INSERT for each 1,000. Call [`Waker::wake`](crate::Waker::wake) after
/// the commit.
///
/// # Errors
///
/// If a unique key exists already, the statement fails with an error whose
/// [`sql_err`](DbErr::sql_err) is [`SqlErr::UniqueConstraintViolation`], and none of its jobs is
/// inserted. A surrounding transaction stays usable.
pub async fn enqueue_all<C: ConnectionTrait>(conn: &C, jobs: Vec<NewJob>) -> Result<(), DbErr> {
    let rows = jobs.into_iter().map(row).collect::<Result<Vec<_>, _>>()?;
    for rows in rows.chunks(INSERT_ROWS) {
        job::Entity::insert_many(rows.iter().cloned()).exec_without_returning(conn).await?;
    }
    Ok(())
}

pub(crate) fn is_unique_violation(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

fn row(job: NewJob) -> Result<job::ActiveModel, DbErr> {
    validate(&job)?;
    let is_due = job.run_at <= job.created_at;
    Ok(job::ActiveModel {
        id: Set(job.id),
        queue: Set(job.queue),
        kind: Set(job.kind),
        args: Set(job.args.to_string()),
        state: Set(if is_due { state::READY } else { state::SCHEDULED }.to_owned()),
        priority: Set(job.priority),
        run_at: Set(micros(job.run_at)),
        attempts: Set(0),
        max_attempts: Set(i32::try_from(job.max_attempts).unwrap_or(i32::MAX)),
        fence: Set(0),
        unique_key: Set(job.unique_key),
        created_at: Set(micros(job.created_at)),
        locked_by: NotSet,
        lease_until: NotSet,
        last_error_code: NotSet,
        last_error: NotSet,
        started_at: NotSet,
        finished_at: NotSet,
        cancel_requested_at: NotSet,
        next_change_at: NotSet,
    })
}

/// Applies MySQL's length limits on every engine; SQLite enforces none.
fn validate(job: &NewJob) -> Result<(), DbErr> {
    let name = |field: &str, text: &str, max: usize| match text.len() {
        1.. if text.len() <= max && text.is_ascii() => Ok(()),
        _ => Err(DbErr::Custom(format!("a job's {field} is 1 to {max} bytes of ASCII: {text:?}"))),
    };
    name("queue", &job.queue, 32)?;
    name("kind", &job.kind, 64)?;
    if job.unique_key.as_ref().is_some_and(|key| key.chars().count() > 190) {
        return Err(DbErr::Custom("a job's unique key has at most 190 characters".to_owned()));
    }
    if job.max_attempts == 0 {
        return Err(DbErr::Custom("a job has at least one attempt".to_owned()));
    }
    Ok(())
}
