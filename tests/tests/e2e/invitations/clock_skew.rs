//! Rows written by a process whose clock was two hours ahead do not delay mail.

use guestlist_tests::{Guestlist, LONG, id, on_every_engine, wait_until};
use serde_json::json;

/// How far the clock was ahead, in microseconds.
const AHEAD: i64 = 2 * 60 * 60 * 1_000_000;

/// Writes what a worker with a fast clock would have written to an invitation's job.
async fn update_job(guestlist: &Guestlist, invitation: &str, job: &str) {
    let sql = format!(
        "UPDATE jobs SET fence = 1, started_at = created_at + {AHEAD}, {job} \
         WHERE kind = 'send-invite' AND args LIKE '%{invitation}%'"
    );
    assert_eq!(guestlist.database().execute(&sql).await, 1, "{sql}");
}

#[tokio::test]
async fn jobs_left_by_a_worker_with_a_fast_clock_are_sent() {
    on_every_engine(|engine| async move {
        let mut guestlist = Guestlist::split(engine).workers(1).start().await;
        let _ = guestlist.invite_and_mail("first@example.com").await;
        guestlist.kill_worker(0);
        let mut invitations = Vec::new();
        for (who, job) in [
            ("ready", "state = 'ready', attempts = 0".to_owned()),
            ("retrying", format!("state = 'retrying', attempts = 1, run_at = run_at + {AHEAD}")),
            ("snoozed", format!("state = 'scheduled', attempts = 0, run_at = run_at + {AHEAD}")),
            (
                "running",
                format!(
                    "state = 'running', attempts = 1, locked_by = 'gone', \
                     lease_until = created_at + 10000000 + {AHEAD}"
                ),
            ),
        ] {
            let invitation = guestlist.invite(&format!("{who}@example.com")).await;
            update_job(&guestlist, id(&invitation), &job).await;
            invitations.push((who, invitation));
        }
        // The dead worker had sent this mail, and had not recorded it.
        let sent = json!({ "email": "running@example.com" });
        let _ = guestlist.stytch_api().post("/v1/magic_links/email/invite", &sent).await.is(200);
        let rates = format!(
            "UPDATE job_rates SET next_free = next_free + {AHEAD}, seen_at = seen_at + {AHEAD}"
        );
        assert_eq!(guestlist.database().execute(&rates).await, 1);
        let workers = format!("UPDATE job_workers SET seen_at = seen_at + {AHEAD}");
        assert_eq!(guestlist.database().execute(&workers).await, 1);
        let status = guestlist.run(&["status"]).await;
        assert!(status.stdout.contains("no worker"), "{status:?}");

        guestlist.start_worker().await;
        for (who, invitation) in &invitations {
            let sent = guestlist.wait_for_status(id(invitation), "sent").await;
            let mails = guestlist.sandbox().emails(&format!("{who}@example.com")).await;
            assert_eq!(mails.len(), 1, "{sent}");
        }
    })
    .await;
}

#[tokio::test]
async fn login_requests_recorded_by_a_fast_clock_do_not_block_logins() {
    on_every_engine(|engine| async move {
        let mut guestlist = Guestlist::split(engine).workers(1).start().await;
        let _ = guestlist.add_user("ada@example.com", "member").await;
        guestlist.kill_worker(0);
        let login = json!({ "email": "ada@example.com" });
        for _ in 0..5 {
            let _ = guestlist.anonymous().post("/v1/login", &login).await.is(202);
        }
        for sql in [
            format!("UPDATE login_requests SET at = at + {AHEAD}, send_at = send_at + {AHEAD}"),
            format!(
                "UPDATE jobs SET state = 'scheduled', run_at = run_at + {AHEAD}, \
                 created_at = created_at + {AHEAD} WHERE kind = 'send-login'"
            ),
        ] {
            assert_eq!(guestlist.database().execute(&sql).await, 5, "{sql}");
        }
        let _ = guestlist.anonymous().post("/v1/login", &login).await.is(202);
        guestlist.start_worker().await;
        let _ = guestlist.sandbox().nth_email("ada@example.com", 1).await;
        // None of the other jobs waits for two hours.
        let late = "SELECT COUNT(*) FROM jobs WHERE kind = 'send-login' AND state <> 'done'";
        wait_until(LONG, "every job is done", async || {
            (guestlist.database().integer(late).await == 0).then_some(())
        })
        .await;
    })
    .await;
}
