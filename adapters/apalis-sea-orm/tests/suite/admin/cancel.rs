//! Cancelled jobs do not run, or do not finish.

use std::{sync::Arc, time::Duration};

use apalis_core::{error::BoxDynError, task::data::Data};
use apalis_sea_orm::{
    AttemptOutcome, Cancelled, ClaimedJob, JobFilter, NewJob, Options, QueueBackend, Settled,
    cancel, cancel_matching, count_matching, entity::state::CANCELLABLE, settle,
};
use sea_orm::TransactionTrait;
use tokio::sync::Semaphore;

use crate::harness::{
    after, attempt_result, each, ids, job, jobs, noon, options, settle_one, start, stop,
    wait_for_state, wait_until,
};

#[tokio::test]
async fn idle_jobs_are_cancelled_immediately_and_running_ones_by_request() {
    for db in each().await {
        let five = jobs(5);
        db.enqueue(five.clone()).await;
        let done = settle_one(&db, AttemptOutcome::Done, None).await;
        let dead = settle_one(&db, AttemptOutcome::Dead, None).await;
        let retrying = settle_one(&db, AttemptOutcome::Retry { at: after(noon(), 9) }, None).await;
        let running = db.queue("ann").claim(noon(), 1).await.unwrap().remove(0);
        let scheduled = NewJob { run_at: after(noon(), 9), ..job() };
        db.enqueue(vec![scheduled.clone()]).await;
        let mut all = ids(&five);
        all.push(scheduled.id);

        let now = after(noon(), 5);
        let mut cancelled = cancel(&db.write, &all, now).await.unwrap();
        cancelled.immediate.sort();
        let immediate = vec![retrying.id, five[4].id, scheduled.id];
        assert_eq!(cancelled, Cancelled { immediate, requested: vec![running.id] });
        for (id, state) in [(done.id, "done"), (dead.id, "dead"), (running.id, "running")] {
            assert_eq!(db.state(id).await, state, "{:?}", db.engine);
        }
        let row = db.job(scheduled.id).await;
        assert_eq!(
            (row.state.as_str(), row.finished_at),
            ("cancelled", Some(now.as_microsecond()))
        );
        db.queue("ann").promote(after(noon(), 99)).await.unwrap();
        assert!(db.queue("ann").claim(noon(), 9).await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_handler_of_a_cancelled_job_is_dropped() {
    struct Dropped(Arc<Semaphore>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.add_permits(1);
        }
    }
    async fn handle(_: ClaimedJob, dropped: Data<Arc<Semaphore>>) {
        let _dropped = Dropped(Arc::clone(&dropped));
        std::future::pending::<()>().await;
    }
    for db in each().await {
        let dropped = Arc::new(Semaphore::new(0));
        let (worker, end) = start!(QueueBackend::new(db.queue("ann")), dropped.clone(), handle);
        let job = job();
        db.enqueue(vec![job.clone()]).await;
        wait_for_state(&db, job.id, "running").await;
        cancel(&db.write, &[job.id], noon()).await.unwrap();
        wait_for_state(&db, job.id, "cancelled").await;
        assert_eq!(dropped.available_permits(), 1, "{:?}", db.engine);
        let attempts = db.attempts(job.id).await;
        assert_eq!(attempts[0].outcome, "cancelled", "{:?}", db.engine);
        stop(worker, end).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_can_end_its_cancelled_job_itself() {
    async fn handle(job: ClaimedJob, _: Data<()>) -> Result<AttemptOutcome, BoxDynError> {
        assert!(!job.lease.is_cancelled());
        job.lease.cancelled().await;
        // A dropped future would not get past this.
        tokio::task::yield_now().await;
        assert!(job.lease.is_cancelled());
        Ok(if job.kind == "done" { AttemptOutcome::Done } else { AttemptOutcome::Cancelled })
    }
    for db in each().await {
        let backend = QueueBackend::new(db.queue("ann")).manual_cancellation();
        let (worker, end) = start!(backend, (), handle);
        let (done, other) = (NewJob { kind: "done".to_owned(), ..job() }, job());
        db.enqueue(vec![done.clone(), other.clone()]).await;
        wait_for_state(&db, done.id, "running").await;
        wait_for_state(&db, other.id, "running").await;
        cancel(&db.write, &[done.id, other.id], noon()).await.unwrap();
        wait_for_state(&db, other.id, "cancelled").await;
        wait_for_state(&db, done.id, "done").await;
        stop(worker, end).await;
    }
}

#[tokio::test]
async fn a_job_whose_cancellation_was_requested_is_not_tried_again() {
    for db in each().await {
        db.enqueue(jobs(5)).await;
        let queue = db.queue("ann");
        let claimed = queue.claim(noon(), 4).await.unwrap();
        let lease = Duration::from_millis(50);
        let silent = db.queue_with(Options { lease, ..options("silent") });
        let lost = silent.claim(noon(), 1).await.unwrap().remove(0);
        let all: Vec<_> = claimed.iter().chain([&lost]).map(|job| job.id).collect();
        assert_eq!(cancel(&db.write, &all, noon()).await.unwrap().requested.len(), 5);
        assert_eq!(queue.detect_cancelled().await.unwrap().len(), 4);
        assert!(queue.detect_cancelled().await.unwrap().is_empty(), "reported only once");
        assert!(claimed.iter().all(|job| job.lease.is_cancelled()));

        let at = after(noon(), 9);
        let outcomes = [
            AttemptOutcome::Retry { at },
            AttemptOutcome::Snooze { at },
            AttemptOutcome::Cancelled,
        ];
        let group = claimed.iter().zip(outcomes).map(|(job, outcome)| attempt_result(job, outcome));
        let settled = settle(&db.write, &group.collect::<Vec<_>>()).await.unwrap();
        assert_eq!(settled, Settled::All);
        queue.release(&[(claimed[3].id, claimed[3].fence)]).await.unwrap();
        wait_until("the lease has ended", || async {
            !queue.rescue(noon()).await.unwrap().is_empty()
        })
        .await;
        for id in all {
            let row = db.job(id).await;
            assert_eq!(row.state, "cancelled", "{:?}", db.engine);
            assert!(row.finished_at.is_some() && row.locked_by.is_none());
        }
        assert_eq!(db.attempts(lost.id).await[0].outcome, "lost");
    }
}

#[tokio::test]
async fn cancelling_is_part_of_the_callers_transaction() {
    for db in each().await {
        let job = job();
        db.enqueue(vec![job.clone()]).await;
        let transaction = db.write.begin().await.unwrap();
        assert_eq!(cancel(&transaction, &[job.id], noon()).await.unwrap().immediate, [job.id]);
        transaction.rollback().await.unwrap();
        assert_eq!(db.state(job.id).await, "ready", "{:?}", db.engine);
    }
}

#[tokio::test]
async fn all_matching_jobs_are_counted_and_cancelled() {
    for db in each().await {
        db.enqueue(jobs(450)).await;
        let others = (0..30).map(|_| NewJob { kind: "other".to_owned(), ..job() });
        db.enqueue(others.collect()).await;
        settle_one(&db, AttemptOutcome::Done, None).await;
        let filter = JobFilter { kind: Some("send".to_owned()), ..JobFilter::default() };
        assert_eq!(count_matching(&db.read, &filter, &CANCELLABLE).await.unwrap(), 449);
        let cancelled = cancel_matching(&db.write, &filter, noon()).await.unwrap();
        assert_eq!(cancelled.immediate.len(), 449, "{:?}", db.engine);
        assert_eq!(count_matching(&db.read, &filter, &CANCELLABLE).await.unwrap(), 0);
        assert_eq!(db.queue("ann").claim(noon(), 100).await.unwrap().len(), 30);
    }
}
