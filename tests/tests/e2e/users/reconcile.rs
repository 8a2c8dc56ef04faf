//! Reconciling users with the identities at Stytch.

use guestlist_tests::{Caller, Engine, Guestlist, LONG, SHORT, on_every_engine, wait_until};
use serde_json::{Value, json};

/// Returns the Stytch id of a user.
async fn stytch_id(guestlist: &Guestlist, email: &str) -> String {
    guestlist.user(email).await["stytch_user_id"].as_str().expect("an identity").to_owned()
}

/// Adds forty users, of whom one is less than 5 %.
async fn add_users(guestlist: &Guestlist) {
    for n in 0..40 {
        let body = json!({ "email": format!("guest{n}@example.com") });
        let _ = guestlist.api().post("/v1/users", &body).await.is(201);
    }
}

async fn reconcile(guestlist: &Guestlist, args: &[&str]) -> Value {
    let output = guestlist.run_ok(&[&["reconcile", "--json"], args].concat()).await;
    serde_json::from_str(&output).unwrap_or_else(|_| panic!("{output}"))
}

/// Returns the counts `[found, repaired]` of each kind of drift that was found.
fn counts(comparison: &Value) -> Value {
    let counts = comparison["counts"].as_object().unwrap().iter();
    let any = counts.filter(|(_, count)| count["found"] != 0);
    any.map(|(kind, count)| (kind.clone(), json!([count["found"], count["repaired"]]))).collect()
}

/// Changes at Stytch, without Guestlist.
struct StytchUsers(Caller);

impl StytchUsers {
    async fn create(&self, email: &str) -> String {
        let made = self.0.post("/v1/users", &json!({ "email": email })).await.is(200).json();
        made["user_id"].as_str().unwrap().to_owned()
    }

    async fn delete(&self, id: &str) {
        let _ = self.0.delete(&format!("/v1/users/{id}")).await.is(200);
    }

    async fn user(&self, id: &str) -> Option<Value> {
        let response = self.0.get(&format!("/v1/users/{id}")).await;
        (response.status == 200).then(|| response.json())
    }

    /// Adds another address to a user at Stytch, and removes the first one.
    async fn change_address(&self, guestlist: &Guestlist, id: &str, email: &str) {
        let url = format!("{}/authenticate", guestlist.public_url);
        let body = json!({
            "email": email, "user_id": id, "login_magic_link_url": url,
            "signup_magic_link_url": url,
        });
        let _ = self.0.post("/v1/magic_links/email/send", &body).await.is(200);
        let token = guestlist.sandbox().nth_email(email, 1).await.token;
        self.authenticate(&token).await;
        let old = self.user(id).await.unwrap()["emails"][0]["email_id"].clone();
        let path = format!("/v1/users/emails/{}", old.as_str().unwrap());
        let _ = self.0.delete(&path).await.is(200);
    }

    async fn authenticate(&self, token: &str) {
        let body = json!({ "token": token });
        let _ = self.0.post("/v1/magic_links/authenticate", &body).await.is(200);
    }
}

