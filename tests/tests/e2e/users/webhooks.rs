//! Stytch's webhooks: signatures, duplicates, and events about Guestlist's own changes.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use guestlist_tests::{
    Caller, Engine, Guestlist, LONG, Response, Setup, Visitor, id, on_every_engine, user_path,
    wait_until,
};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

const SECRET: &str = "whsec_Z3Vlc3RsaXN0LWUyZS1zaWduaW5nLXNlY3JldC4=";
const PATH: &str = "/webhooks/stytch";
const LOOKUP: &str = "GET /v1/users/{user_id}";

fn setup(engine: Engine) -> Setup {
    Guestlist::split(engine).workers(1).env("STYTCH_WEBHOOK_SECRET", SECRET)
}

/// A webhook as Svix sends it.
#[derive(Debug, Clone)]
struct Hook {
    id: String,
    signed_at: Timestamp,
    secret: &'static str,
    body: String,
}

impl Hook {
    #[expect(clippy::disallowed_methods, reason = "the program has the time of the machine")]
    fn new(id: &str, body: &Value) -> Self {
        let body = body.to_string();
        Self { id: id.to_owned(), signed_at: Timestamp::now(), secret: SECRET, body }
    }

    fn signature(&self) -> String {
        let secret = STANDARD.decode(self.secret.strip_prefix("whsec_").unwrap()).unwrap();
        let signed = format!("{}.{}.{}", self.id, self.signed_at.as_second(), self.body);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
        format!("v1,{}", STANDARD.encode(tag))
    }

    async fn send(&self, guestlist: &Guestlist) -> Response {
        self.send_by(&guestlist.anonymous(), &self.signature()).await
    }

    async fn send_with(&self, guestlist: &Guestlist, signature: &str) -> Response {
        self.send_by(&guestlist.anonymous(), signature).await
    }

    async fn send_by(&self, caller: &Caller, signature: &str) -> Response {
        let at = self.signed_at.as_second().to_string();
        let caller = caller.with("svix-id", &self.id).with("svix-timestamp", &at);
        let caller = caller.with("svix-signature", signature);
        caller.call(Method::POST, PATH, Some("application/json"), self.body.clone()).await
    }
}

/// Returns the event for a change of a user in Stytch's dashboard.
fn event(guestlist: &Guestlist, action: &str, user: &Value) -> Value {
    let (project_id, _) = guestlist.stytch_credentials();
    let mut event = json!({
        "action": action,
        "event_id": "webhook-event-test-00000000-0000-4000-8000-000000000000",
        "id": user["user_id"],
        "object_type": "user",
        "project_id": project_id,
        "source": "DASHBOARD",
        "timestamp": "2026-11-21T06:47:49.555247073Z",
        "vertical": "CONSUMER",
    });
    if action != "DELETE" {
        event["user"] = user.clone();
    }
    event
}

async fn stytch_user(guestlist: &Guestlist, email: &str) -> Value {
    let operand = json!({ "filter_name": "email_address", "filter_value": [email] });
    let query = json!({ "query": { "operator": "AND", "operands": [operand] } });
    let found = guestlist.stytch_api().post("/v1/users/search", &query).await.is(200).json();
    found["results"][0].clone()
}

/// Deletes a user at Stytch, without Guestlist.
async fn delete_at_stytch(guestlist: &Guestlist, user: &Value) {
    let path = format!("/v1/users/{}", user["user_id"].as_str().unwrap());
    let _ = guestlist.stytch_api().delete(&path).await.is(200);
}

/// Asserts that the session has ended, by its JWT, because Stytch no longer knows the token.
async fn wait_until_logged_out(guestlist: &Guestlist, visitor: &Visitor) {
    let caller = guestlist.anonymous().bearer(visitor.jwt());
    let gone = async || (caller.get("/v1/session").await.status == 401).then_some(());
    wait_until(LONG, "their session has ended", gone).await;
    let _ = caller.get("/v1/session").await.problem(401, "session_revoked");
}

async fn lookups(guestlist: &Guestlist) -> u64 {
    let stytch = guestlist.sandbox();
    stytch.call_count(LOOKUP, "200").await + stytch.call_count(LOOKUP, "404").await
}

