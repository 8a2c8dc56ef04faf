//! A rate that all workers share: one row says which start nobody has yet. A claim moves it on by
//! as many starts as it takes jobs, by the database's clock, and each job waits for its own.

use std::time::{Duration, Instant};

use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, DbErr, EntityTrait, QueryFilter, SqlErr, TransactionSession, TransactionTrait,
    sea_query::{Expr, ExprTrait},
};

pub(crate) use self::pace::{Pace, Starts};
use self::row::Row;
use crate::{Claimed, Queue, entity::rate};

mod pace;
mod row;

/// A job that would start later than its time by more than this gets another time: otherwise a
/// process that stood still, and then starts all it holds at once, would break the rate with the
/// starts that others have meanwhile. Starts squeezed together by so much still keep it, as a
/// second and this are less than `MARGIN` seconds, whoever waits for them: the worker, or a handler
/// that [begins](Queue::begin) by itself. A busy machine is late by less.
const LATE: Duration = Duration::from_millis(40);

/// How many starts a job is given that misses each of them.
const STARTS: usize = 5;
/// How long a handler waits for another start at most, if the rate has more than one in that time.
const SOON: Duration = Duration::from_secs(1);

/// A limit that all workers with a rate of this name keep together: starts of jobs of these
/// queues, evenly paced, never more in any second than this, and about a twentieth less on the
/// average.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// At most 64 bytes of ASCII.
    pub name: String,
    /// The queues it is for; others are not limited.
    pub queues: Vec<String>,
    /// How many, which may be a fraction. None at all if it is not above zero.
    pub per_second: f64,
}

impl Queue {
    /// Changes the rate that this worker gives starts away at: on a ramp after an outage, say.
    /// Each worker is to be told.
    pub fn set_rate(&self, per_second: f64) {
        self.pace.set(per_second);
        self.leases.stir();
    }

    /// Whether the rate is for that queue.
    pub(crate) fn is_rated(&self, queue: &str) -> bool {
        let rate = self.options.rate.as_ref();
        rate.is_some_and(|rate| rate.queues.iter().any(|name| name == queue))
    }

    /// Locks the row of the rate and says which starts may be given away. None at all blocks
    /// claims until there are some.
    pub(crate) async fn starts<C: ConnectionTrait>(
        &self,
        transaction: &C,
    ) -> Result<Option<Starts>, DbErr> {
        let (Some(rate), Some(interval)) = (&self.options.rate, self.pace.interval()) else {
            return Ok(None);
        };
        row::lock(transaction, &rate.name).await?;
        // Not in the statement that waits for the row: MySQL tells the time from before the wait,
        // SQLite from after it.
        let asked = Instant::now();
        let row = row::read(transaction, &rate.name).await?;
        self.pace.keep(row.is_some());
        let Some(row) = row else { return Ok(None) };
        let corrected = row.corrected(interval);
        if corrected != row {
            tracing::warn!(rate = %rate.name, "a clock that was ahead moved this rate on; it is set back");
            row::write(transaction, &rate.name, &corrected).await?;
        }
        let Row { next_free, now, .. } = corrected;
        let is_corrected = corrected != row;
        let next_free = Ord::max(next_free, now);
        Ok(Some(Starts { asked, now, next_free, interval, is_corrected }))
    }

    /// How many of them a claim may take. If none, claims wait until there are some.
    pub(crate) fn offer(&self, starts: Option<&Starts>) -> usize {
        let Some(starts) = starts else {
            // There is no rate, or no row yet, or nothing is to start.
            self.pace.block(Some(Instant::now() + self.options.poll));
            return 0;
        };
        self.pace.block(starts.blocked_until(0));
        starts.left()
    }

    /// Gives them to these jobs, in order, and says so in the row.
    pub(crate) async fn give_starts<C: ConnectionTrait>(
        &self,
        transaction: &C,
        starts: &Starts,
        jobs: impl Iterator<Item = &Claimed>,
    ) -> Result<(), DbErr> {
        let mut given = 0;
        for job in jobs {
            job.lease.start(starts.at(given));
            given += 1;
        }
        let Some(rate) = self.options.rate.as_ref().filter(|_| given > 0) else { return Ok(()) };
        let by = i64::try_from(given).unwrap_or(i64::MAX).saturating_mul(starts.interval);
        self.pace.block(starts.blocked_until(by));
        let next_free = starts.next_free.saturating_add(by);
        rate::Entity::update_many()
            .col_expr(rate::Column::NextFree, Expr::value(next_free))
            .col_expr(rate::Column::SeenAt, Expr::value(starts.now))
            .filter(Expr::col(rate::Column::Name).eq(rate.name.as_str()))
            .exec(transaction)
            .await?;
        Ok(())
    }

