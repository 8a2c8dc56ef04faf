//! Writing down what came of attempts: many at a time, in a transaction that the caller may own,
//! so that a job's end and what it did to the caller's rows are one commit.

use jiff::Timestamp;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait};
use uuid::Uuid;

use self::update::update;
use crate::{entity::attempt, guard, stats, time::micros};

pub(crate) mod update;

/// Characters of an error's text that are kept.
const MESSAGE: usize = 4_000;

/// The end of one attempt. `job`, `fence`, `number` and `started_at` are those of the
/// [`Claimed`](crate::Claimed) job.
#[derive(Clone, Debug, PartialEq)]
pub struct Settlement {
    /// The id of the row in `job_attempts`. Chosen before the first try and kept for each further
    /// one, it tells a settlement that was written from one that was not.
    pub attempt_id: Uuid,
    /// The job's id.
    pub job: Uuid,
    /// The fence of the claim that this settles.
    pub fence: i64,
    /// Who performed it.
    pub worker: String,
    /// Which attempt it was.
    pub number: u32,
    /// When it was claimed.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What becomes of the job.
    pub outcome: Outcome,
    /// What went wrong, if something did.
    pub error: Option<Failure>,
}

/// What becomes of a job after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is finished.
    Done,
    /// It failed and is tried again at that time; the attempt is charged.
    Retry {
        /// Not before then.
        at: Timestamp,
    },
    /// It could not be tried, and is at that time; the attempt is given back.
    Snooze {
        /// Not before then.
        at: Timestamp,
    },
    /// It failed for good.
    Dead,
    /// It was withdrawn: see [`Lease::cancelled`](crate::Lease::cancelled).
    Cancelled,
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
    /// whose [`standings`](crate::standings) are not [`Held`](crate::Standing::Held), and settle
    /// the rest again.
    SomeLost,
}

impl Outcome {
    /// As the `outcome` column spells it.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Retry { .. } => "retry",
            Outcome::Snooze { .. } => "snooze",
            Outcome::Dead => "dead",
            Outcome::Cancelled => "cancelled",
        }
    }
}

/// Settles attempts: an UPDATE for each kind of outcome (and each 200 jobs), each guarded by its
/// job's fence, one INSERT of the attempts worth keeping, and for the statistics one SELECT and
/// one statement for each queue.
///
/// A job whose cancelling was asked for is not tried again: a retry or a snooze ends it as
/// cancelled. Call it in a transaction, and roll that back unless the answer is [`Settled::All`].
/// Lock what others lock too before this rather than after: settlers of one worker wait for each
/// other here, to count.
pub async fn settle<C: ConnectionTrait>(
    conn: &C,
    settlements: &[Settlement],
) -> Result<Settled, DbErr> {
    for kind in ["done", "retry", "snooze", "dead", "cancelled"] {
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
    stats::count(conn, settlements).await?;
    Ok(Settled::All)
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

/// What fits a column of 64 bytes of ASCII.
pub(crate) fn ascii(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() { c } else { '?' }).take(64).collect()
}