#[tokio::test]
async fn a_user_deleted_in_the_dashboard_is_logged_out() {
    on_every_engine(|engine| async move {
        let guestlist = setup(engine).start().await;
        let mut ada = guestlist.member("ada@example.com").await;
        let mut bob = guestlist.member("bob@example.com").await;
        let user = stytch_user(&guestlist, "ada@example.com").await;
        delete_at_stytch(&guestlist, &user).await;
        let _ = ada.get("/v1/session").await.is(200);

        let hook = Hook::new("msg_1", &event(&guestlist, "DELETE", &user));
        let _ = hook.send(&guestlist).await.is(204);
        wait_until_logged_out(&guestlist, &ada).await;

        let _ = bob.get("/v1/session").await.is(200);
        let user = guestlist.user("ada@example.com").await;
        assert_eq!((&user["status"], &user["stytch_user_id"]), (&json!("active"), &Value::Null));
        let mut back = guestlist.log_in("ada@example.com").await;
        let _ = back.get("/v1/session").await.is(200);
    })
    .await;
}

#[tokio::test]
async fn the_sandbox_sends_webhooks() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let ada = guestlist.member("ada@example.com").await;
        let user = guestlist.user("ada@example.com").await;
        let dashboard = guestlist.anonymous().at(&guestlist.sandbox_url);
        let path = format!("/sandbox/users/{}", user["stytch_user_id"].as_str().unwrap());
        let _ = dashboard.delete(&path).await.is(200);
        wait_until_logged_out(&guestlist, &ada).await;
        assert_eq!(lookups(&guestlist).await, 1, "only one of the events was new");
    })
    .await;
}

#[tokio::test]
async fn repeated_webhooks_are_checked_once() {
    on_every_engine(|engine| async move {
        let guestlist = setup(engine).start().await;
        let mut ada = guestlist.member("ada@example.com").await;
        let user = stytch_user(&guestlist, "ada@example.com").await;
        // The user still exists at Stytch. A webhook alone ends no session.
        let hook = Hook::new("msg_1", &event(&guestlist, "DELETE", &user));
        let sends = (0..10).map(|_| (hook.clone(), guestlist.anonymous()));
        let sends: JoinSet<_> = sends
            .map(|(hook, caller)| async move { hook.send_by(&caller, &hook.signature()).await })
            .collect();
        for response in sends.join_all().await {
            let _ = response.is(204);
        }
        guestlist.wait_for_jobs().await;
        let later = Hook { signed_at: hook.signed_at + SignedDuration::from_secs(1), ..hook };
        let _ = later.send(&guestlist).await.is(204);
        guestlist.wait_for_jobs().await;
        assert_eq!(lookups(&guestlist).await, 1);
        let _ = ada.get("/v1/session").await.is(200);
        let metrics = guestlist.api().get("/metrics").await.is(200).body;
        assert!(
            metrics.contains("guestlist_webhooks_total{outcome=\"check_scheduled\"} 1\n"),
            "{metrics}"
        );
        assert!(
            metrics.contains("guestlist_webhooks_total{outcome=\"duplicate\"} 10\n"),
            "{metrics}"
        );
    })
    .await;
}

#[tokio::test]
async fn webhooks_of_own_changes_are_not_checked() {
    let guestlist = setup(Engine::Sqlite).start().await;
    let (invitation, mail) = guestlist.invite_and_mail("ada@example.com").await;
    let _ = guestlist.wait_for_status(id(&invitation), "sent").await;
    let pending = stytch_user(&guestlist, "ada@example.com").await;
    let send_webhook = async |id: &str, action: &str, user: &Value| {
        let hook = Hook::new(id, &event(&guestlist, action, user));
        let _ = hook.send(&guestlist).await.is(204);
    };
    send_webhook("msg_1", "CREATE", &pending).await;
    let _ = guestlist.redeem_link(&mail.token).await;
    let active = stytch_user(&guestlist, "ada@example.com").await;
    send_webhook("msg_2", "UPDATE", &active).await;
    send_webhook("msg_1", "CREATE", &pending).await;
    let user = guestlist.user("ada@example.com").await;
    let _ = guestlist.api().delete(&user_path(&user)).await.is(202);
    send_webhook("msg_3", "DELETE", &active).await;
    guestlist.wait_for_jobs().await;
    send_webhook("msg_4", "DELETE", &active).await;

    // A late update of a removed user.
    send_webhook("msg_5", "UPDATE", &active).await;
    guestlist.wait_for_jobs().await;
    let known = guestlist.users().await;
    assert!(known.iter().all(|user| user["email"] != "ada@example.com"), "{known:?}");
    assert_eq!(lookups(&guestlist).await, 0);
    let jobs = guestlist.api().get("/v1/jobs?kind=check-identity").await.is(200).json();
    assert_eq!(jobs["items"], json!([]));
}

