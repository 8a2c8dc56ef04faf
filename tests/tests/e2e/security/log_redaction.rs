//! Logs contain no secrets and no addresses, even at `trace`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use guestlist_tests::{Guestlist, Mail, Setup, Visitor, id, on_every_engine, user_path};
use reqwest::Method;
use serde_json::json;

const WEBHOOK_SECRET: &str = "bm90aGluZyB0aGF0IGFueSBsb2cgbWF5IHNob3c=";

#[tokio::test]
async fn logs_at_trace_contain_no_secrets_or_addresses() {
    on_every_engine(|engine| walk(Guestlist::split(engine).workers(1))).await;
    on_every_engine(|engine| walk(Guestlist::dev(engine))).await;
}

async fn walk(setup: Setup) {
    let setup = setup.env("STYTCH_WEBHOOK_SECRET", &format!("whsec_{WEBHOOK_SECRET}"));
    let mut guestlist = setup.env("RUST_LOG", "trace").start().await;
    let mut secrets = configured_secrets(&guestlist);
    let admin = guestlist.admin().await;
    secrets.extend([admin.token().to_owned(), admin.jwt().to_owned()]);
    let mail = invite(&guestlist).await;
    secrets.push(mail.token.clone());
    let mut ada = redeem_link(&guestlist, &mail).await;
    secrets.extend([ada.token().to_owned(), ada.jwt().to_owned()]);
    use_session(&guestlist, &mut ada).await;
    secrets.push(ada.jwt().to_owned());
    send_refused_requests(&guestlist).await;
    log_out_and_remove(&guestlist, &mut ada).await;
    guestlist.stop().await;

    let log = guestlist.stderr();
    assert!(log.contains("TRACE"), "it was logged at trace");
    let reported = secrets.iter().filter_map(|secret| {
        let line = log.lines().find(|line| line.contains(secret.as_str()))?;
        Some(format!("{secret}: {line}\n"))
    });
    let reported: String = reported.collect();
    assert!(reported.is_empty(), "found in the log:\n{reported}");
}

/// Returns the secrets and addresses that are known before any request.
fn configured_secrets(guestlist: &Guestlist) -> Vec<String> {
    let (project, secret) = guestlist.stytch_credentials();
    let mut secrets = vec![guestlist.api_key.clone(), secret.to_owned(), WEBHOOK_SECRET.to_owned()];
    secrets.push(STANDARD.encode(format!("{project}:{secret}")));
    if guestlist.database().url.contains('@') {
        secrets.push("app:app@".to_owned());
    }
    secrets.extend(["a-token-that-nobody-sent", "glk_a-key-that-nobody-made"].map(str::to_owned));
    for name in ["ada.lovelace", "bob.boole", "carl.gauss", "unknown.person", "admin"] {
        secrets.extend([format!("{name}@example.com"), format!("{name}%40example.com")]);
    }
    secrets
}

/// Invites while Stytch fails, because failures are logged in detail.
async fn invite(guestlist: &Guestlist) -> Mail {
    // The webhook of a sent mail can cause other calls.
    let path = "/v1/magic_links/email/invite";
    let fault = json!({ "status": 500, "times": 1, "path": path });
    guestlist.sandbox().set_faults(&fault).await;
    let (_, mail) = guestlist.invite_and_mail("ada.lovelace@example.com").await;
    let fault = json!({ "status": 400, "error_type": "invalid_email", "times": 1, "path": path });
    guestlist.sandbox().set_faults(&fault).await;
    let refused = guestlist.invite("bob.boole@example.com").await;
    let _ = guestlist.wait_for_status(id(&refused), "failed").await;
    let _ = guestlist.events(id(&refused)).await;
    mail
}

async fn redeem_link(guestlist: &Guestlist, mail: &Mail) -> Visitor {
    let path = mail.path();
    let _ = guestlist.browser().get(path).await.is(200);
    let ada = guestlist.redeem_link(&mail.token).await;
    let _ = guestlist.browser().redeem_link(&mail.token).await.is(409);
    let _ = guestlist.browser().redeem_link("a-token-that-nobody-sent").await.is(400);
    ada
}

async fn use_session(guestlist: &Guestlist, ada: &mut Visitor) {
    let _ = guestlist.anonymous().bearer(ada.jwt()).get("/v1/session").await.is(200);
    ada.set_cookie("stytch_session_jwt", "x.y.z");
    guestlist.sandbox().set_faults(&json!({ "down": true })).await;
    let _ = ada.get("/v1/session").await.is(200);
    guestlist.sandbox().clear_faults().await;
    let _ = ada.get("/v1/session").await.is(200);
}

/// Sends requests that are refused.
async fn send_refused_requests(guestlist: &Guestlist) {
    let basic = guestlist.anonymous().basic("ops", &guestlist.api_key);
    let _ = basic.get("/v1/users?q=ada.lovelace@example.com").await.is(200);
    let anonymous = guestlist.anonymous().bearer("glk_a-key-that-nobody-made");
    let _ = anonymous.get("/v1/users").await.is(401);
    let (json, broken) = (Some("application/json"), r#"{"email": "carl.gauss@example.com""#);
    let _ = guestlist.api().call(Method::POST, "/v1/invitations", json, broken).await.is(400);
    let body = json!({ "email": "unknown.person@example.com" });
    let _ = guestlist.anonymous().post("/v1/login", &body).await.is(202);
    let hook = guestlist.anonymous().with("svix-id", "msg_1").with("svix-timestamp", "1");
    let hook = hook.with("svix-signature", "v1,a-signature-that-is-none");
    let _ = hook.post("/webhooks/stytch", &body).await.is(401);
}

async fn log_out_and_remove(guestlist: &Guestlist, ada: &mut Visitor) {
    let _ = ada.api(Method::DELETE, "/v1/session", None).await.is(204);
    let user = guestlist.user("ada.lovelace@example.com").await;
    let _ = guestlist.api().delete(&user_path(&user)).await.is(202);
    guestlist.wait_for_jobs().await;
}
