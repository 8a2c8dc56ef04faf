//! Attributes, domains and precedence of cookies.

use guestlist_tests::{Caller, Engine, Guestlist, Response, Visitor};
use serde_json::json;

const COOKIES: [&str; 3] = ["stytch_session", "stytch_session_jwt", "guestlist_hint"];

fn attributes(response: &Response, name: &str) -> Vec<String> {
    let cookie = response.set_cookie(name).unwrap_or_else(|| panic!("{name}: {response:?}"));
    cookie.split("; ").skip(1).map(ToOwned::to_owned).collect()
}

fn max_age(attributes: &[String]) -> i64 {
    let max_age = attributes.iter().find_map(|attribute| attribute.strip_prefix("Max-Age="));
    max_age.expect("Max-Age").parse().unwrap()
}

#[tokio::test]
async fn cookies_over_http_are_host_only_and_http_only() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let (_, mail) = guestlist.invite_and_mail("ada@example.com").await;
    let redeemed = guestlist.browser().redeem_link(&mail.token).await.is(303);
    for name in COOKIES {
        let attributes = attributes(&redeemed, name);
        for expected in ["HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(
                attributes.iter().any(|attribute| attribute == expected),
                "{name}: {attributes:?}"
            );
        }
        let has = |word: &str| attributes.iter().any(|attribute| attribute.starts_with(word));
        assert!(!has("Secure") && !has("Domain"), "{name}: {attributes:?}");
        let lasts = if name == "guestlist_hint" { 180 } else { 7 } * 24 * 3600;
        assert!((lasts - 60..=lasts).contains(&max_age(&attributes)), "{name}: {attributes:?}");
    }
    assert!(redeemed.header("strict-transport-security").is_none());
}

/// Starts an installation whose cookies have the domain `example.com`.
async fn start_with_domain() -> Guestlist {
    let setup = Guestlist::split(Engine::Sqlite).workers(0);
    let setup =
        setup.env("PUBLIC_URL", "https://guests.example.com").env("COOKIE_DOMAIN", "example.com");
    setup.env("SESSION_DURATION_MINUTES", "60").start().await
}

/// Returns the token of a new link for the administrator. The sandbox accepts local redirect URLs
/// only, so the link is requested without Guestlist.
async fn stytch_link(guestlist: &Guestlist) -> String {
    guestlist.stytch_link(&guestlist.admin_email).await
}

#[tokio::test]
async fn cookies_over_https_are_secure_and_have_the_configured_domain() {
    let guestlist = start_with_domain().await;
    let token = stytch_link(&guestlist).await;
    let redeemed = guestlist.browser().redeem_link(&token).await.is(303);
    for name in COOKIES {
        let attributes = attributes(&redeemed, name);
        for expected in ["HttpOnly", "SameSite=Lax", "Path=/", "Secure", "Domain=example.com"] {
            assert!(
                attributes.iter().any(|attribute| attribute == expected),
                "{name}: {attributes:?}"
            );
        }
        if name != "guestlist_hint" {
            assert!((3540..=3600).contains(&max_age(&attributes)), "{name}: {attributes:?}");
        }
    }
    assert!(redeemed.header("strict-transport-security").is_some());
}

#[tokio::test]
async fn the_hint_cookie_prefills_the_form_and_explains_an_ended_session() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut ada = guestlist.member("ada@example.com").await;
    ada.remove_cookie("stytch_session");
    ada.remove_cookie("stytch_session_jwt");
    let page = ada.get("/login").await.is(200);
    assert!(page.body.contains("value=\"ada@example.com\""), "{}", page.body);
    let _ = ada.get("/v1/session").await.problem(401, "session_missing");
    // A browser removes expired session cookies. The hint cookie shows that there was a session.
    let over = "eyJlIjoiYWRhQGV4YW1wbGUuY29tIiwieCI6MX0";
    ada.set_cookie("guestlist_hint", over);
    let _ = ada.get("/v1/session").await.problem(401, "session_expired");
    let page = ada.get("/login").await.is(200);
    assert!(page.body.contains("Your session has ended"), "{}", page.body);
}

