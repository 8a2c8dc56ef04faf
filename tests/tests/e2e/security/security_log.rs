//! The log of refused requests, which is sampled, and of risky settings.

use guestlist_tests::{Engine, Guestlist, SHORT, wait_until};
use serde_json::json;

fn refusals(guestlist: &Guestlist, code: &str) -> Vec<String> {
    let log = guestlist.stderr();
    let refused = log.lines().filter(|line| line.contains("request refused"));
    refused
        .filter(|line| line.contains(&format!("code=\"{code}\"")))
        .map(ToOwned::to_owned)
        .collect()
}

async fn wait_for_refusal(guestlist: &Guestlist, code: &str, route: &str) -> String {
    let line = wait_until(SHORT, &format!("{code} is logged"), async || {
        refusals(guestlist, code).into_iter().next()
    })
    .await;
    assert!(line.contains(&format!("route=\"{route}\"")), "{line}");
    assert!(line.contains("client=127.0.0.1"), "{line}");
    line
}

#[tokio::test]
async fn refused_requests_are_logged_with_code_route_and_client() {
    let setup = Guestlist::split(Engine::Sqlite).workers(1);
    let setup = setup.env("STYTCH_WEBHOOK_SECRET", "whsec_c2VjcmV0IG9mIGEgdGVzdA==");
    let guestlist = setup.env("LOGIN_LIMIT_PER_CLIENT", "1/h").start().await;
    let anonymous = guestlist.anonymous();

    let _ = anonymous.bearer("glk_wrong").get("/v1/users").await.is(401);
    let line = wait_for_refusal(&guestlist, "api_key_invalid", "/v1/users").await;
    assert!(line.contains(" WARN ") && !line.contains("glk_"), "{line}");

    let _ = anonymous.bearer("a-token-that-is-none").get("/v1/users").await.is(401);
    let line = wait_for_refusal(&guestlist, "session_missing", "/v1/users").await;
    assert!(line.contains(" INFO ") && !line.contains("a-token"), "{line}");

    let (_, reader) = guestlist.create_key("reader", &["users:read"]).await;
    let body = json!({ "email": "ada@example.com" });
    let _ = anonymous.bearer(&reader).post("/v1/invitations", &body).await.is(403);
    let _ = wait_for_refusal(&guestlist, "scope_missing", "/v1/invitations").await;

    let foreign = anonymous.with("origin", "https://evil.example");
    let _ = foreign.form("/authenticate", &[("token", "x")]).await.is(403);
    let _ = wait_for_refusal(&guestlist, "cross_origin", "/authenticate").await;

    let hook = anonymous.with("svix-id", "msg_1").with("svix-timestamp", "1");
    let _ = hook.with("svix-signature", "v1,x").post("/webhooks/stytch", &body).await.is(401);
    let signature = wait_until(SHORT, "the signature is logged", async || {
        let log = guestlist.stderr();
        log.lines().find(|line| line.contains("code=\"signature_")).map(ToOwned::to_owned)
    })
    .await;
    assert!(signature.contains("/webhooks/stytch"), "{signature}");

    let _ = anonymous.post("/v1/login", &body).await.is(202);
    let _ = anonymous.post("/v1/login", &body).await.is(429);
    let line = wait_for_refusal(&guestlist, "too_many_requests", "/v1/login").await;
    assert!(!line.contains("ada@"), "{line}");

    let _ = anonymous.with("cookie", "city=Paris").get("/v1/users").await.is(401);
    let _ = anonymous.with("cookie", "stytch_session=x").get("/v1/session").await.is(401);
    let cookie = wait_until(SHORT, "the wrong cookie is logged", async || {
        let log = guestlist.stderr();
        log.lines().find(|line| line.contains("route=\"/v1/session\"")).map(ToOwned::to_owned)
    })
    .await;
    assert!(cookie.contains("client=127.0.0.1"), "{cookie}");
    assert_eq!(refusals(&guestlist, "session_missing").len(), 2, "one showed nothing of ours");
}

#[tokio::test]
async fn refusals_are_sampled_and_counted() {
    let guestlist = Guestlist::split(Engine::Sqlite).workers(0).start().await;
    let anonymous = guestlist.anonymous().bearer("glk_wrong");
    let began = std::time::Instant::now();
    for _ in 0..100 {
        let _ = anonymous.get("/v1/users").await.is(401);
    }
    let windows = usize::try_from(began.elapsed().as_secs() / 10 + 1).unwrap();
    let count = wait_until(guestlist_tests::LONG, "the rest is counted", async || {
        let log = guestlist.stderr();
        log.lines().find(|line| line.contains("suppressed=")).map(ToOwned::to_owned)
    })
    .await;
    assert!(count.contains("api_key_invalid"), "{count}");
    let logged = refusals(&guestlist, "api_key_invalid").len();
    assert!((10..=10 * windows).contains(&logged), "{logged} lines in {windows} windows");
}

#[tokio::test]
async fn refusals_on_pages_and_redirects_are_logged() {
    let setup = Guestlist::split(Engine::Sqlite).workers(0);
    let guestlist = setup.env("LOGIN_LIMIT_PER_CLIENT", "1/h").start().await;
    for status in [200, 429] {
        let fields = [("email", "ada@example.com")];
        let _ = guestlist.browser().form("/login", &fields).await.is(status);
    }
    let _ = guestlist.anonymous().basic("", "glk_wrong").get("/").await.is(303);
    for code in ["too_many_requests", "api_key_invalid"] {
        wait_until(SHORT, &format!("{code} is logged"), async || {
            let log = guestlist.stderr();
            let mut lines = log.lines();
            lines.any(|line| line.contains("request refused") && line.contains(code)).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn risky_settings_are_logged_as_warnings_at_start() {
    let setup = Guestlist::split(Engine::Sqlite).workers(0);
    let setup = setup.env("PUBLIC_URL", "http://guests.co.uk").env("COOKIE_DOMAIN", "co.uk");
    let guestlist = setup.env("TRUSTED_PROXIES", "0.0.0.0/0").start().await;
    for setting in ["PUBLIC_URL", "TRUSTED_PROXIES", "COOKIE_DOMAIN"] {
        wait_until(SHORT, &format!("{setting} is warned of"), async || {
            let log = guestlist.stderr();
            let mut lines = log.lines();
            lines.any(|line| line.contains(" WARN ") && line.contains(setting)).then_some(())
        })
        .await;
    }
}
