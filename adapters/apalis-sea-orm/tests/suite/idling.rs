//! What an idle worker costs, and how soon it is there all the same.

use std::time::{Duration, Instant};

use apalis_core::task::data::Data;
use apalis_sea_orm::{Claimed, NewJob, Outcome, QueueBackend, Waker, settle};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::harness::{Db, after, each, job, jobs, noon, options, settlement, start};

type Begun = mpsc::UnboundedSender<Uuid>;

async fn perform(job: Claimed, begun: Data<Begun>) {
    begun.send(job.id).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_worker_sends_at_most_five_statements_a_second() {
    const WATCHED: Duration = Duration::from_secs(5);
    for db in each().await {
        let (begun, _none) = mpsc::unbounded_channel::<Uuid>();
        let (worker, end) = start!(QueueBackend::new(db.queue("ann")), begun, perform);
        crate::harness::until("it runs", || async { worker.is_running() }).await;
        db.sent.lock().unwrap().clear();
        tokio::time::sleep(WATCHED).await;
        let sent = std::mem::take(&mut *db.sent.lock().unwrap());
        println!("{:?}: {} statements in {WATCHED:?}", db.engine, sent.len());
        assert!(sent.len() as u64 <= 5 * WATCHED.as_secs(), "{:?}: {sent:#?}", db.engine);
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
    }
}

/// From a job's commit to its beginning; a median.
async fn woken_after(
    db: &Db,
    waker: &Waker,
    begun: &mut mpsc::UnboundedReceiver<Uuid>,
) -> Duration {
    let mut waits = Vec::new();
    for round in 0..21 {
        // At any moment between two looks.
        tokio::time::sleep(Duration::from_millis(37 * round % 350)).await;
        let job = job();
        db.put(vec![job.clone()]).await;
        let put = Instant::now();
        waker.wake();
        assert_eq!(begun.recv().await, Some(job.id));
        waits.push(put.elapsed());
    }
    waits.sort();
    waits[10]
}

/// For what another process enqueued see `processes`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_enqueued_in_the_same_process_is_begun_within_ten_milliseconds() {
    for db in each().await {
        let options = options("ann");
        let waker = options.waker.clone();
        let (sender, mut begun) = mpsc::unbounded_channel();
        let (worker, end) = start!(QueueBackend::new(db.queue_with(options)), sender, perform);
        // Other tests may keep both processors busy for a while.
        let mut best = Duration::MAX;
        for _ in 0..10 {
            best = best.min(woken_after(&db, &waker, &mut begun).await);
            if best < Duration::from_millis(10) {
                break;
            }
        }
        println!("{:?}: woken after {best:?} (median)", db.engine);
        assert!(best < Duration::from_millis(10), "{:?}: {best:?}", db.engine);
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
    }
}

async fn median_claim(db: &Db) -> Duration {
    let queue = db.queue("ann");
    let mut times = Vec::new();
    for _ in 0..41 {
        let begun = Instant::now();
        let claimed = queue.claim(noon(), 5).await.unwrap();
        times.push(begun.elapsed());
        assert_eq!(claimed.len(), 5);
    }
    times.sort();
    times[20]
}

/// The example `claims` does it with a million.
#[tokio::test]
async fn a_claim_costs_no_more_in_a_full_table() {
    for db in each().await {
        db.put(jobs(205)).await;
        let empty = median_claim(&db).await;
        db.put(jobs(10_000)).await;
        let queue = db.queue("bob");
        for _ in 0..20 {
            let claimed = queue.claim(noon(), 500).await.unwrap();
            let done: Vec<_> = claimed.iter().map(|job| settlement(job, Outcome::Done)).collect();
            let _ = settle(&db.write, &done).await.unwrap();
        }
        db.put(jobs(5_000)).await;
        let later = (0..5_000).map(|_| NewJob { priority: -9, run_at: after(noon(), 9), ..job() });
        db.put(later.collect()).await;
        let mut full = median_claim(&db).await;
        // MySQL clears away what was just done a little later.
        for _ in 0..20 {
            if full < empty * 2 {
                break;
            }
            full = median_claim(&db).await;
        }
        println!("{:?}: a claim takes {empty:?}, in a full table {full:?}", db.engine);
        assert!(full < empty * 2, "{:?}: {full:?}", db.engine);
    }
}
