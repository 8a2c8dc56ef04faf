//! Cookies as browsers are given them.

use guestlist_tests::{Answer, Engine, Guestlist, SHORT, wait_until};
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

/// Shared with every host of `example.com`.
async fn shared() -> Guestlist {
    let setup = Guestlist::split(Engine::Sqlite).workers(0);
    let setup =
        setup.env("PUBLIC_URL", "https://guests.example.com").env("COOKIE_DOMAIN", "example.com");
    setup.env("SESSION_DURATION_MINUTES", "60").start().await
}

/// The administrator's next link. The sandbox takes local links only, so it is asked for by hand.
async fn link(guestlist: &Guestlist) -> String {
    let made = "/v1/magic_links/email/login_or_create";
    let body = json!({ "email": guestlist.admin_email });
    let before = guestlist.stytch().emails(&guestlist.admin_email).await.len();
    // Stytch mails nobody twice within a second.
    let taken =
        async || (guestlist.stytch_api().post(made, &body).await.status == 200).then_some(());
    wait_until(SHORT, "Stytch mails a link", taken).await;
    guestlist.stytch().mail(&guestlist.admin_email, before + 1).await.token
}

#[tokio::test]
async fn with_https_they_are_secure_and_shared_with_siblings_where_asked_for() {
    let guestlist = shared().await;
    let token = link(&guestlist).await;
    let pressed = guestlist.browser().press(&token).await.is(303);
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

/// What becomes of the cookies of that name: of the host's own, and of the one that siblings share.
fn fates(answer: &Answer, name: &str) -> Vec<(bool, bool)> {
    let of_name = answer.set_cookies().into_iter();
    let of_name = of_name.filter(|cookie| cookie.starts_with(&format!("{name}=")));
    of_name.map(|c| (c.contains("Domain=example.com"), !c.contains("Max-Age=0"))).collect()
}

const HOSTS_GOES: (bool, bool) = (false, false);
const SHARED_STAYS: (bool, bool) = (true, true);
const SHARED_GOES: (bool, bool) = (true, false);

#[tokio::test]
async fn a_domain_that_is_set_later_takes_the_place_of_the_host() {
    let guestlist = shared().await;
    let mut admin = guestlist.browser();
    let pressed = admin.press(&link(&guestlist).await).await.is(303);
    for name in COOKIES {
        assert_eq!(fates(&pressed, name), [HOSTS_GOES, SHARED_STAYS], "{name}");
    }
    // A session from before is shared as soon as its JWT is renewed.
    let (token, jwt) = (admin.token().to_owned(), admin.jwt().to_owned());
    admin.set("stytch_session_jwt", "old");
    let renewed = admin.get("/v1/session").await.is(200);
    for name in &COOKIES[..2] {
        assert_eq!(fates(&renewed, name), [HOSTS_GOES, SHARED_STAYS], "{name}");
    }
    assert_eq!(admin.token(), token);
    assert_ne!(admin.jwt(), "old");
    assert!(!jwt.is_empty());
    assert!(admin.get("/v1/session").await.is(200).set_cookies().is_empty());

    let left = admin.form("/logout", &[]).await.is(303);
    for name in &COOKIES[..2] {
        assert_eq!(fates(&left, name), [HOSTS_GOES, SHARED_GOES], "{name}");
    }
    assert_eq!(fates(&left, "guestlist_hint"), [HOSTS_GOES, SHARED_STAYS]);
    let cleared = guestlist.browser().caller();
    let cleared = cleared.with("cookie", &format!("stytch_session={token}"));
    let cleared = cleared.get("/v1/session").await;
    for name in &COOKIES[..2] {
        assert_eq!(fates(&cleared, name), [HOSTS_GOES, SHARED_GOES], "{name}");
    }
    let _ = cleared.problem(401, "session_revoked");
}

#[tokio::test]
async fn of_several_cookies_of_a_name_those_count_that_admit() {
    let guestlist = shared().await;
    let mut sessions = Vec::new();
    for is_live in [true, false] {
        let mut admin = guestlist.browser();
        let _ = admin.press(&link(&guestlist).await).await.is(303);
        let pair = (admin.token().to_owned(), admin.jwt().to_owned());
        if !is_live {
            let _ = admin.form("/logout", &[]).await.is(303);
        }
        sessions.push(pair);
    }
    let [live, dead] = &sessions[..] else { unreachable!("two") };
    let both = |first: &(String, String), last: &(String, String)| {
        format!(
            "stytch_session={}; stytch_session_jwt={}; stytch_session={}; stytch_session_jwt={}",
            first.0, first.1, last.0, last.1
        )
    };
    let other = ("b2xk".to_owned(), "b2xk".to_owned());
    for (first, last) in [(live, dead), (dead, live), (live, &other), (&other, live)] {
        let shows = guestlist.browser().caller().with("cookie", &both(first, last));
        let answer = shows.get("/v1/session").await;
        for (name, kept) in [("stytch_session", &live.0), ("stytch_session_jwt", &live.1)] {
            assert_eq!(fates(&answer, name), [HOSTS_GOES, SHARED_STAYS], "{name}");
            let cookie = answer.set_cookie(name).unwrap();
            assert!(cookie.starts_with(&format!("{name}={kept};")), "{cookie}");
        }
        assert_eq!(answer.is(200).json()["session_jwt"], live.1);
    }
    // The last pair is asked first: the newest session is the one that was begun on purpose.
    let mut newest = guestlist.browser();
    let _ = newest.press(&link(&guestlist).await).await.is(303);
    let newest = (newest.token().to_owned(), newest.jwt().to_owned());
    let shows = guestlist.browser().caller().with("cookie", &both(live, &newest));
    assert_eq!(shows.get("/v1/session").await.is(200).json()["session_jwt"], newest.1);
    let shows = guestlist.browser().caller().with("cookie", &both(&other, dead));
    assert!(shows.get("/v1/session").await.problem(401, "session_revoked").is_object());
}
