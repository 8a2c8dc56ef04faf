//! Cookies as browsers are given them.

use guestlist_tests::{Answer, Caller, Engine, Guestlist, SHORT, Visitor, wait_until};
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
    assert!(page.body.contains("Your session has expired"), "{}", page.body);
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

/// On https, and shared with nobody.
async fn alone() -> Guestlist {
    let setup = Guestlist::split(Engine::Sqlite).workers(0);
    setup.env("PUBLIC_URL", "https://guests.example.com").start().await
}

fn showing(guestlist: &Guestlist, cookies: &str) -> Caller {
    guestlist.browser().caller().with("cookie", cookies)
}

#[tokio::test]
async fn with_https_no_other_host_can_set_the_cookies_of_a_session() {
    let guestlist = alone().await;
    let mut admin = guestlist.browser();
    let pressed = admin.press(&link(&guestlist).await).await.is(303);
    for name in ["__Host-stytch_session", "__Host-stytch_session_jwt"] {
        let attributes = attributes(&pressed, name);
        for wanted in ["HttpOnly", "SameSite=Lax", "Path=/", "Secure"] {
            assert!(attributes.iter().any(|a| a == wanted), "{name}: {attributes:?}");
        }
        assert!(!attributes.iter().any(|a| a.starts_with("Domain")), "{name}: {attributes:?}");
    }
    assert!(pressed.clears_cookies(), "those of the other name: {pressed:?}");
    let _ = admin.get("/v1/session").await.is(200);

    // What a sibling host can set is not read, in whatever place and spelling.
    let (token, jwt) = (admin.token().to_owned(), admin.jwt().to_owned());
    let own = format!("__Host-stytch_session={token}; __Host-stytch_session_jwt={jwt}");
    for planted in [
        format!("stytch_session={token}; stytch_session_jwt={jwt}"),
        format!("__host-stytch_session={token}"),
        format!("$Version=1; __Host_stytch_session={token}"),
    ] {
        let nobody = showing(&guestlist, &planted).get("/v1/session").await;
        let _ = nobody.problem(401, "session_missing");
    }
    // White space that only Unicode knows makes another name.
    let strange = format!("\u{2000}__Host-stytch_session={token}");
    let strange = guestlist.browser().caller().with_bytes("cookie", strange.as_bytes());
    let _ = strange.get("/v1/session").await.problem(401, "session_missing");
    for planted in ["stytch_session=x; stytch_session_jwt=y", "__Host-stytch_sessions=x"] {
        for both in [format!("{planted}; {own}"), format!("{own}; {planted}")] {
            let answer = showing(&guestlist, &both).get("/v1/session").await.is(200);
            assert_eq!(answer.json()["session_jwt"], jwt, "{both}");
        }
    }

    // A renewed JWT and the end of the session have the same names.
    admin.set("__Host-stytch_session_jwt", "old");
    let renewed = admin.get("/v1/session").await.is(200);
    assert!(renewed.set_cookie("__Host-stytch_session_jwt").is_some(), "{renewed:?}");
    let left = admin.form("/logout", &[]).await.is(303);
    for name in ["__Host-stytch_session", "__Host-stytch_session_jwt"] {
        assert_eq!(max_age(&attributes(&left, name)), 0, "{name}: {left:?}");
    }
    let _ = admin.get("/v1/session").await.problem(401, "session_missing");
    let document = guestlist.anybody().get("/openapi.json").await.is(200).json();
    let scheme = &document["components"]["securitySchemes"]["cookie"];
    assert_eq!(scheme["name"], "__Host-stytch_session");
}

#[tokio::test]
async fn a_session_from_before_the_domain_was_set_moves_there() {
    let guestlist = shared().await;
    let mut admin = guestlist.browser();
    let _ = admin.press(&link(&guestlist).await).await.is(303);
    let before = format!("__Host-stytch_session={}; __Host-stytch_session_jwt=old", admin.token());
    let moved = showing(&guestlist, &before).get("/v1/session").await.is(200);
    for name in ["stytch_session", "stytch_session_jwt"] {
        assert_eq!(fates(&moved, name), [HOSTS_GOES, SHARED_STAYS], "{name}");
        assert_eq!(max_age(&attributes(&moved, &format!("__Host-{name}"))), 0, "{name}");
    }
}

/// The cookies of two people in every order, and a token beside another person's JWT.
fn mixed(ada: &Visitor, bob: &Visitor) -> Vec<String> {
    let pair =
        |v: &Visitor| format!("stytch_session={}; stytch_session_jwt={}", v.token(), v.jwt());
    let mixed = |token: &Visitor, jwt: &Visitor| {
        format!("stytch_session={}; stytch_session_jwt={}", token.token(), jwt.jwt())
    };
    let (ada_pair, bob_pair) = (pair(ada), pair(bob));
    vec![
        format!("{ada_pair}; {bob_pair}"),
        format!("{bob_pair}; {ada_pair}"),
        format!("{ada_pair}; stytch_session={}", bob.token()),
        format!("stytch_session={}; {ada_pair}", bob.token()),
        format!("{ada_pair}; stytch_session_jwt={}", bob.jwt()),
        format!("stytch_session=dead; {ada_pair}; {bob_pair}"),
        mixed(ada, bob),
        mixed(bob, ada),
    ]
}

