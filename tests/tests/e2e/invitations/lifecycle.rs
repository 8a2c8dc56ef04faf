//! Creating, resending, revoking and expiring invitations.

use guestlist_tests::{Engine, Guestlist, id, on_every_engine};
use serde_json::{Value, json};

#[tokio::test]
async fn an_invitation_has_every_field() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let body = json!({
            "email": "ada@example.com", "name": "Ada", "role": "operator",
            "metadata": { "team": 7 }, "return_to": "/x", "expires_in_minutes": 60,
        });
        let response = guestlist.api().post("/v1/invitations", &body).await.is(202);
        let invitation = response.json();
        let path = format!("/v1/invitations/{}", id(&invitation));
        assert_eq!(response.header("location"), Some(path.as_str()));
        for (field, value) in body.as_object().unwrap() {
            if field != "expires_in_minutes" {
                assert_eq!(&invitation[field], value, "{field}: {invitation}");
            }
        }
        assert_eq!(invitation["status"], "queued");
        assert_eq!(invitation["attempts"], 0);
        assert_eq!(invitation["invited_by"]["type"], "key");
        assert_eq!(invitation["invited_by"]["name"], "dev");
        for field in ["batch_id", "held_by", "last_error", "sent_at", "accepted_at"] {
            assert_eq!(invitation[field], Value::Null, "{field}: {invitation}");
        }
        for field in ["created_at", "expires_at", "next_attempt_at"] {
            let time = invitation[field].as_str().unwrap();
            assert!(
                time.ends_with('Z') && time.len() == "2026-01-01T00:00:00.000Z".len(),
                "{time}"
            );
        }
        for field in ["id", "user_id"] {
            let uuid = uuid::Uuid::parse_str(invitation[field].as_str().unwrap()).unwrap();
            assert_eq!(uuid.get_version_num(), 7);
        }
        let sent = guestlist.wait_for_status(id(&invitation), "sent").await;
        assert_eq!((&sent["attempts"], &sent["next_attempt_at"]), (&json!(1), &Value::Null));
        assert!(sent["sent_at"].is_string(), "{sent}");
        let mail = guestlist.sandbox().nth_email("ada@example.com", 1).await;
        let mut ada = guestlist.browser();
        let _ = ada.redeem_link(&mail.token).await.is(303);
        let accepted = guestlist.invitation(id(&invitation)).await;
        assert!(accepted["accepted_at"].is_string(), "{accepted}");
        let user = guestlist.user("ada@example.com").await;
        assert_eq!(user["id"], invitation["user_id"]);
        assert_eq!((&user["name"], &user["role"]), (&json!("Ada"), &json!("operator")));
        assert_eq!((&user["metadata"], &user["status"]), (&body["metadata"], &json!("active")));
        assert!(user["stytch_user_id"].is_string() && user["last_seen_at"].is_string(), "{user}");
    })
    .await;
}

#[tokio::test]
async fn events_have_ids_times_and_details_oldest_first() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let (invitation, mail) = guestlist.invite_and_mail("ada@example.com").await;
    let path = mail.path();
    let _ = guestlist.anonymous().get(path).await.is(200);
    let _ = guestlist.redeem_link(&mail.token).await;
    let events = guestlist.events(id(&invitation)).await;
    let kinds: Vec<_> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["requested", "attempted", "sent", "visited", "accepted"]);
    let times: Vec<_> = events.iter().map(|event| event["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(events.iter().all(|event| event["id"].is_string() && event.get("detail").is_some()));
}

#[tokio::test]
async fn resending_creates_a_new_link_and_extends_the_expiry() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let (first, old) = guestlist.invite_and_mail("ada@example.com").await;
        let path = format!("/v1/invitations/{}/resend", id(&first));
        let resent = guestlist.api().post_nothing(&path).await.is(202).json();
        assert_eq!((&resent["id"], &resent["status"]), (&first["id"], &json!("queued")));
        assert!(resent["expires_at"].as_str() > first["expires_at"].as_str(), "{resent}");
        assert_eq!(resent["sent_at"], Value::Null);

        let soon = guestlist.api().post_nothing(&path).await;
        let _ = soon.problem(429, "resent_too_soon");
        let wait: u64 = soon.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=30).contains(&wait), "{wait}");

        let new = guestlist.sandbox().nth_email("ada@example.com", 2).await;
        assert_ne!(new.token, old.token);
        let sent = guestlist.wait_for_status(id(&first), "sent").await;
        assert_eq!(sent["attempts"], 1, "counted since it was resent");
        let kinds = guestlist.timeline(id(&first)).await;
        assert_eq!(kinds.iter().filter(|kind| *kind == "resent").count(), 1, "{kinds:?}");
        assert_eq!(kinds.iter().filter(|kind| *kind == "sent").count(), 2, "{kinds:?}");
        let _ = guestlist.redeem_link(&new.token).await;
        let _ = guestlist.api().post_nothing(&path).await.problem(409, "invitation_closed");
    })
    .await;
}

