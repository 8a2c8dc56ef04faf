//! The limit on Stytch calls that anonymous requests cause.

use guestlist_tests::{Caller, Engine, Guestlist, Response, on_every_engine};
use serde_json::json;

const AUTHENTICATE: &str = "POST /v1/magic_links/authenticate";

/// Returns a well-formed token that Stytch did not create.
fn fabricated_token(n: usize) -> String {
    format!("made-up-{n:036}")
}

async fn calls(guestlist: &Guestlist, route: &str) -> u64 {
    let stats = guestlist.sandbox().stats().await;
    let by_status = stats["requests"].as_object().unwrap().iter();
    let these = by_status.filter(|(asked, _)| asked.starts_with(route));
    let counts = these.flat_map(|(_, counts)| counts.as_object().unwrap().values().cloned());
    counts.map(|count| count.as_u64().unwrap()).sum()
}

async fn redeem_link(caller: &Caller, token: &str) -> Response {
    caller.post("/v1/sessions", &json!({ "token": token })).await
}

#[tokio::test]
async fn an_anonymous_client_cannot_exceed_its_provider_budget() {
    on_every_engine(|engine| async move {
        let setup = Guestlist::dev(engine).env("ANONYMOUS_PROVIDER_LIMIT", "5/h,1000/s");
        let guestlist = setup.env("TRUSTED_PROXIES", "127.0.0.0/8, ::1").start().await;
        let (_, mail) = guestlist.invite_and_mail("ada@example.com").await;
        let anonymous = guestlist.anonymous().with("x-forwarded-for", "203.0.113.66");
        for n in 0..3 {
            let _ =
                redeem_link(&anonymous, &fabricated_token(n)).await.problem(400, "link_invalid");
        }
        let form = |token: String| {
            let anonymous = anonymous.clone();
            async move { anonymous.form("/authenticate", &[("token", token.as_str())]).await }
        };
        for n in 3..5 {
            let _ = form(fabricated_token(n)).await.problem(400, "link_invalid");
        }
        for n in 5..15 {
            let by_api = redeem_link(&anonymous, &fabricated_token(n)).await;
            for limited in [by_api, form(fabricated_token(n)).await] {
                let _ = limited.problem(429, "too_many_requests");
                let wait: u64 = limited.header("retry-after").unwrap().parse().unwrap();
                assert!((1..=3600).contains(&wait), "{wait}");
            }
        }
        let browser = anonymous.with("accept", "text/html");
        let page = browser.form("/authenticate", &[("token", &fabricated_token(15))]).await.is(429);
        assert!(page.body.contains("The link can still be used"), "{}", page.body);
        assert_eq!(calls(&guestlist, AUTHENTICATE).await, 5);
        // A valid link is throttled too, and is not consumed.
        let _ = redeem_link(&anonymous, &mail.token).await.problem(429, "too_many_requests");
        assert_eq!(calls(&guestlist, AUTHENTICATE).await, 5);
        let ada = guestlist.anonymous().with("x-forwarded-for", "203.0.113.7");
        let _ = redeem_link(&ada, &mail.token).await.is(201);
    })
    .await;
}

#[tokio::test]
async fn anonymous_clients_together_cannot_exceed_the_total_budget() {
    let setup = Guestlist::dev(Engine::Sqlite).env("ANONYMOUS_PROVIDER_LIMIT", "5/h,20/h");
    let guestlist = setup.env("TRUSTED_PROXIES", "127.0.0.0/8, ::1").start().await;
    for n in 0..100 {
        let client = guestlist.anonymous().with("x-forwarded-for", &format!("203.0.113.{n}"));
        let response = redeem_link(&client, &fabricated_token(n)).await;
        assert_eq!(response.status, if n < 20 { 400 } else { 429 }, "{n}: {response:?}");
    }
    assert_eq!(calls(&guestlist, AUTHENTICATE).await, 20);
}

#[tokio::test]
async fn the_provider_budget_does_not_apply_to_keys_and_sessions() {
    let setup = Guestlist::dev(Engine::Sqlite).env("ANONYMOUS_PROVIDER_LIMIT", "1/h,1/h");
    let guestlist = setup.start().await;
    let ada = guestlist.member("ada@example.com").await;
    let _ = redeem_link(&guestlist.anonymous(), &fabricated_token(0))
        .await
        .problem(429, "too_many_requests");
    let fake = redeem_link(&guestlist.anonymous().bearer("glk_fake"), &fabricated_token(0)).await;
    let _ = fake.problem(401, "api_key_invalid");
    for n in 1..5 {
        let _ =
            redeem_link(&guestlist.api(), &fabricated_token(n)).await.problem(400, "link_invalid");
        let with_session = ada.caller().with("sec-fetch-site", "same-origin");
        let _ =
            with_session.form("/authenticate", &[("token", &fabricated_token(n))]).await.is(400);
    }
    let (_, mail) = guestlist.invite_and_mail("bob@example.com").await;
    let _ = redeem_link(&guestlist.api(), &mail.token).await.is(201);
}

#[tokio::test]
async fn malformed_tokens_are_not_sent_to_stytch() {
    let setup = Guestlist::dev(Engine::Sqlite).env("ANONYMOUS_PROVIDER_LIMIT", "1/h,1/h");
    let guestlist = setup.start().await;
    let long = "a".repeat(300);
    for token in ["short", "has a space in it, and is long", "slash/slash/slash/slash", &long] {
        let _ = redeem_link(&guestlist.anonymous(), token).await.problem(400, "link_invalid");
        let page = [("token", token)];
        let _ =
            guestlist.anonymous().form("/authenticate", &page).await.problem(400, "link_invalid");
    }
    assert_eq!(calls(&guestlist, AUTHENTICATE).await, 0);
    let _ = redeem_link(&guestlist.anonymous(), &fabricated_token(0))
        .await
        .problem(400, "link_invalid");
}

/// Returns a JWT with an unknown key id.
fn fabricated_jwt(n: usize) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": format!("made-up-{n}") });
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(header.to_string()), part("{}".to_owned()), part("x".repeat(256)))
}

#[tokio::test]
async fn fabricated_sessions_and_jwts_cause_few_provider_calls() {
    let faults =
        [(json!({}), 401), (json!({ "status": 500 }), 503), (json!({ "status": 429 }), 503)];
    for (fault, status) in faults {
        let mut guestlist = Guestlist::split(Engine::Sqlite).workers(0).prepare().await;
        guestlist.start_sandbox().await;
        // The fault precedes the application's first request, so that it never has keys.
        guestlist.sandbox().set_faults(&fault).await;
        let _ = guestlist.run_ok(&["migrate", "up"]).await;
        guestlist.start_app().await;
        let before = calls(&guestlist, "").await;
        let began = std::time::Instant::now();
        for n in 0..200 {
            let jwt = guestlist.anonymous().bearer(&fabricated_jwt(n)).get("/v1/session").await;
            assert_eq!(jwt.status, status, "{jwt:?}");
            let _ =
                guestlist.anonymous().bearer(&fabricated_token(n)).get("/v1/session").await.is(401);
        }
        // Missing keys are fetched at most once a second, with at most two calls each time.
        let caused = calls(&guestlist, "").await - before;
        let seconds = began.elapsed().as_secs() + 1;
        assert!(caused <= 2 * seconds, "{fault}: {caused} calls in {seconds} s");
    }
}