    /// Gives jobs that missed their start another one; tells whether there were any to give, no
    /// further ahead than that.
    pub(crate) async fn start_again(
        &self,
        late: &[Claimed],
        within: Option<Duration>,
    ) -> Result<bool, DbErr> {
        let transaction = self.write.begin().await?;
        let starts = self.starts(&transaction).await?;
        let starts = starts.filter(|starts| within.is_none_or(|within| starts.are_within(within)));
        if let Some(starts) = &starts {
            self.give_starts(&transaction, starts, late.iter()).await?;
        }
        transaction.commit().await?;
        Ok(starts.is_some())
    }

    /// Waits for the start of a job that was handed out
    /// [before it](crate::QueueBackend::leave_pacing), to be called right before the work that the
    /// rate is for. What comes too late for its start is given another. Answers whether the work
    /// may begin: not if no start is to be had soon (within a second, or two starts of a slow
    /// rate), nor while the database can't be asked for one; snooze the job then.
    pub async fn begin(&self, job: &Claimed) -> bool {
        for _ in 0..STARTS {
            job.paced().await;
            if !job.is_late() {
                return true;
            }
            match self.start_again(std::slice::from_ref(job), Some(SOON)).await {
                Ok(true) => {}
                Ok(false) => return false,
                Err(error) => {
                    tracing::debug!(%error, job = %job.id, "no start could be had");
                    return false;
                }
            }
        }
        false
    }

    /// Makes sure once that the row is there, outside of any transaction.
    pub(crate) async fn keep_rate(&self) -> Result<(), DbErr> {
        let Some(rate) = &self.options.rate else { return Ok(()) };
        if !self.pace.is_kept() {
            keep(&self.write, &rate.name).await?;
            self.pace.keep(true);
        }
        Ok(())
    }
}

impl Claimed {
    /// When it is to be begun, if its queue has a [`Rate`].
    pub fn start_at(&self) -> Option<Instant> {
        self.lease.start_at()
    }

    /// Waits for that. Unless it was told to [leave that to the
    /// handler](crate::QueueBackend::leave_pacing), [`QueueBackend`](crate::QueueBackend) did before
    /// it hands a job out, and gets another start for a job that would begin too late.
    pub async fn paced(&self) {
        if let Some(at) = self.start_at() {
            tokio::time::sleep_until(at.into()).await;
        }
    }

    /// Whether its start has passed by so much that others may have theirs now.
    pub(crate) fn is_late(&self) -> bool {
        self.start_at().is_some_and(|at| at.elapsed() > LATE)
    }
}

/// The longest hold: hold again for a longer one.
pub const LONGEST_HOLD: Duration = Duration::from_hours(1);

/// Nothing more starts at that rate for so long from now, at most [`LONGEST_HOLD`]: after a 429
/// with `Retry-After`, say. What has its start already may: within a fifth of a second or, where
/// one was missed, a second.
pub async fn hold_rate<C>(conn: &C, name: &str, length: Duration) -> Result<(), DbErr>
where
    C: ConnectionTrait + TransactionTrait,
{
    keep(conn, name).await?;
    let length = i64::try_from(length.min(LONGEST_HOLD).as_micros()).unwrap_or(i64::MAX / 4);
    let transaction = conn.begin().await?;
    row::lock(&transaction, name).await?;
    let Some(row) = row::read(&transaction, name).await? else {
        transaction.rollback().await?;
        return Err(DbErr::RecordNotFound(format!("the rate {name}")));
    };
    let row = row.corrected(0);
    let end = row.now.saturating_add(length);
    let (next_free, held_until) = (Ord::max(row.next_free, end), Ord::max(row.held_until, end));
    row::write(&transaction, name, &Row { next_free, held_until, ..row }).await?;
    transaction.commit().await
}

/// For how long from now that rate is [held](hold_rate), by the database's clock; none if it is
/// not. Ordinary pacing is no hold, however slow.
pub async fn rate_hold<C: ConnectionTrait>(
    conn: &C,
    name: &str,
) -> Result<Option<Duration>, DbErr> {
    let Some(row) = row::read(conn, name).await? else { return Ok(None) };
    let row = row.corrected(0);
    let left = u64::try_from(row.held_until - row.now).ok().filter(|left| *left > 0);
    Ok(left.map(Duration::from_micros))
}

/// Makes sure that the row is there.
async fn keep<C: ConnectionTrait>(conn: &C, name: &str) -> Result<(), DbErr> {
    if rate::Entity::find_by_id(name).one(conn).await?.is_some() {
        return Ok(());
    }
    let row = rate::ActiveModel {
        name: Set(name.to_owned()),
        next_free: Set(0),
        held_until: Set(0),
        seen_at: Set(0),
    };
    match rate::Entity::insert(row).exec_without_returning(conn).await {
        Err(error) if !matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
            Err(error)
        }
        _ => Ok(()),
    }
}
