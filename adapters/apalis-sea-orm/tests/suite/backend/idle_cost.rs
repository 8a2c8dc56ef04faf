//! The cost of an idle worker, and that it is woken.

use std::time::{Duration, Instant};

use apalis_core::task::data::Data;
use apalis_sea_orm::{AttemptOutcome, ClaimedJob, NewJob, Options, QueueBackend, Waker, inspect};
use tokio::{sync::mpsc, time::timeout};
use uuid::Uuid;

use crate::harness::{
    TestDb, after, attempt_result, each, job, jobs, noon, options, start, stop, wait_until,
};

type Started = mpsc::UnboundedSender<Uuid>;

async fn handle(job: ClaimedJob, started: Data<Started>) {
    started.send(job.id).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_worker_sends_at_most_five_statements_a_second() {
    const MEASURED: Duration = Duration::from_secs(10);
    for db in each().await {
        let (started, _none) = mpsc::unbounded_channel::<Uuid>();
        let (worker, end) = start!(QueueBackend::new(db.queue("ann")), started, handle);
        // Its first statements are not those of an idle worker.
        wait_until("the worker is registered", || async {
            !inspect::workers(&db.read).await.unwrap().is_empty()
        })
        .await;
        db.statements.lock().unwrap().clear();
        tokio::time::sleep(MEASURED).await;
        let sent = std::mem::take(&mut *db.statements.lock().unwrap());
        println!("{:?}: {} statements in {MEASURED:?}", db.engine, sent.len());
        assert!(sent.len() as u64 <= 5 * MEASURED.as_secs(), "{:?}: {sent:#?}", db.engine);
        stop(worker, end).await;
    }
}

/// Returns the times from a job's commit to its start, the shortest first.
async fn woken_after(
    db: &TestDb,
    waker: &Waker,
    started: &mut mpsc::UnboundedReceiver<Uuid>,
) -> Vec<Duration> {
    let mut waits = Vec::new();
    for round in 0..21 {
        // At varying times, so that the worker is not always in the same state.
        tokio::time::sleep(Duration::from_millis(37 * round % 350)).await;
        let job = job();
        db.enqueue(vec![job.clone()]).await;
        let put = Instant::now();
        waker.wake();
        let started = timeout(Duration::from_secs(10), started.recv()).await;
        assert_eq!(started, Ok(Some(job.id)), "{:?}: round {round}", db.engine);
        waits.push(put.elapsed());
    }
    waits.sort();
    waits
}

/// The worker polls too rarely for this test. How long a wake takes depends on what else the machine
/// does; `processes` tests wakes between processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_enqueued_in_the_same_process_wakes_the_worker() {
    for db in each().await {
        let options = Options { poll: Duration::from_mins(10), ..options("ann") };
        let waker = options.waker.clone();
        let (sender, mut started) = mpsc::unbounded_channel();
        let (worker, end) = start!(QueueBackend::new(db.queue_with(options)), sender, handle);
        let waits = woken_after(&db, &waker, &mut started).await;
        println!("{:?}: woken after {:?} (median), at most {:?}", db.engine, waits[10], waits[20]);
        stop(worker, end).await;
    }
}

async fn median_claim(db: &TestDb) -> Duration {
    let queue = db.queue("ann");
    let mut times = Vec::new();
    for _ in 0..41 {
        let started = Instant::now();
        let claimed = queue.claim(noon(), 5).await.unwrap();
        times.push(started.elapsed());
        assert_eq!(claimed.len(), 5);
    }
    times.sort();
    times[20]
}

/// The example `claims` does the same with a million jobs.
#[tokio::test]
async fn a_claim_costs_no_more_in_a_full_table() {
    for db in each().await {
        db.enqueue(jobs(205)).await;
        let empty = median_claim(&db).await;
        db.enqueue(jobs(10_000)).await;
        let queue = db.queue("bob");
        for _ in 0..20 {
            let claimed = queue.claim(noon(), 500).await.unwrap();
            let done: Vec<_> =
                claimed.iter().map(|job| attempt_result(job, AttemptOutcome::Done)).collect();
            db.settle(&done).await;
        }
        db.enqueue(jobs(5_000)).await;
        let later = (0..5_000).map(|_| NewJob { priority: -9, run_at: after(noon(), 9), ..job() });
        db.enqueue(later.collect()).await;
        let mut full = median_claim(&db).await;
        // MySQL purges old row versions with a delay.
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
