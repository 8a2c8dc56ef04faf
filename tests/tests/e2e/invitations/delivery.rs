//! Delivery of an invitation when Stytch fails, throttles or rejects it.

use guestlist_tests::{Engine, Guestlist, LONG, id, on_every_engine, wait_until};
use serde_json::{Value, json};

const INVITE: &str = "/v1/magic_links/email/invite";

#[tokio::test]
async fn failed_attempts_are_retried_and_recorded() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        guestlist.sandbox().set_faults(&json!({ "status": 500, "times": 3, "path": INVITE })).await;
        let invitation = guestlist.invite("ada@example.com").await;
        let retried = wait_until(LONG, "an attempt is recorded", async || {
            Some(guestlist.invitation(id(&invitation)).await).filter(|i| i["attempts"] != 0)
        })
        .await;
        assert_eq!(retried["status"], "queued", "{retried}");
        assert_eq!(retried["last_error"]["code"], "internal_server_error", "{retried}");
        assert!(retried["next_attempt_at"].is_string(), "{retried}");

        let sent = guestlist.wait_for_status(id(&invitation), "sent").await;
        assert_eq!(sent["attempts"], 4, "{sent}");
        assert_eq!(sent["last_error"], Value::Null, "{sent}");
        let events = guestlist.events(id(&invitation)).await;
        let attempts: Vec<_> = events.iter().filter(|event| event["kind"] == "attempted").collect();
        let outcomes: Vec<_> = attempts.iter().map(|a| a["detail"]["outcome"].clone()).collect();
        assert_eq!(outcomes, ["error", "error", "error", "ok"], "{events:?}");
        for (n, attempt) in attempts.iter().enumerate() {
            let detail = &attempt["detail"];
            assert_eq!(detail["number"], n + 1, "{attempt}");
            assert!(detail["request_id"].is_string(), "{attempt}");
            assert!(detail["duration_ms"].is_u64(), "{attempt}");
        }
        assert_eq!(attempts[0]["detail"]["code"], "internal_server_error");
        let rows = "SELECT COUNT(*) FROM job_attempts WHERE outcome = 'retry'";
        assert_eq!(guestlist.database().integer(rows).await, 3);
        assert_eq!(guestlist.sandbox().emails("ada@example.com").await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_address_that_stytch_rejects_fails_the_invitation_at_once() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let fault = json!({ "status": 400, "error_type": "invalid_email", "times": 1 });
        guestlist.sandbox().set_faults(&fault).await;
        let invitation = guestlist.invite("ada@example.com").await;
        let failed = guestlist.wait_for_status(id(&invitation), "failed").await;
        assert_eq!(failed["attempts"], 1, "{failed}");
        assert_eq!(failed["last_error"]["code"], "invalid_email", "{failed}");
        assert_eq!(failed["next_attempt_at"], Value::Null, "{failed}");
        let timeline = guestlist.timeline(id(&invitation)).await;
        assert_eq!(timeline, ["requested", "attempted", "failed"]);
        // A failed invitation is closed: the address can be invited again, as the same user.
        let (again, mail) = guestlist.invite_and_mail("ada@example.com").await;
        assert_eq!(again["user_id"], failed["user_id"]);
        let _ = guestlist.redeem_link(&mail.token).await;
    })
    .await;
}

#[tokio::test]
async fn a_rate_limit_holds_the_invitation_without_an_attempt() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let fault = json!({ "status": 429, "retry_after_seconds": 3, "times": 1, "path": INVITE });
        guestlist.sandbox().set_faults(&fault).await;
        let invitation = guestlist.invite("ada@example.com").await;
        let held = wait_until(LONG, "the invitation is held", async || {
            Some(guestlist.invitation(id(&invitation)).await)
                .filter(|i| i["held_by"] != json!(null))
        })
        .await;
        assert_eq!((&held["held_by"], &held["status"]), (&json!("rate_limit"), &json!("queued")));
        assert_eq!(held["attempts"], 0, "{held}");
        let sent = guestlist.wait_for_status(id(&invitation), "sent").await;
        assert_eq!((&sent["attempts"], &sent["held_by"]), (&json!(1), &Value::Null), "{sent}");
        let waited = time(&sent["sent_at"]).duration_since(time(&sent["created_at"]));
        assert!(waited.as_secs() >= 3, "{sent}");
        let timeline = guestlist.timeline(id(&invitation)).await;
        assert_eq!(timeline, ["requested", "held", "attempted", "sent"]);
    })
    .await;
}

