//! Putting jobs in: on any connection or open transaction, so that a job exists exactly if the
//! rows written beside it do.

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ConnectionTrait, DbErr, EntityTrait, SqlErr,
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    entity::{job, state},
    time::micros,
};

/// Rows of one INSERT; SQLite takes 32,766 parameters a statement, and a row has twelve.
const ROWS: usize = 1_000;

/// A job to be enqueued.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    /// Version 7 keeps a busy table's inserts together.
    pub id: Uuid,
    /// At most 32 bytes of ASCII.
    pub queue: String,
    /// What kind of work it is, at most 64 bytes of ASCII.
    pub kind: String,
    /// What the work needs to know; at most 64 KB as JSON on MySQL.
    pub args: Value,
    /// Lower goes first.
    pub priority: i16,
    /// Not before this time.
    pub run_at: Timestamp,
    /// How often it may fail before it is dead; at least 1.
    pub max_attempts: u32,
    /// No two jobs have the same; it stays taken for as long as the row exists, whatever the
    /// job's state, or for less: see [`Unique`](crate::Unique). At most 190 characters.
    pub unique_key: Option<String>,
    /// Now, by the caller's clock: a job whose `run_at` is no later is claimable at once.
    pub created_at: Timestamp,
}

/// What came of [`enqueue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// The job was inserted.
    New,
    /// A job with that unique key (or that id) exists already; nothing was written.
    Duplicate,
}

/// Enqueues all the jobs by one INSERT (of each thousand), or none.
///
/// A unique key that exists already fails the statement with an error whose
/// [`sql_err`](DbErr::sql_err) is [`SqlErr::UniqueConstraintViolation`]. The transaction, if this
/// is one, stays usable. Call [`Waker::wake`](crate::Waker::wake) after the commit.
pub async fn enqueue_all<C: ConnectionTrait>(conn: &C, jobs: Vec<NewJob>) -> Result<(), DbErr> {
    let rows = jobs.into_iter().map(row).collect::<Result<Vec<_>, _>>()?;
    for rows in rows.chunks(ROWS) {
        job::Entity::insert_many(rows.iter().cloned()).exec_without_returning(conn).await?;
    }
    Ok(())
}

/// Enqueues a job unless its unique key exists already.
pub async fn enqueue<C: ConnectionTrait>(conn: &C, job: NewJob) -> Result<Enqueued, DbErr> {
    // Not "on conflict do nothing": MySQL, asked for found rows as sqlx asks it, counts a row
    // for an insert that it skipped.
    match job::Entity::insert(row(job)?).exec_without_returning(conn).await {
        Ok(_) => Ok(Enqueued::New),
        Err(error) if is_duplicate(&error) => Ok(Enqueued::Duplicate),
        Err(error) => Err(error),
    }
}

fn is_duplicate(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

fn row(job: NewJob) -> Result<job::ActiveModel, DbErr> {
    check(&job)?;
    let due = job.run_at <= job.created_at;
    Ok(job::ActiveModel {
        id: Set(job.id),
        queue: Set(job.queue),
        kind: Set(job.kind),
        args: Set(job.args.to_string()),
        state: Set(if due { state::READY } else { state::SCHEDULED }.to_owned()),
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
        freed_key: NotSet,
        cancel_requested_at: NotSet,
        turn_at: NotSet,
    })
}

/// Refuses on every engine what MySQL would refuse, for SQLite keeps any length.
fn check(job: &NewJob) -> Result<(), DbErr> {
    let name = |what: &str, text: &str, most: usize| match text.len() {
        1.. if text.len() <= most && text.is_ascii() => Ok(()),
        _ => Err(DbErr::Custom(format!("a job's {what} is 1 to {most} bytes of ASCII: {text:?}"))),
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
