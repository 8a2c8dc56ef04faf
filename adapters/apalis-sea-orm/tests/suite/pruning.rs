//! What is done goes when it is old; what is dead stays.

use std::time::Duration;

use apalis_sea_orm::{JobFilter, Options, Outcome, board, cancel, prune, settle};

use crate::harness::{after, each, jobs, noon, options, settle_one, settlement};

#[tokio::test]
async fn old_done_and_cancelled_jobs_go_with_their_attempts_and_dead_ones_stay() {
    for db in each().await {
        db.put(jobs(5)).await;
        let done = settle_one(&db, Outcome::Done, Some("barely")).await;
        let dead = settle_one(&db, Outcome::Dead, Some("rejected")).await;
        let cancelled = settle_one(&db, Outcome::Cancelled, Some("cancelled")).await;
        let running = db.queue("ann").claim(noon(), 1).await.unwrap().remove(0);
        let ready = db.queue("bob").claim(noon(), 1).await.unwrap().remove(0);
        db.queue("bob").give_back(&[(ready.id, ready.fence)]).await.unwrap();

        // The end of an attempt is a second and a half after its claim.
        assert_eq!(prune(&db.write, after(noon(), 1_500)).await.unwrap(), 0, "not that old");
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
async fn many_go_in_small_batches() {
    for db in each().await {
        let all = jobs(1_100);
        db.put(all.clone()).await;
        let claimed = db.queue("ann").claim(noon(), 600).await.unwrap();
        let done: Vec<_> = claimed.iter().map(|job| settlement(job, Outcome::Done)).collect();
        let _ = settle(&db.write, &done).await.unwrap();
        cancel(&db.write, &crate::harness::ids(&all), noon()).await.unwrap();
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
async fn pruners_at_once_do_not_hinder_each_other_or_settlers() {
    for db in each().await {
        db.put(jobs(1_000)).await;
        let queue = db.queue("ann");
        let claimed = queue.claim(noon(), 1_000).await.unwrap();
        let (old, new) = claimed.split_at(600);
        let done: Vec<_> = old.iter().map(|job| settlement(job, Outcome::Done)).collect();
        let _ = settle(&db.write, &done).await.unwrap();
        let pruners = [(); 2].map(|()| {
            let write = db.write.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    prune(&write, after(noon(), 9_000)).await.unwrap();
                }
            })
        });
        for job in new {
            let retry = settlement(job, Outcome::Retry { at: noon() });
            let _ = settle(&db.write, &[retry]).await.unwrap();
        }
        for pruner in pruners {
            pruner.await.unwrap();
        }
        assert_eq!(prune(&db.write, after(noon(), 9_000)).await.unwrap(), 0, "{:?}", db.engine);
    }
}

#[tokio::test]
async fn a_worker_tidies_what_its_options_let_go() {
    for db in each().await {
        let retention = Some(Duration::from_hours(1));
        let (forgetful, keeping) =
            (db.queue_with(Options { retention, ..options("ann") }), db.queue("bob"));
        db.put(jobs(2)).await;
        settle_one(&db, Outcome::Done, None).await;
        let hour = after(noon(), 3_600_000);
        let left = async || board::jobs(&db.read, &JobFilter::default(), None, 9).await.unwrap();
        keeping.tidy(after(hour, 2_000)).await.unwrap();
        forgetful.tidy(after(hour, 1_000)).await.unwrap();
        assert_eq!(left().await.len(), 2, "{:?}", db.engine);
        forgetful.tidy(after(hour, 2_000)).await.unwrap();
        assert_eq!(left().await.len(), 1, "{:?}", db.engine);

        assert_eq!(board::minutes(&db.read, noon()).await.unwrap().len(), 1);
        keeping.tidy(after(noon(), 27 * 3_600_000)).await.unwrap();
        assert!(board::minutes(&db.read, noon()).await.unwrap().is_empty());
    }
}
