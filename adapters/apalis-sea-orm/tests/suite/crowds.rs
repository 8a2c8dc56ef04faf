//! Many jobs and several claimers: each job once, nobody starved, and no deadlock to be seen.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Instant,
};

use apalis_sea_orm::{Outcome, Settled, settle};
use sea_orm::TransactionTrait;

use crate::harness::{Db, each, jobs, noon, settlement};

const JOBS: usize = 20_000;

/// Claims and settles until all jobs were claimed; any error fails the test.
async fn drain(db: Arc<Db>, worker: &'static str, claimed: Arc<Mutex<HashSet<u128>>>) -> usize {
    let queue = db.queue(worker);
    let mut mine = 0;
    while claimed.lock().unwrap().len() < JOBS {
        let jobs = queue.claim(noon(), 20).await.unwrap();
        let done: Vec<_> = jobs.iter().map(|job| settlement(job, Outcome::Done)).collect();
        let transaction = db.write.begin().await.unwrap();
        assert_eq!(settle(&transaction, &done).await.unwrap(), Settled::All);
        transaction.commit().await.unwrap();
        mine += jobs.len();
        let mut claimed = claimed.lock().unwrap();
        for job in jobs {
            assert!(claimed.insert(job.id.as_u128()), "claimed twice");
            assert_eq!((job.fence, job.number), (1, 1));
        }
    }
    mine
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_jobs_and_four_claimers() {
    for db in each().await {
        let db = Arc::new(db);
        // Half are there, and half come in meanwhile.
        db.put(jobs(JOBS / 2)).await;
        let begun = Instant::now();
        let producer = {
            let db = Arc::clone(&db);
            tokio::spawn(async move {
                for _ in 0..JOBS / 100 {
                    db.put(jobs(50)).await;
                }
            })
        };
        let claimed = Arc::new(Mutex::new(HashSet::new()));
        let drain = |worker| tokio::spawn(drain(db.clone(), worker, claimed.clone()));
        let workers = ["ann", "bob", "cat", "dan"].map(drain);
        let mut shares = Vec::new();
        for worker in workers {
            shares.push(worker.await.unwrap());
        }
        producer.await.unwrap();
        let rate = 20_000.0 / begun.elapsed().as_secs_f64();
        println!("{:?}: {rate:.0} jobs/s claimed and settled, shares {shares:?}", db.engine);
        assert_eq!(shares.iter().sum::<usize>(), JOBS);
        assert!(shares.iter().all(|share| *share > JOBS / 20), "{:?}: {shares:?}", db.engine);
    }
}
