//! Cookies as browsers are given them.

use guestlist_tests::{Answer, Engine, Guestlist};
use serde_json::json;

const COOKIES: [&str; 3] = ["stytch_session", "stytch_session_jwt", "guestlist_hint"];

fn attributes(answer: &Answer, name: &str) -> Vec<String> {
    let cookie = answer.set_cookie(name).unwrap_or_else(|| panic!("{name}: {answer:?}"));
    cookie.split("; ").skip(1).map(ToOwned::to_owned).collect()
}

fn max_age(attributes: &[String]) -> i64 {
    let max_age = attributes.iter().find_map(|attribute| attribute.strip_prefix("Max-Age="));
    max_age.expect("Max-Age").parse().unwrap()
}

#[tokio::test]
async fn without_https_cookies_are_for_this_host_and_for_no_script() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let (_, mail) = guestlist.invite_and_mail("ada@example.com").await;
    let pressed = guestlist.browser().press(&mail.token).await.is(303);
    for name in COOKIES {
        let attributes = attributes(&pressed, name);
        for wanted in ["HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(
                attributes.iter().any(|attribute| attribute == wanted),
                "{name}: {attributes:?}"
            );
        }
        let has = |word: &str| attributes.iter().any(|attribute| attribute.starts_with(word));
        assert!(!has("Secure") && !has("Domain"), "{name}: {attributes:?}");
        let lasts = if name == "guestlist_hint" { 180 } else { 7 } * 24 * 3600;
        assert!((lasts - 60..=lasts).contains(&max_age(&attributes)), "{name}: {attributes:?}");
    }
    assert!(pressed.header("strict-transport-security").is_none());
}

#[tokio::test]
async fn with_https_they_are_secure_and_shared_with_siblings_where_asked_for() {
    let setup = Guestlist::split(Engine::Sqlite).workers(0);
    let setup =
        setup.env("PUBLIC_URL", "https://guests.example.com").env("COOKIE_DOMAIN", "example.com");
    let guestlist = setup.env("SESSION_DURATION_MINUTES", "60").start().await;
    // The sandbox takes local links only, so this one is asked for by hand.
    let made = "/v1/magic_links/email/login_or_create";
    let body = json!({ "email": guestlist.admin_email });
    let _ = guestlist.stytch_api().post(made, &body).await.is(200);
    let mail = guestlist.stytch().mail(&guestlist.admin_email, 1).await;
    let pressed = guestlist.browser().press(&mail.token).await.is(303);
    for name in COOKIES {
        let attributes = attributes(&pressed, name);
        for wanted in ["HttpOnly", "SameSite=Lax", "Path=/", "Secure", "Domain=example.com"] {
            assert!(
                attributes.iter().any(|attribute| attribute == wanted),
                "{name}: {attributes:?}"
            );
        }
        if name != "guestlist_hint" {
            assert!((3540..=3600).contains(&max_age(&attributes)), "{name}: {attributes:?}");
        }
    }
    assert!(pressed.header("strict-transport-security").is_some());
}

#[tokio::test]
async fn the_hint_fills_in_the_form_and_names_the_end_of_a_session() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut ada = guestlist.member("ada@example.com").await;
    ada.forget("stytch_session");
    ada.forget("stytch_session_jwt");
    let page = ada.get("/login").await.is(200);
    assert!(page.body.contains("value=\"ada@example.com\""), "{}", page.body);
    let _ = ada.get("/v1/session").await.problem(401, "session_missing");
    // A browser drops the cookies of a session that is over; the hint still knows that there was one.
    let over = "eyJlIjoiYWRhQGV4YW1wbGUuY29tIiwieCI6MX0";
    ada.set("guestlist_hint", over);
    let _ = ada.get("/v1/session").await.problem(401, "session_expired");
    let page = ada.get("/login").await.is(200);
    assert!(page.body.contains("Your session has ended"), "{}", page.body);
}
