//! Periodic jobs that several processes enqueue.

use std::{collections::HashSet, time::Duration};

use apalis_sea_orm::{Enqueued, NewJob, enqueue, periodic};

use crate::harness::{after, each, new_id, noon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_job_is_enqueued_per_interval() {
    for db in each().await {
        let offer = |instance: u64| {
            let write = db.write.clone();
            tokio::spawn(async move {
                let mut new = 0;
                for tick in 0..20 {
                    let now = after(noon(), tick * 1_000 + instance * 7);
                    let every = Duration::from_secs(1);
                    let job = periodic(new_id(), "mail", "sweep", every, now);
                    new += u32::from(enqueue(&write, job).await.unwrap() == Enqueued::New);
                }
                new
            })
        };
        let mut all = 0;
        for instance in (0..4).map(offer).collect::<Vec<_>>() {
            all += instance.await.unwrap();
        }
        assert_eq!(all, 20, "{:?}", db.engine);
        let jobs = db.queue("ann").claim(after(noon(), 60_000), 100).await.unwrap();
        let ticks: HashSet<_> = jobs.iter().map(|job| job.run_at).collect();
        assert_eq!((jobs.len(), ticks.len()), (20, 20));
    }
}

#[test]
fn jobs_of_another_interval_or_kind_have_another_key() {
    let of = |kind, seconds| {
        let every = Duration::from_secs(seconds);
        periodic(new_id(), "mail", kind, every, noon()).unique_key
    };
    assert_ne!(of("sweep", 1), of("sweep", 60));
    assert_ne!(of("sweep", 1), of("report", 1));
    let late = periodic(new_id(), "mail", "sweep", Duration::from_hours(1), after(noon(), 1_000));
    assert_eq!(late.run_at, noon());
    assert!(matches!(late, NewJob { max_attempts: 1, .. }));
}
