//! Cancelled jobs are not performed, or not to their end.

use std::{sync::Arc, time::Duration};

use apalis_core::{error::BoxDynError, task::data::Data};
use apalis_sea_orm::{
    Cancelled, Claimed, JobFilter, NewJob, Options, Outcome, QueueBackend, Settled, cancel,
    cancel_matching, count_matching, entity::state::CANCELLABLE, settle,
};
use sea_orm::TransactionTrait;
use tokio::sync::Semaphore;

use crate::harness::{
    after, each, ids, is, job, jobs, noon, options, settle_one, settlement, start, until,
};

#[tokio::test]
async fn what_nobody_performs_is_cancelled_at_once_and_the_rest_is_asked_or_left() {
    for db in each().await {
        let five = jobs(5);
        db.put(five.clone()).await;
        let done = settle_one(&db, Outcome::Done, None).await;
        let dead = settle_one(&db, Outcome::Dead, None).await;
        let retrying = settle_one(&db, Outcome::Retry { at: after(noon(), 9) }, None).await;
        let running = db.queue("ann").claim(noon(), 1).await.unwrap().remove(0);
        let scheduled = NewJob { run_at: after(noon(), 9), ..job() };
        db.put(vec![scheduled.clone()]).await;
        let mut all = ids(&five);
        all.push(scheduled.id);

        let now = after(noon(), 5);
        let mut cancelled = cancel(&db.write, &all, now).await.unwrap();
        cancelled.at_once.sort();
        let at_once = vec![retrying.id, five[4].id, scheduled.id];
        assert_eq!(cancelled, Cancelled { at_once, requested: vec![running.id] });
        for (id, state) in [(done.id, "done"), (dead.id, "dead"), (running.id, "running")] {
            assert_eq!(db.state(id).await, state, "{:?}", db.engine);
        }
        let row = db.job(scheduled.id).await;
        assert_eq!(
            (row.state.as_str(), row.finished_at),
            ("cancelled", Some(now.as_microsecond()))
        );
        db.queue("ann").stage(after(noon(), 99)).await.unwrap();
        assert!(db.queue("ann").claim(noon(), 9).await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_jobs_performance_is_dropped() {
    struct Dropped(Arc<Semaphore>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.add_permits(1);
        }
    }
    async fn perform(_: Claimed, dropped: Data<Arc<Semaphore>>) {
        let _dropped = Dropped(Arc::clone(&dropped));
        std::future::pending::<()>().await;
    }
    for db in each().await {
        let dropped = Arc::new(Semaphore::new(0));
        let (worker, end) = start!(QueueBackend::new(db.queue("ann")), dropped.clone(), perform);
        let job = job();
        db.put(vec![job.clone()]).await;
        is(&db, job.id, "running").await;
        cancel(&db.write, &[job.id], noon()).await.unwrap();
        is(&db, job.id, "cancelled").await;
        assert_eq!(dropped.available_permits(), 1, "{:?}", db.engine);
        let attempts = db.attempts(job.id).await;
        assert_eq!(attempts[0].outcome, "cancelled", "{:?}", db.engine);
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_may_end_its_cancelled_job_by_itself() {
    async fn perform(job: Claimed, _: Data<()>) -> Result<Outcome, BoxDynError> {
        assert!(!job.lease.is_cancelled());
        job.lease.cancelled().await;
        // It takes its time, which a dropped future would not.
        tokio::task::yield_now().await;
        assert!(job.lease.is_cancelled());
        Ok(if job.kind == "done" { Outcome::Done } else { Outcome::Cancelled })
    }
    for db in each().await {
        let backend = QueueBackend::new(db.queue("ann")).leave_cancelled();
        let (worker, end) = start!(backend, (), perform);
        let (done, other) = (NewJob { kind: "done".to_owned(), ..job() }, job());
        db.put(vec![done.clone(), other.clone()]).await;
        is(&db, done.id, "running").await;
        is(&db, other.id, "running").await;
        cancel(&db.write, &[done.id, other.id], noon()).await.unwrap();
        is(&db, other.id, "cancelled").await;
        is(&db, done.id, "done").await;
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_job_whose_cancelling_was_asked_for_is_not_tried_again() {
    for db in each().await {
        db.put(jobs(5)).await;
        let queue = db.queue("ann");
        let claimed = queue.claim(noon(), 4).await.unwrap();
        let lease = Duration::from_millis(50);
        let silent = db.queue_with(Options { lease, ..options("silent") });
        let lost = silent.claim(noon(), 1).await.unwrap().remove(0);
        let all: Vec<_> = claimed.iter().chain([&lost]).map(|job| job.id).collect();
        assert_eq!(cancel(&db.write, &all, noon()).await.unwrap().requested.len(), 5);
        assert_eq!(queue.notice_cancelled().await.unwrap().len(), 4);
        assert!(queue.notice_cancelled().await.unwrap().is_empty(), "told once");
        assert!(claimed.iter().all(|job| job.lease.is_cancelled()));

        let at = after(noon(), 9);
        let outcomes = [Outcome::Retry { at }, Outcome::Snooze { at }, Outcome::Cancelled];
        let group = claimed.iter().zip(outcomes).map(|(job, outcome)| settlement(job, outcome));
        let settled = settle(&db.write, &group.collect::<Vec<_>>()).await.unwrap();
        assert_eq!(settled, Settled::All);
        queue.give_back(&[(claimed[3].id, claimed[3].fence)]).await.unwrap();
        until("its lease ends", || async { !queue.rescue(noon()).await.unwrap().is_empty() }).await;
        for id in all {
            let row = db.job(id).await;
            assert_eq!(row.state, "cancelled", "{:?}", db.engine);
            assert!(row.finished_at.is_some() && row.locked_by.is_none());
        }
        assert_eq!(db.attempts(lost.id).await[0].outcome, "lost");
    }
}

#[tokio::test]
async fn a_cancel_happens_with_the_callers_rows_or_not_at_all() {
    for db in each().await {
        let job = job();
        db.put(vec![job.clone()]).await;
        let transaction = db.write.begin().await.unwrap();
        assert_eq!(cancel(&transaction, &[job.id], noon()).await.unwrap().at_once, [job.id]);
        transaction.rollback().await.unwrap();
        assert_eq!(db.state(job.id).await, "ready", "{:?}", db.engine);
    }
}

#[tokio::test]
async fn all_that_match_are_cancelled_and_counted_before() {
    for db in each().await {
        db.put(jobs(450)).await;
        let others = (0..30).map(|_| NewJob { kind: "other".to_owned(), ..job() });
        db.put(others.collect()).await;
        settle_one(&db, Outcome::Done, None).await;
        let filter = JobFilter { kind: Some("send".to_owned()), ..JobFilter::default() };
        assert_eq!(count_matching(&db.read, &filter, &CANCELLABLE).await.unwrap(), 449);
        let cancelled = cancel_matching(&db.write, &filter, noon()).await.unwrap();
        assert_eq!(cancelled.at_once.len(), 449, "{:?}", db.engine);
        assert_eq!(count_matching(&db.read, &filter, &CANCELLABLE).await.unwrap(), 0);
        assert_eq!(db.queue("ann").claim(noon(), 100).await.unwrap().len(), 30);
    }
}
