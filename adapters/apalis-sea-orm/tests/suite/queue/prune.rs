//! Old done and cancelled jobs are deleted; dead ones are kept.

use std::time::Duration;

use apalis_sea_orm::{AttemptOutcome, JobFilter, Options, cancel, inspect, prune};

use crate::harness::{after, attempt_result, each, jobs, noon, options, settle_one};

#[tokio::test]
async fn old_done_and_cancelled_jobs_are_deleted_and_dead_ones_kept() {
    for db in each().await {
        db.enqueue(jobs(5)).await;
        let done = settle_one(&db, AttemptOutcome::Done, Some("barely")).await;
        let dead = settle_one(&db, AttemptOutcome::Dead, Some("rejected")).await;
        let cancelled = settle_one(&db, AttemptOutcome::Retry { at: noon() }, Some("x")).await;
        cancel(&db.write, cancelled.id, after(noon(), 1_500)).await.unwrap();
        let running = db.queue("ann").claim(noon(), 1).await.unwrap().remove(0);
        let ready = db.queue("bob").claim(noon(), 1).await.unwrap().remove(0);
        db.queue("bob").release(&[(ready.id, ready.fence)]).await.unwrap();

        // Attempts end 1.5 seconds after their claim.
        assert_eq!(prune(&db.write, after(noon(), 1_500)).await.unwrap(), 0, "none is old enough");
        assert_eq!(prune(&db.write, after(noon(), 1_501)).await.unwrap(), 2, "{:?}", db.engine);
        for id in [dead.id, running.id, ready.id] {
            db.job(id).await;
        }
        assert_eq!(db.attempts(dead.id).await.len(), 1);
        for id in [done.id, cancelled.id] {
            assert!(db.attempts(id).await.is_empty());
        }
        assert_eq!(prune(&db.write, after(noon(), 1_501)).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn many_jobs_are_pruned_in_small_batches() {
    for db in each().await {
        let all = jobs(1_100);
        db.enqueue(all.clone()).await;
        let claimed = db.queue("ann").claim(noon(), 600).await.unwrap();
        let done: Vec<_> =
            claimed.iter().map(|job| attempt_result(job, AttemptOutcome::Done)).collect();
        db.settle(&done).await;
        for job in &all {
            cancel(&db.write, job.id, noon()).await.unwrap();
        }
        let mut counts = Vec::new();
        loop {
            match prune(&db.write, after(noon(), 9_000)).await.unwrap() {
                0 => break,
                count => counts.push(count),
            }
        }
        assert_eq!(counts.iter().sum::<u64>(), 1_100, "{:?}", db.engine);
        assert!(counts.iter().all(|count| *count <= 500), "{counts:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_pruning_and_settling_do_not_conflict() {
    for db in each().await {
        db.enqueue(jobs(1_000)).await;
        let queue = db.queue("ann");
        let claimed = queue.claim(noon(), 1_000).await.unwrap();
        let (old, new) = claimed.split_at(600);
        let done: Vec<_> =
            old.iter().map(|job| attempt_result(job, AttemptOutcome::Done)).collect();
        db.settle(&done).await;
        let pruners = [(); 2].map(|()| {
            let write = db.write.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    prune(&write, after(noon(), 9_000)).await.unwrap();
                }
            })
        });
        for job in new {
            let retry = attempt_result(job, AttemptOutcome::Retry { at: noon() });
            db.settle(&[retry]).await;
        }
        for pruner in pruners {
            pruner.await.unwrap();
        }
        assert_eq!(prune(&db.write, after(noon(), 9_000)).await.unwrap(), 0, "{:?}", db.engine);
    }
}

#[tokio::test]
async fn a_worker_cleans_up_what_its_options_allow() {
    for db in each().await {
        let retention = Some(Duration::from_hours(1));
        let (forgetful, keeping) =
            (db.queue_with(Options { retention, ..options("ann") }), db.queue("bob"));
        db.enqueue(jobs(2)).await;
        settle_one(&db, AttemptOutcome::Done, None).await;
        let hour = after(noon(), 3_600_000);
        let left = async || inspect::jobs(&db.read, &JobFilter::default(), None, 9).await.unwrap();
        keeping.clean_up(after(hour, 2_000)).await.unwrap();
        forgetful.clean_up(after(hour, 1_000)).await.unwrap();
        assert_eq!(left().await.len(), 2, "{:?}", db.engine);
        forgetful.clean_up(after(hour, 2_000)).await.unwrap();
        assert_eq!(left().await.len(), 1, "{:?}", db.engine);

        assert_eq!(inspect::minutes(&db.read, noon()).await.unwrap().len(), 1);
        keeping.clean_up(after(noon(), 27 * 3_600_000)).await.unwrap();
        assert!(inspect::minutes(&db.read, noon()).await.unwrap().is_empty());
    }
}