/// Returns for each `Set-Cookie` of a name whether it has the domain, and whether it sets a value.
fn set_cookie_effects(response: &Response, name: &str) -> Vec<(bool, bool)> {
    let of_name = response.set_cookies().into_iter();
    let of_name = of_name.filter(|cookie| cookie.starts_with(&format!("{name}=")));
    of_name.map(|c| (c.contains("Domain=example.com"), !c.contains("Max-Age=0"))).collect()
}

const HOST_CLEARED: (bool, bool) = (false, false);
const DOMAIN_SET: (bool, bool) = (true, true);
const DOMAIN_CLEARED: (bool, bool) = (true, false);

#[tokio::test]
async fn a_new_cookie_domain_replaces_host_only_cookies() {
    let guestlist = start_with_domain().await;
    let mut admin = guestlist.browser();
    let redeemed = admin.redeem_link(&stytch_link(&guestlist).await).await.is(303);
    for name in COOKIES {
        assert_eq!(set_cookie_effects(&redeemed, name), [HOST_CLEARED, DOMAIN_SET], "{name}");
    }
    // An existing session receives the domain when its JWT is renewed.
    let (token, jwt) = (admin.token().to_owned(), admin.jwt().to_owned());
    admin.set_cookie("stytch_session_jwt", "old");
    let renewed = admin.get("/v1/session").await.is(200);
    for name in &COOKIES[..2] {
        assert_eq!(set_cookie_effects(&renewed, name), [HOST_CLEARED, DOMAIN_SET], "{name}");
    }
    assert_eq!(admin.token(), token);
    assert_ne!(admin.jwt(), "old");
    assert!(!jwt.is_empty());
    assert!(admin.get("/v1/session").await.is(200).set_cookies().is_empty());

    let left = admin.form("/logout", &[]).await.is(303);
    for name in &COOKIES[..2] {
        assert_eq!(set_cookie_effects(&left, name), [HOST_CLEARED, DOMAIN_CLEARED], "{name}");
    }
    assert_eq!(set_cookie_effects(&left, "guestlist_hint"), [HOST_CLEARED, DOMAIN_SET]);
    let cleared = guestlist.browser().caller();
    let cleared = cleared.with("cookie", &format!("stytch_session={token}"));
    let cleared = cleared.get("/v1/session").await;
    for name in &COOKIES[..2] {
        assert_eq!(set_cookie_effects(&cleared, name), [HOST_CLEARED, DOMAIN_CLEARED], "{name}");
    }
    let _ = cleared.problem(401, "session_revoked");
}

#[tokio::test]
async fn among_cookies_of_one_name_the_valid_session_is_used() {
    let guestlist = start_with_domain().await;
    let mut sessions = Vec::new();
    for is_live in [true, false] {
        let mut admin = guestlist.browser();
        let _ = admin.redeem_link(&stytch_link(&guestlist).await).await.is(303);
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
        let response = shows.get("/v1/session").await;
        for (name, kept) in [("stytch_session", &live.0), ("stytch_session_jwt", &live.1)] {
            assert_eq!(set_cookie_effects(&response, name), [HOST_CLEARED, DOMAIN_SET], "{name}");
            let cookie = response.set_cookie(name).unwrap();
            assert!(cookie.starts_with(&format!("{name}={kept};")), "{cookie}");
        }
        assert_eq!(response.is(200).json()["session_jwt"], live.1);
    }
    // The last pair takes precedence, because the newest session was started deliberately.
    let mut newest = guestlist.browser();
    let _ = newest.redeem_link(&stytch_link(&guestlist).await).await.is(303);
    let newest = (newest.token().to_owned(), newest.jwt().to_owned());
    let shows = guestlist.browser().caller().with("cookie", &both(live, &newest));
    assert_eq!(shows.get("/v1/session").await.is(200).json()["session_jwt"], newest.1);
    let shows = guestlist.browser().caller().with("cookie", &both(&other, dead));
    assert!(shows.get("/v1/session").await.problem(401, "session_revoked").is_object());
}