#[tokio::test]
async fn drift_at_stytch_is_reported_then_repaired() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(1).start().await;
        let stytch = StytchUsers(guestlist.stytch_api());
        let ada = guestlist.member("ada@example.com").await;
        let _ = guestlist.member("bob@example.com").await;
        let (_, cleos_mail) = guestlist.invite_and_mail("cleo@example.com").await;
        add_users(&guestlist).await;
        guestlist.wait_for_jobs().await;
        assert_eq!(counts(&reconcile(&guestlist, &["--dry-run"]).await), json!({}));

        stytch.delete(&stytch_id(&guestlist, "ada@example.com").await).await;
        let bob = stytch_id(&guestlist, "bob@example.com").await;
        stytch.change_address(&guestlist, &bob, "bobby@example.com").await;
        stytch.authenticate(&cleos_mail.token).await;
        let foreign_identity = stytch.create("stranger@example.com").await;
        let guest = stytch.create("guest7@example.com").await;
        let all = json!({ "gone": [1, 0], "unlinked": [1, 0], "orphan": [1, 0],
                          "address": [1, 0], "status": [1, 0] });

        let shown = reconcile(&guestlist, &["--dry-run"]).await;
        assert_eq!((counts(&shown), &shown["repair_action"]), (all, &json!("dry_run")), "{shown}");
        assert!(shown["examples"].as_array().unwrap().iter().any(|one| {
            one["kind"] == "address"
                && one["email"] == "bob@example.com"
                && one["stytch_emails"] == json!(["bobby@example.com"])
        }));
        let _ = ada.caller().get("/v1/session").await.is(200);
        assert_eq!(guestlist.user("guest7@example.com").await["stytch_user_id"], Value::Null);

        let screen = guestlist.run_ok(&["reconcile"]).await;
        assert!(screen.starts_with("43 users here, 4 at Stytch: 5 differ; 2 repaired"), "{screen}");
        for reported in
            ["ada@example.com", "stranger@example.com", "bobby@example.com", "not changed"]
        {
            assert!(screen.contains(reported), "{reported}: {screen}");
        }
        let _ = ada.caller().get("/v1/session").await.is(401);
        assert_eq!(guestlist.user("ada@example.com").await["status"], "active");
        assert_eq!(stytch_id(&guestlist, "guest7@example.com").await, guest);
        assert!(stytch.user(&foreign_identity).await.is_some(), "strangers are left alone");
        assert_eq!(stytch_id(&guestlist, "bob@example.com").await, bob);
        assert_eq!(guestlist.user("cleo@example.com").await["status"], "invited");

        let left = counts(&reconcile(&guestlist, &[]).await);
        assert_eq!(left, json!({ "orphan": [1, 0], "address": [1, 0], "status": [1, 0] }));
        let back = guestlist.log_in("ada@example.com").await;
        let _ = back.caller().get("/v1/session").await.is(200);
        let logs = guestlist.stderr();
        assert!(!logs.contains("stranger@") && !logs.contains("ada@"), "{logs}");
    })
    .await;
}

