//! Leases are extended by heartbeats, ended by a release, and visible to their holder.

use std::time::{Duration, Instant};

use apalis_sea_orm::{JobLease, Options};

use crate::harness::{each, jobs, noon, options, wait_until};

#[tokio::test]
async fn a_heartbeat_extends_current_leases_and_returns_lost_ones() {
    for db in each().await {
        db.enqueue(jobs(3)).await;
        let queue = db.queue("ann");
        let claimed = queue.claim(noon(), 3).await.unwrap();
        let leases: Vec<_> = claimed.iter().map(|job| (job.id, job.fence)).collect();
        let before = db.job(claimed[0].id).await.lease_until;
        wait_until("the database's clock advances", || async {
            assert!(queue.heartbeat(&leases).await.unwrap().is_empty());
            db.job(claimed[0].id).await.lease_until > before
        })
        .await;

        db.queue("ann again").release(&leases[1..2]).await.unwrap();
        assert!(claimed[1].lease.is_valid(), "this worker does not know yet");
        assert_eq!(queue.heartbeat(&leases).await.unwrap(), [claimed[1].id], "{:?}", db.engine);
        let held: Vec<_> = claimed.iter().map(|job| job.lease.is_valid()).collect();
        assert_eq!(held, [true, false, true]);
        let stale = [(claimed[0].id, claimed[0].fence - 1)];
        assert_eq!(queue.heartbeat(&stale).await.unwrap(), [claimed[0].id]);
    }
}

#[tokio::test]
async fn a_released_job_is_claimable_and_uncharged() {
    for db in each().await {
        db.enqueue(jobs(2)).await;
        let queue = db.queue("ann");
        let claimed = queue.claim(noon(), 2).await.unwrap();
        let stale = (claimed[1].id, claimed[1].fence + 1);
        let given = queue.release(&[(claimed[0].id, claimed[0].fence), stale]).await.unwrap();
        assert_eq!(given, 1, "{:?}", db.engine);
        assert!(!claimed[0].lease.is_valid());
        assert_eq!(db.state(claimed[1].id).await, "running");
        let again = db.queue("bob").claim(noon(), 2).await.unwrap();
        assert_eq!(again.len(), 1);
        assert_eq!((again[0].id, again[0].number, again[0].fence), (claimed[0].id, 1, 2));
    }
}

#[tokio::test]
async fn a_slot_is_occupied_until_its_lease_is_dropped() {
    for db in each().await {
        db.enqueue(jobs(3)).await;
        let queue = db.queue_with(Options { concurrency: 3, ..options("ann") });
        let mut claimed = queue.claim(noon(), 2).await.unwrap();
        assert_eq!((queue.in_flight(), queue.free_slots()), (2, 1));
        let lease = claimed.remove(0).lease;
        assert_eq!(queue.in_flight(), 2, "a lease without its job counts");
        drop((lease, claimed));
        assert_eq!((queue.in_flight(), queue.free_slots()), (0, 3));
    }
}

#[tokio::test]
async fn a_lease_is_invalid_before_the_database_considers_it_expired() {
    for db in each().await {
        db.enqueue(jobs(1)).await;
        let lease = Duration::from_millis(300);
        let queue = db.queue_with(Options { lease, ..options("ann") });
        let job = queue.claim(noon(), 1).await.unwrap().remove(0);
        assert!(job.lease.is_valid());
        let other = db.queue("bob");
        wait_until("the lease has ended", || async {
            let rescued = other.rescue(noon()).await.unwrap();
            assert!(rescued.is_empty() || !job.lease.is_valid(), "{:?}", db.engine);
            !rescued.is_empty()
        })
        .await;
        assert_eq!(job.lease.remaining(), Duration::ZERO);
    }
}

#[test]
fn a_lease_reserves_a_tenth_of_its_length() {
    let started = Instant::now();
    let lease = JobLease::detached(Duration::from_secs(10));
    let remaining = lease.remaining();
    assert!(remaining <= Duration::from_secs(9));
    assert!(remaining + started.elapsed() >= Duration::from_secs(9));
    assert!(!JobLease::detached(Duration::ZERO).is_valid());
}
