//! Cancelled jobs do not run, or do not finish.

use std::time::Duration;

use apalis_sea_orm::{
    AttemptOutcome, JobFilter, KindCount, NewJob, Options, Settled, cancel, count_by_kind,
    count_matching, count_up_to, entity::state::CANCELLABLE, matching_ids, settle,
};
use sea_orm::TransactionTrait;

use crate::harness::{
    after, attempt_result, each, job, jobs, new_id, noon, options, settle_one, wait_until,
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

        let now = after(noon(), 5);
        for (id, is_cancelled, state) in [
            (done.id, false, "done"),
            (dead.id, false, "dead"),
            (running.id, true, "running"),
            (retrying.id, true, "cancelled"),
            (five[4].id, true, "cancelled"),
            (scheduled.id, true, "cancelled"),
            (new_id(), false, ""),
        ] {
            assert_eq!(cancel(&db.write, id, now).await.unwrap(), is_cancelled, "{state}");
            if !state.is_empty() {
                assert_eq!(db.state(id).await, state, "{:?}", db.engine);
            }
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

#[tokio::test]
async fn a_job_whose_cancellation_was_requested_is_not_tried_again() {
    for db in each().await {
        db.enqueue(jobs(4)).await;
        let queue = db.queue("ann");
        let claimed = queue.claim(noon(), 3).await.unwrap();
        let lease = Duration::from_millis(50);
        let silent = db.queue_with(Options { lease, ..options("silent") });
        let lost = silent.claim(noon(), 1).await.unwrap().remove(0);
        let all: Vec<_> = claimed.iter().chain([&lost]).map(|job| job.id).collect();
        for id in &all {
            assert!(cancel(&db.write, *id, noon()).await.unwrap());
        }

        let at = after(noon(), 9);
        let outcomes = [AttemptOutcome::Retry { at }, AttemptOutcome::Snooze { at }];
        let group = claimed.iter().zip(outcomes).map(|(job, outcome)| attempt_result(job, outcome));
        let settled = settle(&db.write, &group.collect::<Vec<_>>()).await.unwrap();
        assert_eq!(settled, Settled::All);
        queue.release(&[(claimed[2].id, claimed[2].fence)]).await.unwrap();
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
        assert!(cancel(&transaction, job.id, noon()).await.unwrap());
        transaction.rollback().await.unwrap();
        assert_eq!(db.state(job.id).await, "ready", "{:?}", db.engine);
    }
}

#[tokio::test]
async fn matching_jobs_are_counted_and_found() {
    for db in each().await {
        db.enqueue(jobs(450)).await;
        let others = (0..30).map(|_| NewJob { kind: "other".to_owned(), ..job() });
        db.enqueue(others.collect()).await;
        settle_one(&db, AttemptOutcome::Done, None).await;
        let filter = JobFilter { kind: Some("send".to_owned()), ..JobFilter::default() };
        assert_eq!(count_matching(&db.read, &filter, &CANCELLABLE).await.unwrap(), 449);
        let any = JobFilter::default();
        let up_to = async |filter: &JobFilter, limit| {
            count_up_to(&db.read, filter, &CANCELLABLE, limit).await.unwrap()
        };
        assert_eq!([up_to(&any, 100).await, up_to(&any, 9_999).await], [100, 479]);
        assert_eq!(up_to(&filter, 9_999).await, 449, "{:?}", db.engine);
        let kinds = count_by_kind(&db.read, &any, &CANCELLABLE).await.unwrap();
        let count =
            |kind: &str, jobs| KindCount { kind: kind.to_owned(), queue: "mail".to_owned(), jobs };
        assert_eq!(kinds, [count("send", 449), count("other", 30)], "{:?}", db.engine);
        let none = JobFilter { queues: Some(Vec::new()), ..any };
        assert_eq!(up_to(&none, 9).await, 0);
        assert!(count_by_kind(&db.read, &none, &CANCELLABLE).await.unwrap().is_empty());
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = matching_ids(&db.read, &filter, &CANCELLABLE, after, 200).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(*last);
            found.extend(page);
        }
        assert!(found.is_sorted() && found.len() == 449, "{:?}: {}", db.engine, found.len());
    }
}