#[tokio::test]
async fn an_administrator_resends_on_the_page() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let (first, _) = guestlist.invite_and_mail("ada@example.com").await;
    let path = format!("/invitations/{}/resend", id(&first));
    let page = format!("/invitations/{}", id(&first));
    assert!(admin.get(&page).await.is(200).body.contains(&path));
    let _ = admin.form(&path, &[]).await.is(303);
    let _ = guestlist.sandbox().nth_email("ada@example.com", 2).await;
    let soon = admin.form(&path, &[]).await.is(429);
    assert!(soon.body.contains("role=\"alert\""), "{}", soon.body);
}

#[tokio::test]
async fn a_revoked_invitation_is_revoked_at_stytch_and_frees_its_address() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let (first, old) = guestlist.invite_and_mail("ada@example.com").await;
        let path = format!("/v1/invitations/{}/revoke", id(&first));
        let revoked = guestlist.api().post_nothing(&path).await.is(200).json();
        assert_eq!(revoked["status"], "revoked");
        assert_eq!(guestlist.api().post_nothing(&path).await.is(200).json()["status"], "revoked");
        guestlist.wait_for_jobs().await;
        let revoke = "POST /v1/magic_links/email/revoke_invite";
        assert_eq!(guestlist.sandbox().call_count(revoke, "200").await, 1);

        let (second, new) = guestlist.invite_and_mail("ada@example.com").await;
        assert_ne!(second["id"], first["id"]);
        assert_eq!(second["user_id"], first["user_id"], "the same person");
        let refused = guestlist.anonymous().form("/authenticate", &[("token", &old.token)]).await;
        let _ = refused.problem(400, "link_invalid");
        let _ = guestlist.redeem_link(&new.token).await;
        assert_eq!(guestlist.invitation(id(&first)).await["status"], "revoked");
        assert_eq!(guestlist.invitation(id(&second)).await["status"], "accepted");
    })
    .await;
}

#[tokio::test]
async fn an_expired_invitations_address_can_be_invited_again() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).env("SWEEP_INTERVAL", "1s").start().await;
        let (invitation, _) = guestlist.invite_and_mail("ada@example.com").await;
        let _ = guestlist.wait_for_status(id(&invitation), "sent").await;
        let past = "UPDATE invitations SET expires_at = created_at + 1";
        assert_eq!(guestlist.database().execute(past).await, 1);
        let expired = guestlist.wait_for_status(id(&invitation), "expired").await;
        assert_eq!(expired["held_by"], Value::Null);
        let timeline = guestlist.timeline(id(&invitation)).await;
        assert_eq!(timeline.last().map(String::as_str), Some("expired"));
        let (again, mail) = guestlist.invite_and_mail("ada@example.com").await;
        assert_eq!(again["user_id"], expired["user_id"]);
        let _ = guestlist.redeem_link(&mail.token).await;
    })
    .await;
}

#[tokio::test]
async fn an_invitation_can_be_accepted_before_its_sending_is_recorded() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        // The sandbox sends the mail at once, and responds three seconds later.
        let slow = json!({ "latency_ms": 3000, "path": "/v1/magic_links/email/invite" });
        guestlist.sandbox().set_faults(&slow).await;
        let invitation = guestlist.invite("ada@example.com").await;
        let mail = guestlist.sandbox().nth_email("ada@example.com", 1).await;
        let _ = guestlist.redeem_link(&mail.token).await;
        assert_eq!(guestlist.invitation(id(&invitation)).await["status"], "accepted");
        guestlist.wait_for_jobs().await;
        let late = guestlist.invitation(id(&invitation)).await;
        assert_eq!(late["status"], "accepted", "the late result changes nothing");
    })
    .await;
}

#[tokio::test]
async fn a_failed_write_is_not_acknowledged() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(0).start().await;
        let body = json!({ "email": "ada@example.com" });
        let gone = "ALTER TABLE events RENAME TO events_elsewhere";
        let _ = guestlist.database().execute(gone).await;
        let failed = guestlist.api().post("/v1/invitations", &body).await;
        let _ = failed.problem(500, "internal_error");
        // The last row could not be written, so none is.
        for table in ["users", "user_emails", "invitations", "jobs"] {
            let rows = format!("SELECT COUNT(*) FROM {table}");
            assert_eq!(guestlist.database().integer(&rows).await, 0, "{table}");
        }
        let back = "ALTER TABLE events_elsewhere RENAME TO events";
        let _ = guestlist.database().execute(back).await;
        assert!(guestlist.app().status().is_none(), "the process still runs");
        let _ = guestlist.api().post("/v1/invitations", &body).await.is(202);
    })
    .await;
}
