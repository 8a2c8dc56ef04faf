//! Counts outcomes per minute, with a row for each queue, minute and worker, so that workers never
//! wait for each other to count, and no query has to count jobs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Alias, Expr, ExprTrait, OnConflict, Query},
};
use uuid::Uuid;

use crate::{
    entity::{job, state},
    queue::attempt::{AttemptResult, short_ascii},
    sql::{micros, state_in},
};

pub(crate) const TABLE: &str = "job_stats";
/// The columns that count outcomes.
pub(crate) const OUTCOMES: [&str; 6] = ["done", "retry", "snooze", "dead", "cancelled", "lost"];
/// Buckets of a histogram. The first counts durations up to a millisecond, each further one up to
/// twice as much, the last all longer ones.
pub(crate) const BUCKETS: usize = 28;
/// Rows for one worker, queue and minute, so that several of its tasks can count concurrently.
const STRIPES: u8 = 8;
pub(crate) const MINUTE: i64 = 60_000_000;

/// The names of a histogram's columns.
pub(crate) fn buckets(histogram: &str) -> impl Iterator<Item = String> {
    (0..BUCKETS).map(move |bucket| bucket_name(histogram, bucket))
}

fn bucket_name(histogram: &str, bucket: usize) -> String {
    format!("{histogram}_{bucket:02}")
}

/// The bucket of a duration in microseconds.
fn bucket(length: i64) -> usize {
    let milliseconds = u64::try_from(length).unwrap_or(0).div_ceil(1_000);
    let doublings = milliseconds.next_power_of_two().trailing_zeros() as usize;
    doublings.min(BUCKETS - 1)
}

/// Increments by minute and queue, then by column.
type Counts = BTreeMap<(i64, String), BTreeMap<String, i32>>;

fn add(counts: &mut Counts, queue: &str, at: i64, columns: impl IntoIterator<Item = String>) {
    let row = counts.entry((at.div_euclid(MINUTE), queue.to_owned())).or_default();
    for column in columns {
        *row.entry(column).or_default() += 1;
    }
}

/// Counts results in the transaction that writes them.
pub(crate) async fn count<C: ConnectionTrait>(
    conn: &C,
    results: &[AttemptResult],
) -> Result<(), DbErr> {
    let Some(first) = results.first() else { return Ok(()) };
    let cancelled = cancelled(conn, results).await?;
    let mut counts = Counts::new();
    for result in results {
        let (started, finished) = (micros(result.started_at), micros(result.finished_at));
        let is_cancelled = cancelled.contains(&result.job);
        let outcome = if is_cancelled { state::CANCELLED } else { result.outcome.name() };
        let has_ended = matches!(outcome, "done" | "dead" | state::CANCELLED);
        let wait = bucket(started - micros(result.run_at));
        let wait = has_ended.then(|| bucket_name("wait", wait));
        let run = bucket_name("run", bucket(finished - started));
        add(
            &mut counts,
            &result.queue,
            finished,
            [outcome.to_owned(), run].into_iter().chain(wait),
        );
    }
    let stripe = first.attempt_id.as_bytes()[15] % STRIPES;
    write(conn, &short_ascii(&first.worker), stripe, counts).await
}

/// Returns the jobs that were cancelled instead of being tried again.
async fn cancelled<C: ConnectionTrait>(
    conn: &C,
    results: &[AttemptResult],
) -> Result<Vec<Uuid>, DbErr> {
    let requeued: Vec<_> =
        results.iter().filter(|r| r.outcome.run_at().is_some()).map(|r| r.job).collect();
    if requeued.is_empty() {
        return Ok(Vec::new());
    }
    let cancelled = job::Entity::find()
        .select_only()
        .column(job::Column::Id)
        .filter(job::Column::Id.is_in(requeued))
        .filter(state_in([state::CANCELLED]));
    cancelled.into_tuple().all(conn).await
}

/// Counts attempts that never reported a result.
pub(crate) async fn count_lost<C: ConnectionTrait>(
    conn: &C,
    worker: &str,
    jobs: &[job::Model],
    now: Timestamp,
) -> Result<(), DbErr> {
    let mut counts = Counts::new();
    for job in jobs {
        add(&mut counts, &job.queue, micros(now), ["lost".to_owned()]);
    }
    write(conn, worker, 0, counts).await
}

/// Writes rows in order, because transactions that lock several rows in different orders deadlock.
/// Sends an upsert for each row: after an UPDATE that finds no row, MySQL would block the INSERTs
/// of other workers.
async fn write<C: ConnectionTrait>(
    conn: &C,
    worker: &str,
    stripe: u8,
    counts: Counts,
) -> Result<(), DbErr> {
    for ((minute, queue), columns) in counts {
        let mut on_conflict = OnConflict::columns(["minute", "queue", "worker", "stripe"]);
        let mut names: Vec<Alias> = ["minute", "queue", "worker", "stripe"].map(Alias::new).into();
        let mut values: Vec<Expr> =
            vec![minute.into(), queue.into(), worker.into(), i16::from(stripe).into()];
        for (column, count) in columns {
            on_conflict
                .value(Alias::new(&column), Expr::col((TABLE, Alias::new(&column))).add(count));
            names.push(Alias::new(column));
            values.push(count.into());
        }
        let insert = Query::insert()
            .into_table(TABLE)
            .columns(names)
            .values_panic(values)
            .on_conflict(on_conflict)
            .to_owned();
        conn.execute(&insert).await?;
    }
    Ok(())
}

/// Deletes the counts of minutes before `before`.
pub(crate) async fn delete_before<C: ConnectionTrait>(
    conn: &C,
    before: Timestamp,
) -> Result<(), DbErr> {
    let delete = Query::delete()
        .from_table(TABLE)
        .and_where(Expr::col("minute").lt(micros(before).div_euclid(MINUTE)))
        .to_owned();
    conn.execute(&delete).await?;
    Ok(())
}
