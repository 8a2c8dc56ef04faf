//! The queue behind a running apalis worker.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use apalis_core::{
    error::{AbortError, BoxDynError, RetryAfterError},
    task::data::Data,
    worker::{builder::WorkerBuilder, context::WorkerContext},
};
use apalis_sea_orm::{
    Backoff, Claimed, Failure, Handled, NewJob, Options, Outcome, Queue, QueueBackend, Settled,
    settle,
};
use sea_orm::TransactionTrait;
use tokio::sync::{Semaphore, mpsc};
use uuid::Uuid;

use crate::harness::{Clock, Db, after, each, job, jobs, noon, options, settlement, until};

/// A worker whose polling would come too late for any of these tests.
fn woken(db: &Db) -> Queue {
    db.queue_with(Options { poll: Duration::from_mins(10), ..options("ann") })
}

/// Starts `$handler` as a worker of `$backend`, with data; answers its context and its end.
macro_rules! start {
    ($backend:expr, $data:expr, $handler:expr) => {{
        let context = WorkerContext::new("worker");
        let worker = WorkerBuilder::new(&context).backend($backend).data($data).build($handler);
        (context, tokio::spawn(worker.run()))
    }};
}

async fn is(db: &Db, id: Uuid, state: &str) {
    until(state, || async { db.state(id).await == state }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_woken_worker_performs_a_job_at_once() {
    async fn perform(job: Claimed, begun: Data<mpsc::UnboundedSender<Uuid>>) {
        begun.send(job.id).unwrap();
    }
    for db in each().await {
        let queue = woken(&db);
        let waker = queue.options().waker.clone();
        let (sender, mut begun) = mpsc::unbounded_channel();
        let (worker, end) = start!(QueueBackend::new(queue), sender, perform);
        let mut waits = Vec::new();
        for _ in 0..40 {
            let job = job();
            let put = Instant::now();
            db.put(vec![job.clone()]).await;
            waker.wake();
            assert_eq!(begun.recv().await, Some(job.id));
            waits.push(put.elapsed());
            is(&db, job.id, "done").await;
        }
        waits.sort();
        println!("{:?}: enqueued to begun p50 {:?}, max {:?}", db.engine, waits[20], waits[39]);
        assert!(waits[39] < Duration::from_secs(5));
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_nobody_wakes_looks_by_itself() {
    async fn perform(_: Claimed) {}
    for db in each().await {
        let poll = Duration::from_millis(50);
        let queue = db.queue_with(Options { poll, ..options("ann") });
        let (worker, end) = start!(QueueBackend::new(queue), (), perform);
        let job = job();
        db.put(vec![job.clone()]).await;
        is(&db, job.id, "done").await;
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_handler_answers_is_what_becomes_of_the_job() {
    async fn perform(job: Claimed, _: Data<()>) -> Result<Handled, BoxDynError> {
        let failure = Failure {
            code: "rejected".to_owned(),
            message: "no such address".to_owned(),
            request_id: Some("request-1".to_owned()),
        };
        let far = Duration::from_hours(1);
        match job.kind.as_str() {
            "done" => Ok(Outcome::Done.into()),
            "snooze" => Ok(Outcome::Snooze { at: after(noon(), 7_000) }.into()),
            "retry" => Ok(Outcome::Retry { at: after(noon(), 8_000) }.into()),
            "left" => Ok(Handled::Settled),
            "fail" => Err("no answer".into()),
            "code" => Err(failure.into()),
            "abort" => Err(AbortError::new(failure).into()),
            "later" => Err(RetryAfterError::new("too many", far).into()),
            "panic" => panic!("at {}", job.kind),
            other => Err(AbortError::new(other).into()),
        }
    }
    for db in each().await {
        let queue = db.queue("ann");
        let (worker, end) = start!(QueueBackend::new(queue), (), perform);
        let kinds = ["done", "snooze", "retry", "left", "fail", "code", "abort", "later", "panic"];
        let jobs = kinds.map(|kind| NewJob { kind: kind.to_owned(), ..job() });
        db.put(jobs.to_vec()).await;
        let states = ["done", "scheduled", "retrying", "running", "retrying", "retrying", "dead"];
        let states = states.into_iter().chain(["retrying", "retrying"]);
        for (job, state) in jobs.iter().zip(states) {
            is(&db, job.id, state).await;
        }
        let row = async |n: usize| db.job(jobs[n].id).await;
        assert_eq!(row(1).await.run_at, after(noon(), 7_000).as_microsecond());
        assert_eq!(row(1).await.attempts, 0);
        assert_eq!(row(2).await.run_at, after(noon(), 8_000).as_microsecond());
        let wait = row(4).await.run_at - noon().as_microsecond();
        assert!((4_500_000..=5_500_000).contains(&wait), "{wait}");
        assert_eq!(row(4).await.last_error.as_deref(), Some("no answer"));
        assert_eq!(row(4).await.last_error_code.as_deref(), Some("failed"));
        for n in [5, 6] {
            assert_eq!(row(n).await.last_error_code.as_deref(), Some("rejected"));
            assert_eq!(row(n).await.last_error.as_deref(), Some("no such address"));
            let attempt = db.attempts(jobs[n].id).await.remove(0);
            assert_eq!(attempt.request_id.as_deref(), Some("request-1"));
        }
        assert_eq!(row(7).await.run_at, after(noon(), 3_600_000).as_microsecond());
        assert_eq!(row(7).await.last_error.as_deref(), Some("too many"));
        assert_eq!(row(8).await.last_error_code.as_deref(), Some("panicked"));
        assert_eq!(row(8).await.last_error.as_deref(), Some("at panic"));
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_job_is_tried_again_until_its_attempts_are_used_up() {
    async fn perform(_: Claimed, tries: Data<Arc<AtomicUsize>>) -> Result<(), BoxDynError> {
        match tries.fetch_add(1, Ordering::SeqCst) {
            1 => panic!("the second time"),
            _ => Err("no answer".into()),
        }
    }
    for db in each().await {
        let clock = Clock::default();
        let wait = Duration::from_mins(1);
        let backoff = Backoff { first: wait, longest: wait };
        let queue = db.queue_with(Options { clock: clock.source(), backoff, ..options("ann") });
        let tries = Arc::new(AtomicUsize::new(0));
        let (worker, end) = start!(QueueBackend::new(queue), tries.clone(), perform);
        let job = job();
        db.put(vec![job.clone()]).await;
        for number in [1, 2] {
            let failed = || async { db.attempts(job.id).await.len() == number };
            until("an attempt", failed).await;
            assert_eq!(db.state(job.id).await, "retrying");
            clock.advance(wait * 2);
        }
        is(&db, job.id, "dead").await;
        assert_eq!(tries.load(Ordering::SeqCst), 3);
        let attempts = db.attempts(job.id).await;
        let told: Vec<_> = attempts.iter().map(|a| (a.number, a.outcome.as_str())).collect();
        assert_eq!(told, [(1, "retry"), (2, "retry"), (3, "dead")], "{:?}", db.engine);
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_may_settle_its_job_with_rows_of_its_own() {
    async fn perform(
        job: Claimed,
        db: Data<sea_orm::DatabaseConnection>,
    ) -> Result<Handled, BoxDynError> {
        assert!(job.lease.held());
        let transaction = db.begin().await?;
        let next = NewJob { queue: "other".to_owned(), ..crate::harness::job() };
        apalis_sea_orm::enqueue(&transaction, next).await?;
        assert_eq!(settle(&transaction, &[settlement(&job, Outcome::Dead)]).await?, Settled::All);
        transaction.commit().await?;
        Ok(Handled::Settled)
    }
    for db in each().await {
        let (worker, end) = start!(QueueBackend::new(db.queue("ann")), db.write.clone(), perform);
        let job = job();
        db.put(vec![job.clone()]).await;
        is(&db, job.id, "dead").await;
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
        assert_eq!(db.attempts(job.id).await.len(), 1, "{:?}", db.engine);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exhausted_job_is_buried_or_handed_out_to_be_buried() {
    async fn refuse(_: Claimed, performed: Data<Arc<AtomicUsize>>) {
        performed.fetch_add(1, Ordering::SeqCst);
    }
    async fn bury(job: Claimed, seen: Data<Arc<AtomicUsize>>) -> Outcome {
        assert!(job.exhausted());
        seen.fetch_add(1, Ordering::SeqCst);
        Outcome::Dead
    }
    for db in each().await {
        let once = || NewJob { max_attempts: 1, ..job() };
        let (first, second) = (once(), once());
        let lease = Duration::from_millis(20);
        let silent = db.queue_with(Options { lease, ..options("silent") });
        let lost = async |job: &NewJob| {
            db.put(vec![job.clone()]).await;
            silent.claim(noon(), 1).await.unwrap();
            until("it is lost", || async { !silent.rescue(noon()).await.unwrap().is_empty() })
                .await;
        };

        lost(&first).await;
        let count = Arc::new(AtomicUsize::new(0));
        let (worker, end) = start!(QueueBackend::new(db.queue("ann")), count.clone(), refuse);
        is(&db, first.id, "dead").await;
        assert_eq!(count.load(Ordering::SeqCst), 0, "performed");
        assert_eq!(db.job(first.id).await.last_error_code.as_deref(), Some("exhausted"));
        worker.stop().unwrap();
        end.await.unwrap().unwrap();

        lost(&second).await;
        let backend = QueueBackend::new(db.queue("bob")).hand_out_exhausted();
        let (worker, end) = start!(backend, count.clone(), bury);
        is(&db, second.id, "dead").await;
        assert_eq!(count.load(Ordering::SeqCst), 1, "{:?}", db.engine);
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_longer_than_its_lease_is_performed_once() {
    async fn perform(job: Claimed, tries: Data<Arc<AtomicUsize>>) {
        tries.fetch_add(1, Ordering::SeqCst);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(2_500) {
            assert!(job.lease.held(), "lost after {:?}", begun.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    for db in each().await {
        let short = |worker| Options {
            lease: Duration::from_secs(1),
            heartbeat: Duration::from_millis(100),
            ..options(worker)
        };
        let tries = Arc::new(AtomicUsize::new(0));
        let start = |worker| {
            start!(QueueBackend::new(db.queue_with(short(worker))), tries.clone(), perform)
        };
        let workers = [start("ann"), start("bob")];
        let job = job();
        db.put(vec![job.clone()]).await;
        until("it is begun", || async { tries.load(Ordering::SeqCst) > 0 }).await;
        // It outlives its lease even while its worker drains before a stop.
        for (worker, _) in &workers {
            worker.stop().unwrap();
        }
        let other = db.queue("cat");
        until("it is done", || async {
            assert!(other.rescue(noon()).await.unwrap().is_empty());
            db.state(job.id).await == "done"
        })
        .await;
        for (_, end) in workers {
            end.await.unwrap().unwrap();
        }
        assert_eq!(tries.load(Ordering::SeqCst), 1, "{:?}", db.engine);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_worker_finishes_what_it_began_and_gives_the_rest_back() {
    /// Blocks the worker's own task, so that the other jobs stay claimed and not begun.
    async fn perform(_: Claimed, worker: WorkerContext, at: Data<(Arc<Db>, Uuid)>) {
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                let (db, last) = &*at;
                until("all are claimed", || async { db.state(*last).await == "running" }).await;
            });
        });
        worker.stop().unwrap();
    }
    for db in each().await {
        let db = Arc::new(db);
        let three = jobs(3);
        db.put(three.clone()).await;
        let (_, end) =
            start!(QueueBackend::new(db.queue("ann")), (db.clone(), three[2].id), perform);
        end.await.unwrap().unwrap();
        let mut rows = Vec::new();
        for job in &three {
            let row = db.job(job.id).await;
            rows.push((row.state, row.attempts));
        }
        let told: Vec<_> = rows.iter().map(|(state, n)| (state.as_str(), *n)).collect();
        assert_eq!(told, [("done", 1), ("ready", 0), ("ready", 0)], "{:?}", db.engine);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_worker_begins_nothing_until_it_resumes() {
    async fn perform(_: Claimed) {}
    for db in each().await {
        let queue = db.queue_with(Options { poll: Duration::from_millis(20), ..options("ann") });
        let (worker, end) = start!(QueueBackend::new(queue.clone()), (), perform);
        until("it runs", || async { worker.is_running() }).await;
        worker.pause().unwrap();
        let job = job();
        db.put(vec![job.clone()]).await;
        queue.options().waker.wake();
        // Another worker sees the job within this time.
        let other = db.queue_with(Options { queues: vec!["other".to_owned()], ..options("bob") });
        let witness = NewJob { queue: "other".to_owned(), ..crate::harness::job() };
        let (second, second_end) = start!(QueueBackend::new(other), (), perform);
        db.put(vec![witness.clone()]).await;
        is(&db, witness.id, "done").await;
        assert_eq!(db.state(job.id).await, "ready", "{:?}", db.engine);
        worker.resume().unwrap();
        is(&db, job.id, "done").await;
        for worker in [worker, second] {
            worker.stop().unwrap();
        }
        end.await.unwrap().unwrap();
        second_end.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_cut_off_with_its_worker_is_given_back_uncharged() {
    async fn perform(_: Claimed, begun: Data<Arc<Semaphore>>) {
        begun.add_permits(1);
        std::future::pending::<()>().await;
    }
    for db in each().await {
        let begun = Arc::new(Semaphore::new(0));
        let (_, end) = start!(QueueBackend::new(db.queue("ann")), begun.clone(), perform);
        let job = job();
        db.put(vec![job.clone()]).await;
        begun.acquire().await.unwrap().forget();
        end.abort();
        is(&db, job.id, "ready").await;
        let again = db.queue("bob").claim(noon(), 1).await.unwrap().remove(0);
        assert_eq!((again.number, again.fence), (1, 2), "{:?}", db.engine);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_jobs_than_slots_are_held_and_a_free_slot_is_filled_at_once() {
    #[derive(Default)]
    struct Seen {
        now: AtomicUsize,
        most: AtomicUsize,
        done: AtomicUsize,
    }
    async fn perform(_: Claimed, seen: Data<Arc<Seen>>) {
        let now = seen.now.fetch_add(1, Ordering::SeqCst) + 1;
        seen.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(5)).await;
        seen.now.fetch_sub(1, Ordering::SeqCst);
        seen.done.fetch_add(1, Ordering::SeqCst);
    }
    for db in each().await {
        db.put(jobs(60)).await;
        let poll = Duration::from_mins(10);
        let queue = db.queue_with(Options { poll, concurrency: 4, ..options("ann") });
        let seen = Arc::new(Seen::default());
        let (worker, end) = start!(QueueBackend::new(queue.clone()), seen.clone(), perform);
        until("all are done", || async {
            assert!(queue.in_flight() <= 4);
            seen.done.load(Ordering::SeqCst) == 60
        })
        .await;
        assert_eq!(seen.most.load(Ordering::SeqCst), 4, "{:?}", db.engine);
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduled_job_is_performed_when_it_is_due() {
    async fn perform(_: Claimed) {}
    for db in each().await {
        let clock = Clock::default();
        let queue = db.queue_with(Options { clock: clock.source(), ..options("ann") });
        let (worker, end) = start!(QueueBackend::new(queue), (), perform);
        let (due, later) = (
            NewJob { run_at: after(noon(), 10_000), ..job() },
            NewJob { run_at: after(noon(), 20_000), ..job() },
        );
        db.put(vec![due.clone(), later.clone()]).await;
        clock.advance(Duration::from_secs(10));
        is(&db, due.id, "done").await;
        assert_eq!(db.state(later.id).await, "scheduled", "{:?}", db.engine);
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_are_written_in_groups() {
    async fn perform(_: Claimed) {}
    for db in each().await {
        db.put(jobs(2_000)).await;
        let queue = db.queue_with(Options { concurrency: 50, ..options("ann") });
        db.sent.lock().unwrap().clear();
        let begun = Instant::now();
        let (worker, end) = start!(QueueBackend::new(queue), (), perform);
        let count = || async {
            use apalis_sea_orm::entity::job;
            use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
            let done = job::Entity::find().filter(job::Column::State.eq("done"));
            done.count(&db.write).await.unwrap() == 2_000
        };
        until("all are done", count).await;
        let rate = 2_000.0 / begun.elapsed().as_secs_f64();
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
        let updates = |set: &str| {
            let sent = db.sent.lock().unwrap();
            sent.iter().filter(|s| s.sql.starts_with("UPDATE") && s.sql.contains(set)).count()
        };
        let (claims, results) = (updates("lease_until"), updates("finished_at"));
        println!("{:?}: {rate:.0} jobs/s; {claims} claims, {results} results", db.engine);
        assert!(results < 1_000);
    }
}
