use std::time::Instant;
use apalis_sea_orm::{NewJob, Options, Outcome, settle};
use sea_orm::ConnectionTrait;
use crate::harness::{after, each, job, noon, options, settlement};
#[tokio::test]
async fn bench() {
    for db in each().await {
        for part in 0..40u32 {
            let queues = ["logins", "mail", "hooks", "bulk"];
            let jobs = (0..5_000u32).map(|n| NewJob {
                queue: queues[n as usize % 4].to_owned(),
                priority: i16::try_from(n % 5).unwrap(),
                run_at: after(noon(), if part % 2 == 0 { 0 } else { u64::from(n) + 1_000_000 }),
                ..job()
            });
            db.put(jobs.collect()).await;
        }
        let analyze = if db.engine == crate::harness::Engine::Sqlite { "ANALYZE" } else { "ANALYZE TABLE jobs" };
        db.write.execute_unprepared(analyze).await.unwrap();
        let queues = ["logins", "mail", "hooks", "bulk"].map(str::to_owned);
        let queue = db.queue_with(Options { queues: queues.into(), ..options("ann") });
        queue.claim(noon(), 1).await.unwrap();
        let (mut c, mut b, mut s) = (vec![], vec![], vec![]);
        for _ in 0..100 {
            let t = Instant::now();
            let claimed = queue.claim(noon(), 10).await.unwrap();
            c.push(t.elapsed());
            let leases: Vec<_> = claimed.iter().map(|j| (j.id, j.fence)).collect();
            let t = Instant::now();
            queue.beat(&leases).await.unwrap();
            b.push(t.elapsed());
            let g: Vec<_> = claimed.iter().map(|j| settlement(j, Outcome::Done)).collect();
            let t = Instant::now();
            let _ = settle(&db.write, &g).await.unwrap();
            s.push(t.elapsed());
        }
        let t = Instant::now();
        for _ in 0..100 { queue.next_due().await.unwrap(); }
        let due = t.elapsed() / 100;
        let t = Instant::now();
        for _ in 0..100 { queue.rescue(noon()).await.unwrap(); }
        let rescue = t.elapsed() / 100;
        let p = |v: &mut Vec<std::time::Duration>| { v.sort(); (v[50], v[95]) };
        let t = Instant::now();
        let staged = queue.stage(after(noon(), 10_000_000)).await.unwrap();
        println!("{:?}: 100k ready + 100k scheduled, 4 queues: claim(10) p50/p95 {:?}, beat(10) {:?}, settle(10) {:?}, next_due {due:?}, rescue(none) {rescue:?}; stage {staged} in {:?}", db.engine, p(&mut c), p(&mut b), p(&mut s), t.elapsed());
        let t = Instant::now();
        let claimed = queue.claim(noon(), 200).await.unwrap();
        let tc = t.elapsed();
        let g: Vec<_> = claimed.iter().map(|j| settlement(j, Outcome::Done)).collect();
        let t = Instant::now();
        let _ = settle(&db.write, &g).await.unwrap();
        println!("   claim(200) {tc:?} settle(200) {:?}", t.elapsed());
    }
}
