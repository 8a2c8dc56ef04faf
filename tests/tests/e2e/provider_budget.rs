//! What strangers can have Stytch asked for, and what people can do all the same.

use guestlist_tests::{Answer, Caller, Engine, Guestlist, on_every_engine};
use serde_json::json;

const AUTHENTICATE: &str = "POST /v1/magic_links/authenticate";

/// A token that Stytch may have made, and has not.
fn made_up(n: usize) -> String {
    format!("made-up-{n:036}")
}

async fn calls(guestlist: &Guestlist, route: &str) -> u64 {
    let stats = guestlist.stytch().stats().await;
    let by_status = stats["requests"].as_object().unwrap().iter();
    let these = by_status.filter(|(asked, _)| asked.starts_with(route));
    let counts = these.flat_map(|(_, counts)| counts.as_object().unwrap().values().cloned());
    counts.map(|count| count.as_u64().unwrap()).sum()
}

async fn press(caller: &Caller, token: &str) -> Answer {
    caller.post("/v1/sessions", &json!({ "token": token })).await
}

#[tokio::test]
async fn one_stranger_causes_no_more_calls_than_their_budget_and_nobody_elses_link_suffers() {
    on_every_engine(|engine| async move {
        let setup = Guestlist::dev(engine).env("ANONYMOUS_PROVIDER_LIMIT", "5/h,1000/s");
        let guestlist = setup.env("TRUSTED_PROXIES", "127.0.0.0/8, ::1").start().await;
        let (_, mail) = guestlist.invite_and_mail("ada@example.com").await;
        let stranger = guestlist.anybody().with("x-forwarded-for", "203.0.113.66");
        for n in 0..3 {
            let _ = press(&stranger, &made_up(n)).await.problem(400, "link_invalid");
        }
        let form = |token: String| {
            let stranger = stranger.clone();
            async move { stranger.form("/authenticate", &[("token", token.as_str())]).await }
        };
        for n in 3..5 {
            let _ = form(made_up(n)).await.problem(400, "link_invalid");
        }
        for n in 5..15 {
            let by_api = press(&stranger, &made_up(n)).await;
            for limited in [by_api, form(made_up(n)).await] {
                let _ = limited.problem(429, "too_many_requests");
                let wait: u64 = limited.header("retry-after").unwrap().parse().unwrap();
                assert!((1..=3600).contains(&wait), "{wait}");
            }
        }
        let browser = stranger.with("accept", "text/html");
        let page = browser.form("/authenticate", &[("token", &made_up(15))]).await.is(429);
        assert!(page.body.contains("The link can still be used"), "{}", page.body);
        assert_eq!(calls(&guestlist, AUTHENTICATE).await, 5);
        // A link that is good is no exception, and is not used up by that.
        let _ = press(&stranger, &mail.token).await.problem(429, "too_many_requests");
        assert_eq!(calls(&guestlist, AUTHENTICATE).await, 5);
        let ada = guestlist.anybody().with("x-forwarded-for", "203.0.113.7");
        let _ = press(&ada, &mail.token).await.is(201);
    })
    .await;
}

#[tokio::test]
async fn many_strangers_together_cause_no_more_calls_than_the_total() {
    let setup = Guestlist::dev(Engine::Sqlite).env("ANONYMOUS_PROVIDER_LIMIT", "5/h,20/h");
    let guestlist = setup.env("TRUSTED_PROXIES", "127.0.0.0/8, ::1").start().await;
    for n in 0..100 {
        let client = guestlist.anybody().with("x-forwarded-for", &format!("203.0.113.{n}"));
        let answer = press(&client, &made_up(n)).await;
        assert_eq!(answer.status, if n < 20 { 400 } else { 429 }, "{n}: {answer:?}");
    }
    assert_eq!(calls(&guestlist, AUTHENTICATE).await, 20);
}

#[tokio::test]
async fn who_shows_a_key_or_a_session_is_not_held_to_the_budget() {
    let setup = Guestlist::dev(Engine::Sqlite).env("ANONYMOUS_PROVIDER_LIMIT", "1/h,1/h");
    let guestlist = setup.start().await;
    let ada = guestlist.member("ada@example.com").await;
    let _ = press(&guestlist.anybody(), &made_up(0)).await.problem(429, "too_many_requests");
    let fake = press(&guestlist.anybody().bearer("glk_fake"), &made_up(0)).await;
    let _ = fake.problem(401, "api_key_invalid");
    for n in 1..5 {
        let _ = press(&guestlist.api(), &made_up(n)).await.problem(400, "link_invalid");
        let with_session = ada.caller().with("sec-fetch-site", "same-origin");
        let _ = with_session.form("/authenticate", &[("token", &made_up(n))]).await.is(400);
    }
    let (_, mail) = guestlist.invite_and_mail("bob@example.com").await;
    let _ = press(&guestlist.api(), &mail.token).await.is(201);
}

#[tokio::test]
async fn what_has_not_the_form_of_a_token_is_never_asked_about() {
    let setup = Guestlist::dev(Engine::Sqlite).env("ANONYMOUS_PROVIDER_LIMIT", "1/h,1/h");
    let guestlist = setup.start().await;
    let long = "a".repeat(300);
    for token in ["short", "has a space in it, and is long", "slash/slash/slash/slash", &long] {
        let _ = press(&guestlist.anybody(), token).await.problem(400, "link_invalid");
        let page = [("token", token)];
        let _ = guestlist.anybody().form("/authenticate", &page).await.problem(400, "link_invalid");
    }
    assert_eq!(calls(&guestlist, AUTHENTICATE).await, 0);
    let _ = press(&guestlist.anybody(), &made_up(0)).await.problem(400, "link_invalid");
}

/// A JWT that names a key that Stytch has not.
fn made_up_jwt(n: usize) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": format!("made-up-{n}") });
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(header.to_string()), part("{}".to_owned()), part("x".repeat(256)))
}

#[tokio::test]
async fn sessions_and_jwts_that_strangers_make_up_cause_next_to_no_calls() {
    let guestlist = Guestlist::split(Engine::Sqlite).workers(0).start().await;
    for fault in [json!({}), json!({ "status": 500 }), json!({ "status": 429 })] {
        guestlist.stytch().faults(&fault).await;
        let before = calls(&guestlist, "").await;
        let began = std::time::Instant::now();
        for n in 0..200 {
            let jwt = guestlist.anybody().bearer(&made_up_jwt(n)).get("/v1/session").await;
            assert!([401, 503].contains(&jwt.status), "{jwt:?}");
            let _ = guestlist.anybody().bearer(&made_up(n)).get("/v1/session").await.is(401);
        }
        // While there are no keys they are looked for once a second; two calls for each look.
        let caused = calls(&guestlist, "").await - before;
        let seconds = began.elapsed().as_secs() + 1;
        assert!(caused <= 2 * seconds, "{fault}: {caused} calls in {seconds} s");
    }
}
