//! Handlers' results and the states that follow.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use apalis_core::{
    error::{AbortError, BoxDynError, RetryAfterError},
    task::data::Data,
};
use apalis_sea_orm::{
    AttemptError, AttemptOutcome, Backoff, ClaimedJob, Handled, NewJob, Options, QueueBackend,
    Settled, settle,
};
use sea_orm::{ConnectionTrait, TransactionTrait};

use crate::harness::{
    Clock, TestDb, after, attempt_result, each, job, noon, options, start, stop, wait_for_state,
    wait_until,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_handlers_result_decides_the_jobs_state() {
    async fn handle(job: ClaimedJob, _: Data<()>) -> Result<Handled, BoxDynError> {
        let failure = AttemptError {
            code: "rejected".to_owned(),
            message: "no such address".to_owned(),
            request_id: Some("request-1".to_owned()),
        };
        let far = Duration::from_hours(1);
        match job.kind.as_str() {
            "done" => Ok(AttemptOutcome::Done.into()),
            "snooze" => Ok(AttemptOutcome::Snooze { at: after(noon(), 7_000) }.into()),
            "retry" => Ok(AttemptOutcome::Retry { at: after(noon(), 8_000) }.into()),
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
        let (worker, end) = start!(QueueBackend::new(queue), (), handle);
        let kinds = ["done", "snooze", "retry", "left", "fail", "code", "abort", "later", "panic"];
        let jobs = kinds.map(|kind| NewJob { kind: kind.to_owned(), ..job() });
        db.enqueue(jobs.to_vec()).await;
        let states = ["done", "scheduled", "retrying", "running", "retrying", "retrying", "dead"];
        let states = states.into_iter().chain(["retrying", "retrying"]);
        for (job, state) in jobs.iter().zip(states) {
            wait_for_state(&db, job.id, state).await;
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
        stop(worker, end).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_job_is_retried_until_its_attempts_are_used_up() {
    async fn handle(_: ClaimedJob, tries: Data<Arc<AtomicUsize>>) -> Result<(), BoxDynError> {
        match tries.fetch_add(1, Ordering::SeqCst) {
            1 => panic!("the second time"),
            _ => Err("no answer".into()),
        }
    }
    for db in each().await {
        let clock = Clock::default();
        let wait = Duration::from_mins(1);
        let backoff = Backoff { initial: wait, max: wait };
        let queue = db.queue_with(Options { clock: clock.source(), backoff, ..options("ann") });
        let tries = Arc::new(AtomicUsize::new(0));
        let (worker, end) = start!(QueueBackend::new(queue), tries.clone(), handle);
        let job = job();
        db.enqueue(vec![job.clone()]).await;
        for number in [1, 2] {
            let failed = || async { db.attempts(job.id).await.len() == number };
            wait_until("an attempt", failed).await;
            assert_eq!(db.state(job.id).await, "retrying");
            clock.advance(wait * 2);
        }
        wait_for_state(&db, job.id, "dead").await;
        assert_eq!(tries.load(Ordering::SeqCst), 3);
        let attempts = db.attempts(job.id).await;
        let actual: Vec<_> = attempts.iter().map(|a| (a.number, a.outcome.as_str())).collect();
        assert_eq!(actual, [(1, "retry"), (2, "retry"), (3, "dead")], "{:?}", db.engine);
        stop(worker, end).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_can_settle_its_job_in_a_transaction_with_its_own_rows() {
    async fn handle(
        job: ClaimedJob,
        db: Data<sea_orm::DatabaseConnection>,
    ) -> Result<Handled, BoxDynError> {
        assert!(job.lease.is_valid());
        let transaction = db.begin().await?;
        let next = NewJob { queue: "other".to_owned(), ..crate::harness::job() };
        apalis_sea_orm::enqueue_all(&transaction, vec![next]).await?;
        assert_eq!(
            settle(&transaction, &[attempt_result(&job, AttemptOutcome::Dead)]).await?,
            Settled::All
        );
        transaction.commit().await?;
        Ok(Handled::Settled)
    }
    for db in each().await {
        let (worker, end) = start!(QueueBackend::new(db.queue("ann")), db.write.clone(), handle);
        let job = job();
        db.enqueue(vec![job.clone()]).await;
        wait_for_state(&db, job.id, "dead").await;
        stop(worker, end).await;
        assert_eq!(db.attempts(job.id).await.len(), 1, "{:?}", db.engine);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_result_cannot_be_written_runs_again_when_its_lease_ends() {
    /// The first time, makes settling fail.
    async fn handle(_: ClaimedJob, data: Data<Arc<(TestDb, AtomicUsize)>>) {
        let (db, calls) = &**data;
        if calls.fetch_add(1, Ordering::SeqCst) == 0 {
            let rename = "ALTER TABLE job_stats RENAME TO job_stats_elsewhere";
            db.write.execute_unprepared(rename).await.unwrap();
        }
    }
    for db in each().await {
        let lease = Duration::from_secs(1);
        let queue = db.queue_with(Options { lease, ..options("ann") });
        let db = Arc::new((db, AtomicUsize::new(0)));
        let (worker, end) = start!(QueueBackend::new(queue.clone()), db.clone(), handle);
        let (db, calls) = &*db;
        let job = job();
        db.enqueue(vec![job.clone()]).await;
        let is_given_up = || async { calls.load(Ordering::SeqCst) == 1 && queue.in_flight() == 0 };
        wait_until("the result is given up", is_given_up).await;
        assert_eq!(db.state(job.id).await, "running", "{:?}", db.engine);
        let rename = "ALTER TABLE job_stats_elsewhere RENAME TO job_stats";
        db.write.execute_unprepared(rename).await.unwrap();
        wait_for_state(db, job.id, "done").await;
        assert_eq!(calls.load(Ordering::SeqCst), 2, "{:?}", db.engine);
        let outcomes: Vec<_> =
            db.attempts(job.id).await.into_iter().map(|a| (a.number, a.outcome)).collect();
        assert_eq!(outcomes, [(1, "lost".to_owned()), (2, "done".to_owned())]);
        stop(worker, end).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exhausted_job_is_settled_as_dead_or_delivered_on_request() {
    async fn count_calls(_: ClaimedJob, performed: Data<Arc<AtomicUsize>>) {
        performed.fetch_add(1, Ordering::SeqCst);
    }
    async fn mark_dead(
        job: ClaimedJob,
        seen: Data<Arc<AtomicUsize>>,
    ) -> Result<AttemptOutcome, BoxDynError> {
        assert!(job.exhausted());
        seen.fetch_add(1, Ordering::SeqCst);
        Ok(AttemptOutcome::Dead)
    }
    for db in each().await {
        let once = || NewJob { max_attempts: 1, ..job() };
        let (first, second, third) = (once(), once(), once());
        let lease = Duration::from_millis(20);
        let silent = db.queue_with(Options { lease, ..options("silent") });
        let lost = async |job: &NewJob| {
            db.enqueue(vec![job.clone()]).await;
            silent.claim(noon(), 1).await.unwrap();
            wait_until("the attempt is lost", || async {
                !silent.rescue(noon()).await.unwrap().is_empty()
            })
            .await;
        };

        lost(&first).await;
        let count = Arc::new(AtomicUsize::new(0));
        let (worker, end) = start!(QueueBackend::new(db.queue("ann")), count.clone(), count_calls);
        wait_for_state(&db, first.id, "dead").await;
        assert_eq!(count.load(Ordering::SeqCst), 0, "performed");
        assert_eq!(db.job(first.id).await.last_error_code.as_deref(), Some("exhausted"));
        stop(worker, end).await;

        lost(&second).await;
        let backend = QueueBackend::new(db.queue("bob")).deliver_exhausted();
        let (worker, end) = start!(backend, count.clone(), mark_dead);
        wait_for_state(&db, second.id, "dead").await;
        assert_eq!(count.load(Ordering::SeqCst), 1, "{:?}", db.engine);
        stop(worker, end).await;

        // A handler that does not check whether the job is exhausted has not processed it.
        lost(&third).await;
        let backend = QueueBackend::new(db.queue("cid")).deliver_exhausted();
        let (worker, end) = start!(backend, count.clone(), count_calls);
        wait_until("the job has ended", || async { db.job(third.id).await.finished_at.is_some() })
            .await;
        let row = db.job(third.id).await;
        assert_eq!(
            (row.state.as_str(), row.last_error_code.as_deref()),
            ("dead", Some("exhausted"))
        );
        stop(worker, end).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retrying_job_occupies_no_slot() {
    async fn handle(job: ClaimedJob, _: Data<()>) -> Result<(), BoxDynError> {
        if job.kind == "fail" { Err("no answer".into()) } else { Ok(()) }
    }
    for db in each().await {
        let queue = db.queue_with(Options { concurrency: 1, ..options("ann") });
        let (worker, end) = start!(QueueBackend::new(queue.clone()), (), handle);
        let (failing, other) = (NewJob { kind: "fail".to_owned(), ..job() }, job());
        db.enqueue(vec![failing.clone()]).await;
        wait_for_state(&db, failing.id, "retrying").await;
        db.enqueue(vec![other.clone()]).await;
        wait_for_state(&db, other.id, "done").await;
        wait_until("the slot is free", || async { queue.free_slots() == 1 }).await;
        assert_eq!(db.state(failing.id).await, "retrying", "{:?}", db.engine);
        stop(worker, end).await;
    }
}