#[tokio::test]
async fn a_lost_response_is_doubtful_and_the_invitation_is_mailed_once() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        guestlist.sandbox().set_faults(&json!({ "lose_answer": true, "times": 1 })).await;
        let invitation = guestlist.invite("ada@example.com").await;
        let _ = guestlist.wait_for_status(id(&invitation), "sent").await;
        let timeline = guestlist.timeline(id(&invitation)).await;
        assert!(timeline.contains(&"doubtful".to_owned()), "{timeline:?}");
        let mails = guestlist.sandbox().emails("ada@example.com").await;
        assert_eq!(mails.len(), 1, "the retry finds that the mail was sent: {mails:?}");
        let _ = guestlist.redeem_link(&mails[0].token).await;
    })
    .await;
}

#[tokio::test]
async fn mail_requested_during_an_outage_is_sent_afterwards() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        guestlist.sandbox().set_faults(&json!({ "down": true })).await;
        let mut invited = Vec::new();
        for n in 0..10 {
            invited.push(guestlist.invite(&format!("guest{n}@example.com")).await);
        }
        // The circuit opens after five failures in a row; the other jobs are then not attempted.
        wait_until(LONG, "five invitations were attempted", async || {
            let tried = "SELECT COUNT(*) FROM invitations WHERE last_error_code IS NOT NULL";
            (guestlist.database().integer(tried).await >= 5).then_some(())
        })
        .await;
        guestlist.sandbox().clear_faults().await;
        for invitation in &invited {
            let _ = guestlist.wait_for_status(id(invitation), "sent").await;
        }
        assert_eq!(guestlist.sandbox().all_emails().await.len(), 11, "and the administrator's");
    })
    .await;
}

#[tokio::test]
async fn a_wrong_secret_holds_invitations_without_failing_them() {
    let mut guestlist = Guestlist::split(Engine::Sqlite).workers(0).start().await;
    guestlist.set_env("STYTCH_SECRET", "secret-test-wrong=");
    guestlist.start_unready_worker().await;
    let invitation = guestlist.invite("ada@example.com").await;
    let held = wait_until(LONG, "the invitation is held", async || {
        Some(guestlist.invitation(id(&invitation)).await).filter(|i| i["held_by"] != json!(null))
    })
    .await;
    assert_eq!(held["held_by"], "misconfigured", "{held}");
    assert_eq!((&held["status"], &held["attempts"]), (&json!("queued"), &json!(0)), "{held}");
}

#[tokio::test]
async fn a_link_expires_with_its_invitation() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let body = json!({ "email": "ada@example.com", "expires_in_minutes": 30 });
    let invitation = guestlist.api().post("/v1/invitations", &body).await.is(202).json();
    let lasts = time(&invitation["expires_at"]).duration_since(time(&invitation["created_at"]));
    assert_eq!(lasts.as_secs(), 30 * 60);
    let mail = guestlist.sandbox().nth_email("ada@example.com", 1).await;
    guestlist.sandbox().advance_clock(31 * 60).await;
    let redeemed = guestlist.anonymous().form("/authenticate", &[("token", &mail.token)]).await;
    let _ = redeemed.problem(410, "link_expired");
}

fn time(value: &Value) -> jiff::Timestamp {
    value.as_str().unwrap().parse().unwrap()
}
