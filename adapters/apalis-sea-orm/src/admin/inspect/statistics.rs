//! Outcomes by minute, and histograms of the durations of waiting and running.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use sea_orm::{
    ConnectionTrait, DbErr, QueryResult,
    sea_query::{Alias, Expr, ExprTrait, Query, SelectStatement},
};

use crate::{
    sql::{micros, timestamp},
    stats::{BUCKETS, MINUTE, OUTCOMES, TABLE, buckets},
};

/// Outcomes of a queue's attempts in one minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minute {
    pub queue: String,
    pub at: Timestamp,
    pub done: u64,
    /// Failed and retried.
    pub retry: u64,
    /// Snoozed.
    pub snooze: u64,
    /// Failed permanently.
    pub dead: u64,
    /// Cancelled while running. Jobs cancelled before that had no attempt and are not counted.
    pub cancelled: u64,
    /// Lost, because the worker stopped sending heartbeats.
    pub lost: u64,
}

/// How long the jobs of a queue waited and ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueTimes {
    /// From due to claimed, of attempts that ended their job.
    pub wait: Histogram,
    /// From claimed to ended.
    pub run: Histogram,
}

/// Returns the outcomes of each minute since `since`, oldest first. Minutes without outcomes are
/// left out. Counts are kept for about a day.
pub async fn minutes<C: ConnectionTrait>(conn: &C, since: Timestamp) -> Result<Vec<Minute>, DbErr> {
    let mut read = sums(OUTCOMES.map(ToOwned::to_owned).into_iter(), since);
    read.columns(["minute", "queue"]).group_by_columns(["minute", "queue"]);
    let rows = conn.query_all(&read).await?;
    let mut minutes = rows.iter().map(minute).collect::<Result<Vec<_>, _>>()?;
    minutes.sort_by(|one, other| (one.at, &one.queue).cmp(&(other.at, &other.queue)));
    Ok(minutes)
}

fn minute(row: &QueryResult) -> Result<Minute, DbErr> {
    let count = |name: &str| sum(row, name);
    Ok(Minute {
        queue: row.try_get("", "queue")?,
        at: timestamp(row.try_get::<i64>("", "minute")? * MINUTE),
        done: count("done")?,
        retry: count("retry")?,
        snooze: count("snooze")?,
        dead: count("dead")?,
        cancelled: count("cancelled")?,
        lost: count("lost")?,
    })
}

/// Returns how long the jobs of each queue waited and ran, of those that ended since `since`.
pub async fn times<C: ConnectionTrait>(
    conn: &C,
    since: Timestamp,
) -> Result<BTreeMap<String, QueueTimes>, DbErr> {
    let mut read = sums(buckets("wait").chain(buckets("run")), since);
    read.column("queue").group_by_col("queue");
    let rows = conn.query_all(&read).await?;
    let times = rows.iter().map(|row| {
        let times = QueueTimes { wait: histogram(row, "wait")?, run: histogram(row, "run")? };
        Ok((row.try_get("", "queue")?, times))
    });
    times.collect()
}

/// How long the jobs of a queue waited that ended in one minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitTimes {
    pub queue: String,
    pub at: Timestamp,
    /// From due to claimed.
    pub wait: Histogram,
}

/// Returns how long jobs waited, by queue and minute, of those that ended since `since`. Minutes in
/// which none ended are left out.
pub async fn wait_times<C: ConnectionTrait>(
    conn: &C,
    since: Timestamp,
) -> Result<Vec<WaitTimes>, DbErr> {
    let mut read = sums(buckets("wait"), since);
    read.columns(["minute", "queue"]).group_by_columns(["minute", "queue"]);
    let rows = conn.query_all(&read).await?;
    let times = rows.iter().map(|row| {
        let at = timestamp(row.try_get::<i64>("", "minute")? * MINUTE);
        Ok(WaitTimes { queue: row.try_get("", "queue")?, at, wait: histogram(row, "wait")? })
    });
    times.collect()
}

fn histogram(row: &QueryResult, name: &str) -> Result<Histogram, DbErr> {
    let mut counts = [0; BUCKETS];
    for (count, name) in counts.iter_mut().zip(buckets(name)) {
        *count = sum(row, &name)?;
    }
    Ok(Histogram(counts))
}

fn sum(row: &QueryResult, name: &str) -> Result<u64, DbErr> {
    Ok(u64::try_from(row.try_get::<i64>("", name)?).unwrap_or(0))
}

/// The cast makes MySQL return integers instead of decimals.
fn sums(columns: impl Iterator<Item = String>, since: Timestamp) -> SelectStatement {
    let mut read = Query::select().from(TABLE).to_owned();
    for column in columns {
        let sum = Expr::col(Alias::new(&column)).sum().cast_as("SIGNED");
        read.expr_as(sum, Alias::new(column));
    }
    read.and_where(Expr::col("minute").gte(micros(since).div_euclid(MINUTE)));
    read
}

/// Durations counted in buckets, each twice as wide as the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram([u64; BUCKETS]);

impl Default for Histogram {
    fn default() -> Self {
        Self([0; BUCKETS])
    }
}

impl Histogram {
    /// Adds the durations of another histogram.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    /// Returns the number of durations.
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Returns the duration that the given share (0.95, for example) of all durations did not
    /// exceed, or `None` without durations. The result is exact to within a bucket, and assumes an
    /// even distribution inside it.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let mut left = share.clamp(0.0, 1.0) * precise(self.count());
        let last = self.0.iter().rposition(|count| *count > 0)?;
        for (bucket, count) in self.0.iter().enumerate() {
            let count = precise(*count);
            if left <= count && count > 0.0 || bucket == last {
                let part = if count > 0.0 { (left / count).clamp(0.0, 1.0) } else { 1.0 };
                let (from, to) = bounds(bucket);
                return Some(from + to.saturating_sub(from).mul_f64(part));
            }
            left -= count;
        }
        None
    }
}

fn bounds(bucket: usize) -> (Duration, Duration) {
    let to = Duration::from_millis(1 << bucket);
    (if bucket == 0 { Duration::ZERO } else { to / 2 }, to)
}

#[expect(clippy::cast_precision_loss, reason = "a share of counts needs no more than 52 bits")]
fn precise(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_lies_in_its_bucket() {
        let mut times = Histogram::default();
        assert_eq!(times.quantile(0.5), None);
        times.0[3] = 90;
        times.0[10] = 10;
        assert_eq!(times.count(), 100);
        let within = |share: f64| times.quantile(share).unwrap().as_millis();
        assert!((4..=8).contains(&within(0.0)) && (4..=8).contains(&within(0.5)));
        assert_eq!(within(0.9), 8);
        assert!((512..=1024).contains(&within(0.95)));
        assert_eq!(within(1.0), 1024);
    }
}