#[tokio::test]
async fn repairing_more_than_five_percent_requires_force() {
    let guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    let stytch = StytchUsers(guestlist.stytch_api());
    let ada = guestlist.member("ada@example.com").await;
    stytch.delete(&stytch_id(&guestlist, "ada@example.com").await).await;

    let refused = guestlist.run(&["reconcile"]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
    assert!(refused.stderr.contains("would change 1 of 1 users"), "{refused:?}");
    assert!(refused.stderr.contains("--force"), "{refused:?}");
    assert!(refused.stdout.contains("ada@example.com"), "{refused:?}");
    let _ = ada.caller().get("/v1/session").await.is(200);

    let metrics = guestlist.api().get("/metrics").await.is(200).body;
    assert!(metrics.contains("guestlist_drift_users{kind=\"gone\"} 1\n"), "{metrics}");
    assert!(metrics.contains("guestlist_drift_refused 1\n"), "{metrics}");

    assert_eq!(counts(&reconcile(&guestlist, &["--force"]).await), json!({ "gone": [1, 1] }));
    let _ = ada.caller().get("/v1/session").await.is(401);
    let worker = Caller::new(&guestlist.worker_urls[0]);
    for metrics in [guestlist.api().get("/metrics").await, worker.get("/metrics").await] {
        let metrics = metrics.is(200).body;
        assert!(metrics.contains("guestlist_drift_users{kind=\"gone\"} 0\n"), "{metrics}");
        assert!(metrics.contains("guestlist_drift_refused 0\n"), "{metrics}");
        assert!(metrics.contains("guestlist_drift_age_seconds "), "{metrics}");
    }
}

#[tokio::test]
async fn a_failed_listing_at_stytch_changes_nothing() {
    let guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    let stytch = StytchUsers(guestlist.stytch_api());
    let ada = guestlist.member("ada@example.com").await;
    add_users(&guestlist).await;
    for n in 0..410 {
        let _ = stytch.create(&format!("stranger{n}@example.com")).await;
    }
    stytch.delete(&stytch_id(&guestlist, "ada@example.com").await).await;
    let search = "POST /v1/users/search";
    let before = guestlist.sandbox().call_count(search, "200").await;

    let running = guestlist.spawn("guestlist", &["reconcile", "--force"]);
    wait_until(SHORT, "the first page is read", async || {
        (guestlist.sandbox().call_count(search, "200").await > before).then_some(())
    })
    .await;
    guestlist.sandbox().set_faults(&json!({ "status": 500, "error_rate": 1 })).await;
    let failed = running.wait_for_exit(LONG).await;

    assert_eq!((failed.code, failed.stdout.as_str()), (Some(1), ""), "{failed:?}");
    assert!(failed.stderr.contains("nothing was changed"), "{failed:?}");
    assert_eq!(guestlist.sandbox().call_count(search, "200").await, before + 1, "one page came");
    guestlist.sandbox().clear_faults().await;
    let _ = ada.caller().get("/v1/session").await.is(200);
    assert!(!guestlist.user("ada@example.com").await["stytch_user_id"].is_null());
    let healed = reconcile(&guestlist, &[]).await;
    assert_eq!(counts(&healed), json!({ "gone": [1, 1], "orphan": [410, 0] }));
}

#[tokio::test]
async fn the_worker_reconciles_on_a_schedule() {
    on_every_engine(|engine| async move {
        let setup = Guestlist::split(engine).workers(2).env("RECONCILE_INTERVAL", "2s");
        let guestlist = setup.start().await;
        let stytch = StytchUsers(guestlist.stytch_api());
        let ada = guestlist.member("ada@example.com").await;
        add_users(&guestlist).await;
        stytch.delete(&stytch_id(&guestlist, "ada@example.com").await).await;
        wait_until(LONG, "Ada is logged out", async || {
            (ada.caller().get("/v1/session").await.status == 401).then_some(())
        })
        .await;
        wait_until(LONG, "the reconciliation is recorded", async || {
            let metrics = guestlist.api().get("/metrics").await.is(200).body;
            metrics.contains("guestlist_drift_users{kind=\"gone\"} 0\n").then_some(())
        })
        .await;
        let by = "SELECT COUNT(*) FROM events WHERE kind = 'identity_forgotten' \
                  AND actor_type = 'system'";
        assert_eq!(guestlist.database().integer(by).await, 1, "of two workers one did it");
    })
    .await;
}

#[tokio::test]
async fn a_removed_user_who_reappears_at_stytch_is_deleted_there() {
    let guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    let stytch = StytchUsers(guestlist.stytch_api());
    let _ = guestlist.member("ada@example.com").await;
    add_users(&guestlist).await;
    let user = guestlist.user("ada@example.com").await;
    let id = user["id"].as_str().unwrap();
    let _ = guestlist.api().delete(&format!("/v1/users/{id}")).await.is(202);
    guestlist.wait_for_jobs().await;
    // The identity still exists at Stytch, as if its deletion had been lost.
    let left_over = stytch.create("ada@example.com").await;
    let sql = format!("UPDATE tombstones SET provider_user_id = '{left_over}'");
    guestlist.database().execute_all(&[sql]).await;
    assert_eq!(counts(&reconcile(&guestlist, &[]).await), json!({ "removed": [1, 1] }));
    assert!(stytch.user(&left_over).await.is_none());
}

#[tokio::test]
async fn reconcile_has_help_and_requires_credentials() {
    let guestlist = Guestlist::split(Engine::Sqlite).prepare().await;
    let help = guestlist.run_ok(&["reconcile", "--help"]).await;
    for reported in ["--dry-run", "--force", "--json", "5 % of users"] {
        assert!(help.contains(reported), "{reported}: {help}");
    }
}