/// Starts an installation with HTTPS and without a cookie domain.
async fn start_https() -> Guestlist {
    let setup = Guestlist::split(Engine::Sqlite).workers(0);
    setup.env("PUBLIC_URL", "https://guests.example.com").start().await
}

fn with_cookies(guestlist: &Guestlist, cookies: &str) -> Caller {
    guestlist.browser().caller().with("cookie", cookies)
}

#[tokio::test]
async fn session_cookies_over_https_have_the_host_prefix() {
    let guestlist = start_https().await;
    let mut admin = guestlist.browser();
    let redeemed = admin.redeem_link(&stytch_link(&guestlist).await).await.is(303);
    for name in ["__Host-stytch_session", "__Host-stytch_session_jwt"] {
        let attributes = attributes(&redeemed, name);
        for expected in ["HttpOnly", "SameSite=Lax", "Path=/", "Secure"] {
            assert!(attributes.iter().any(|a| a == expected), "{name}: {attributes:?}");
        }
        assert!(!attributes.iter().any(|a| a.starts_with("Domain")), "{name}: {attributes:?}");
    }
    assert!(redeemed.clears_cookies(), "those of the other name: {redeemed:?}");
    let _ = admin.get("/v1/session").await.is(200);

    // Cookies that a sibling host can set are ignored.
    let (token, jwt) = (admin.token().to_owned(), admin.jwt().to_owned());
    let own = format!("__Host-stytch_session={token}; __Host-stytch_session_jwt={jwt}");
    for planted in [
        format!("stytch_session={token}; stytch_session_jwt={jwt}"),
        format!("__host-stytch_session={token}"),
        format!("$Version=1; __Host_stytch_session={token}"),
    ] {
        let nobody = with_cookies(&guestlist, &planted).get("/v1/session").await;
        let _ = nobody.problem(401, "session_missing");
    }
    // Unicode white space is part of the cookie's name.
    let strange = format!("\u{2000}__Host-stytch_session={token}");
    let strange = guestlist.browser().caller().with_bytes("cookie", strange.as_bytes());
    let _ = strange.get("/v1/session").await.problem(401, "session_missing");
    for planted in ["stytch_session=x; stytch_session_jwt=y", "__Host-stytch_sessions=x"] {
        for both in [format!("{planted}; {own}"), format!("{own}; {planted}")] {
            let response = with_cookies(&guestlist, &both).get("/v1/session").await.is(200);
            assert_eq!(response.json()["session_jwt"], jwt, "{both}");
        }
    }

    // Renewing the JWT and logging out use the prefixed names.
    admin.set_cookie("__Host-stytch_session_jwt", "old");
    let renewed = admin.get("/v1/session").await.is(200);
    assert!(renewed.set_cookie("__Host-stytch_session_jwt").is_some(), "{renewed:?}");
    let left = admin.form("/logout", &[]).await.is(303);
    for name in ["__Host-stytch_session", "__Host-stytch_session_jwt"] {
        assert_eq!(max_age(&attributes(&left, name)), 0, "{name}: {left:?}");
    }
    let _ = admin.get("/v1/session").await.problem(401, "session_missing");
    let document = guestlist.anonymous().get("/openapi.json").await.is(200).json();
    let scheme = &document["components"]["securitySchemes"]["cookie"];
    assert_eq!(scheme["name"], "__Host-stytch_session");
}

#[tokio::test]
async fn a_host_prefixed_session_moves_to_the_configured_domain() {
    let guestlist = start_with_domain().await;
    let mut admin = guestlist.browser();
    let _ = admin.redeem_link(&stytch_link(&guestlist).await).await.is(303);
    let before = format!("__Host-stytch_session={}; __Host-stytch_session_jwt=old", admin.token());
    let moved = with_cookies(&guestlist, &before).get("/v1/session").await.is(200);
    for name in ["stytch_session", "stytch_session_jwt"] {
        assert_eq!(set_cookie_effects(&moved, name), [HOST_CLEARED, DOMAIN_SET], "{name}");
        assert_eq!(max_age(&attributes(&moved, &format!("__Host-{name}"))), 0, "{name}");
    }
}

