//! A worker that is frozen for longer than its lease.

use std::time::Duration;

use guestlist_tests::{Guestlist, LONG, SHORT, one_engine_at_a_time, wait_until};
use serde_json::json;

use crate::{duplicate_count, exclusive, invitation_count, mail_count, wait_until_sent};

const MANY: usize = 60;

#[tokio::test]
async fn a_worker_frozen_past_its_lease_changes_nothing() {
    let _exclusive = exclusive().await;
    one_engine_at_a_time(|engine| async move {
        let setup = Guestlist::split(engine).workers(0).env("WORKER_CONCURRENCY", "10");
        let mut guestlist = setup.start().await;
        // Slow enough that the worker has ten calls in flight when it is frozen.
        guestlist.sandbox().set_faults(&json!({ "latency_ms": 500 })).await;
        guestlist.invite_many(MANY).await;
        guestlist.start_worker().await;
        wait_until(SHORT, "the first are mailed", async || {
            (mail_count(&guestlist).await >= 10).then_some(())
        })
        .await;
        // Freeze it between transactions. On SQLite, a worker that is frozen within a transaction
        // blocks all other writers, as the documentation of `apalis_sea_orm` says.
        guestlist.workers()[0].freeze().await;
        while guestlist.database().is_locked().await {
            guestlist.workers()[0].signal("CONT");
            guestlist.workers()[0].freeze().await;
        }
        let before = mail_count(&guestlist).await;
        guestlist.start_worker().await;
        wait_until_sent(&guestlist, MANY, LONG).await;
        let mails = mail_count(&guestlist).await;
        let events = "SELECT COUNT(*) FROM events";
        let written = guestlist.database().integer(events).await;
        guestlist.workers()[0].signal("CONT");
        wait_until(SHORT, "the thawed worker logs its lost leases", async || {
            let log = guestlist.workers()[0].log();
            log.contains("another worker has the job").then_some(())
        })
        .await;
        // Either worker may take a new job.
        let _ = guestlist.invite("new@example.com").await;
        let _ = guestlist.sandbox().nth_email("new@example.com", 1).await;
        guestlist.wait_for_jobs().await;
        // A stale write would follow at once.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(mail_count(&guestlist).await, mails + 1, "it mailed nothing of before");
        let since = guestlist.database().integer(events).await - written;
        assert_eq!(since, 3, "only the new one's: requested, attempted, sent");
        assert_eq!(
            duplicate_count(&guestlist, MANY + 1).await,
            0,
            "{before} were out when it fell asleep"
        );
        assert_eq!(invitation_count(&guestlist, "status = 'sent'").await, MANY + 1);
    })
    .await;
}