#[tokio::test]
async fn who_shows_sessions_of_two_people_is_logged_out_and_loses_all_cookies() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let ada = guestlist.member("ada@example.com").await;
    let bob = guestlist.member("bob@example.com").await;
    for cookies in mixed(&ada, &bob) {
        let refused = showing(&guestlist, &cookies).get("/v1/session").await;
        let _ = refused.problem(401, "session_missing");
        assert!(refused.clears_cookies(), "{cookies}: {refused:?}");
        assert_eq!(max_age(&attributes(&refused, "guestlist_hint")), 0, "{refused:?}");
        let page = showing(&guestlist, &cookies).get("/").await.is(303);
        assert!(page.header("location").unwrap().starts_with("/login"), "{page:?}");
        assert!(page.clears_cookies(), "{page:?}");
        let ours = showing(&guestlist, &cookies).with("sec-fetch-site", "same-origin");
        let _ = ours.delete("/v1/session").await.problem(401, "session_missing");
    }
    // Nobody's session was ended by that.
    for visitor in [&ada, &bob] {
        let _ = visitor.caller().get("/v1/session").await.is(200);
    }
    // More cookies than a browser of ours has hide the one that counts.
    let many: Vec<_> = (0..4).map(|n| format!("stytch_session=planted{n}")).collect();
    let many = format!("stytch_session={}; {}", ada.token(), many.join("; "));
    let refused = showing(&guestlist, &many).get("/v1/session").await;
    let _ = refused.problem(401, "session_missing");
    assert!(refused.clears_cookies(), "{refused:?}");
}

#[tokio::test]
async fn cookies_that_a_sibling_has_set_are_cleared_for_every_domain_above_ours() {
    let guestlist = shared().await;
    let mut admin = guestlist.browser();
    let _ = admin.press(&link(&guestlist).await).await.is(303);
    let cookies: Vec<_> = (0..4).map(|n| format!("stytch_session=planted{n}")).collect();
    let refused = showing(&guestlist, &cookies.join("; ")).get("/v1/session").await;
    for name in COOKIES {
        for domain in ["Domain=example.com", "Domain=guests.example.com"] {
            let cleared = refused.set_cookies().into_iter().any(|cookie| {
                let is_it = cookie.starts_with(&format!("{name}=;"));
                is_it && cookie.contains("Max-Age=0") && cookie.split("; ").any(|a| a == domain)
            });
            assert!(cleared, "{name} of {domain}: {refused:?}");
        }
    }
    assert!(!refused.set_cookies().iter().any(|cookie| cookie.contains("Domain=com;")));
}

#[tokio::test]
async fn cookies_of_other_applications_can_be_anything() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let ada = guestlist.member("ada@example.com").await;
    let own = format!("stytch_session={}; stytch_session_jwt={}", ada.token(), ada.jwt());
    let foreign: [&[u8]; 7] = [
        "city=M\u{fc}nchen".as_bytes(),
        b"city=M\xfcnchen",
        b"\xff\xfe=1",
        b"nameless",
        b"=",
        b"a=b=c; ;;",
        b"json={\"a\":\"\\\"b\"}",
    ];
    for other in foreign {
        let together = [other, b"; ", own.as_bytes()].concat();
        let behind = [own.as_bytes(), b"; ", other].concat();
        for line in [together, behind] {
            let shows = guestlist.browser().caller().with_bytes("cookie", &line);
            let _ = shows.get("/v1/session").await.is(200);
        }
        let lines = guestlist.browser().caller().with_bytes("cookie", other);
        let lines = lines.with_bytes("cookie", own.as_bytes());
        let _ = lines.get("/v1/session").await.is(200);
    }
    // The hint, too, is found beside them.
    let hint =
        format!("city=M\u{fc}nchen; guestlist_hint={}", ada.cookie("guestlist_hint").unwrap());
    let shows = guestlist.browser().caller().with_bytes("cookie", hint.as_bytes());
    let page = shows.get("/login").await.is(200);
    assert!(page.body.contains("value=\"ada@example.com\""), "{}", page.body);
}

#[tokio::test]
async fn headers_that_are_no_text_break_nothing() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let ada = guestlist.member("ada@example.com").await;
    for name in ["user-agent", "accept", "referer", "x-forwarded-for", "x-request-id", "x-other"] {
        let strange = ada.caller().with_bytes(name, b"caf\xe9 \xff");
        let _ = strange.get("/v1/session").await.is(200);
    }
    // A browser that has such a name comes in, and its session is listed.
    let (_, mail) = guestlist.invite_and_mail("bob@example.com").await;
    let agent = guestlist.anybody().with_bytes("user-agent", "Caf\u{e9}/1.0".as_bytes());
    let session = agent.post("/v1/sessions", &json!({ "token": mail.token })).await.is(201).json();
    assert_eq!(session["session"]["user_agent"], "Caf\u{e9}/1.0");
    // An origin that can't be read is not ours.
    for origin in [&b"https://caf\xe9.example"[..], b"\xff"] {
        let foreign = ada.caller().with_bytes("origin", origin);
        let _ = foreign.delete("/v1/session").await.problem(403, "cross_origin");
    }
    let foreign = ada.caller().with_bytes("sec-fetch-site", b"same-origin\xff");
    let _ = foreign.delete("/v1/session").await.problem(403, "cross_origin");
    let api = guestlist.api().with_bytes("idempotency-key", b"caf\xe9");
    let body = json!({ "email": "eve@example.com" });
    let _ = api.post("/v1/users", &body).await.problem(422, "idempotency_key_invalid");
    let api =
        guestlist.api().with_bytes("idempotency-key", b"a").with_bytes("idempotency-key", b"b");
    let _ = api.post("/v1/users", &body).await.problem(422, "idempotency_key_invalid");
}