#[tokio::test]
async fn a_webhook_without_a_valid_signature_is_refused() {
    let guestlist = setup(Engine::Sqlite).start().await;
    let _ = guestlist.member("ada@example.com").await;
    let user = stytch_user(&guestlist, "ada@example.com").await;
    let hook = Hook::new("msg_1", &event(&guestlist, "DELETE", &user));
    let unsigned = guestlist.anonymous();
    let _ = unsigned.post(PATH, &json!({})).await.problem(401, "signature_invalid");
    for signature in ["", "v1,", "v1,AAAA", "v1", &hook.signature().replace("v1,", "v1a,")] {
        let _ = hook.send_with(&guestlist, signature).await.problem(401, "signature_invalid");
    }
    let other = Hook { secret: "whsec_YW5vdGhlciBzZWNyZXQgb2YgYW5vdGhlcg==", ..hook.clone() };
    let _ = other.send(&guestlist).await.problem(401, "signature_invalid");
    let signature = hook.signature();
    let changed = [
        Hook { id: "msg_2".to_owned(), ..hook.clone() },
        Hook { signed_at: hook.signed_at + SignedDuration::from_secs(1), ..hook.clone() },
        Hook { body: format!("{} ", hook.body), ..hook.clone() },
    ];
    for hook in changed {
        let _ = hook.send_with(&guestlist, &signature).await.problem(401, "signature_invalid");
    }
    for minutes in [-6, 6] {
        let signed_at = hook.signed_at + SignedDuration::from_mins(minutes);
        let stale = Hook { signed_at, ..hook.clone() };
        let _ = stale.send(&guestlist).await.problem(401, "signature_expired");
    }
    guestlist.wait_for_jobs().await;
    assert_eq!(lookups(&guestlist).await, 0);
    // During a rotation Svix signs with the old and the new secret.
    let both = format!("{} {signature}", other.signature());
    let _ = hook.send_with(&guestlist, &both).await.is(204);
}

#[tokio::test]
async fn malformed_webhooks_are_refused_and_unknown_kinds_are_ignored() {
    let guestlist = setup(Engine::Sqlite).start().await;
    let _ = guestlist.member("ada@example.com").await;
    let user = stytch_user(&guestlist, "ada@example.com").await;
    let whole = event(&guestlist, "UPDATE", &user);
    let with = |name: &str, value: Value| {
        let mut changed = whole.clone();
        changed[name] = value;
        Hook::new("msg_1", &changed)
    };
    let broken = [
        with("project_id", json!("project-test-another")),
        with("id", json!("")),
        with("id", json!("user-test-another")),
        with("user", Value::Null),
        with("user", json!({ "user_id": 1 })),
        Hook { body: "<html>".to_owned(), ..Hook::new("msg_1", &json!({})) },
        Hook { body: String::new(), ..Hook::new("msg_1", &json!({})) },
        Hook::new("msg_1", &json!([])),
        Hook::new(&"m".repeat(129), &whole),
    ];
    for hook in broken {
        let _ = hook.send(&guestlist).await.problem(422, "invalid_request");
    }
    let others = [
        with("object_type", json!("organization")),
        with("action", json!("MERGE")),
        with("more", json!({ "to": "come" })),
    ];
    for hook in others {
        let _ = hook.send(&guestlist).await.is(204);
    }
    let huge = Hook { body: "x".repeat(1024 * 1024 + 1), ..Hook::new("msg_1", &whole) };
    let _ = huge.send(&guestlist).await.problem(413, "body_too_large");
    guestlist.wait_for_jobs().await;
    assert_eq!(lookups(&guestlist).await, 0);
}

#[tokio::test]
async fn an_invalid_webhook_secret_is_reported_at_start() {
    let guestlist = Guestlist::dev(Engine::Sqlite).prepare().await;
    for secret in ["nonsense", "whsec_", "whsec_%", "whsec"] {
        let finished = guestlist.run(&["dev", "--stytch-webhook-secret", secret]).await;
        assert_ne!(finished.code, Some(0), "{finished:?}");
        let reported = "STYTCH_WEBHOOK_SECRET: must be whsec_ and then Base64";
        assert!(finished.stderr.contains(reported), "{}", finished.stderr);
        assert!(!finished.stderr.contains(secret) || secret.len() < 7, "{}", finished.stderr);
    }
}

#[tokio::test]
async fn the_webhook_route_is_missing_without_a_secret() {
    let guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    let hook = Hook::new("msg_1", &json!({}));
    let _ = hook.send(&guestlist).await.problem(404, "not_found");
}