/// Returns the cookies of two users in every order, and one user's token with the other's JWT.
fn mixed_cookies(ada: &Visitor, bob: &Visitor) -> Vec<String> {
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
async fn sessions_of_two_users_in_one_request_are_refused() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let ada = guestlist.member("ada@example.com").await;
    let bob = guestlist.member("bob@example.com").await;
    for cookies in mixed_cookies(&ada, &bob) {
        let refused = with_cookies(&guestlist, &cookies).get("/v1/session").await;
        let _ = refused.problem(401, "session_missing");
        assert!(refused.clears_cookies(), "{cookies}: {refused:?}");
        assert_eq!(max_age(&attributes(&refused, "guestlist_hint")), 0, "{refused:?}");
        let page = with_cookies(&guestlist, &cookies).get("/").await.is(303);
        assert!(page.header("location").unwrap().starts_with("/login"), "{page:?}");
        assert!(page.clears_cookies(), "{page:?}");
        let same_origin = with_cookies(&guestlist, &cookies).with("sec-fetch-site", "same-origin");
        let _ = same_origin.delete("/v1/session").await.problem(401, "session_missing");
    }
    // Neither session was ended.
    for visitor in [&ada, &bob] {
        let _ = visitor.caller().get("/v1/session").await.is(200);
    }
    // More cookies of one name than a browser can have are refused.
    let many: Vec<_> = (0..4).map(|n| format!("stytch_session=planted{n}")).collect();
    let many = format!("stytch_session={}; {}", ada.token(), many.join("; "));
    let refused = with_cookies(&guestlist, &many).get("/v1/session").await;
    let _ = refused.problem(401, "session_missing");
    assert!(refused.clears_cookies(), "{refused:?}");
}

#[tokio::test]
async fn cookies_set_by_a_sibling_host_are_cleared_on_every_parent_domain() {
    let guestlist = start_with_domain().await;
    let mut admin = guestlist.browser();
    let _ = admin.redeem_link(&stytch_link(&guestlist).await).await.is(303);
    let cookies: Vec<_> = (0..4).map(|n| format!("stytch_session=planted{n}")).collect();
    let refused = with_cookies(&guestlist, &cookies.join("; ")).get("/v1/session").await;
    for name in COOKIES {
        for domain in ["Domain=example.com", "Domain=guests.example.com"] {
            let cleared = refused.set_cookies().into_iter().any(|cookie| {
                let has_name = cookie.starts_with(&format!("{name}=;"));
                has_name && cookie.contains("Max-Age=0") && cookie.split("; ").any(|a| a == domain)
            });
            assert!(cleared, "{name} of {domain}: {refused:?}");
        }
    }
    assert!(!refused.set_cookies().iter().any(|cookie| cookie.contains("Domain=com;")));
}

#[tokio::test]
async fn cookies_of_other_applications_are_ignored() {
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
    // The hint cookie is still found.
    let hint =
        format!("city=M\u{fc}nchen; guestlist_hint={}", ada.cookie("guestlist_hint").unwrap());
    let shows = guestlist.browser().caller().with_bytes("cookie", hint.as_bytes());
    let page = shows.get("/login").await.is(200);
    assert!(page.body.contains("value=\"ada@example.com\""), "{}", page.body);
}

#[tokio::test]
async fn non_ascii_headers_cause_no_server_error() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let ada = guestlist.member("ada@example.com").await;
    for name in ["user-agent", "accept", "referer", "x-forwarded-for", "x-request-id", "x-other"] {
        let strange = ada.caller().with_bytes(name, b"caf\xe9 \xff");
        let _ = strange.get("/v1/session").await.is(200);
    }
    // A browser with a non-ASCII user agent can log in, and its session is listed.
    let (_, mail) = guestlist.invite_and_mail("bob@example.com").await;
    let agent = guestlist.anonymous().with_bytes("user-agent", "Caf\u{e9}/1.0".as_bytes());
    let session = agent.post("/v1/sessions", &json!({ "token": mail.token })).await.is(201).json();
    assert_eq!(session["session"]["user_agent"], "Caf\u{e9}/1.0");
    // An invalid origin is a foreign one.
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
