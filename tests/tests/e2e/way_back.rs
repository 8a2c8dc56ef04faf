//! Whoever has to log in again is told why, and comes back to where they were: by any device.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use guestlist_tests::{Answer, Engine, Guestlist, Visitor, id, on_every_engine};
use serde_json::{Value, json};

/// No sweep is to take a session away that a test has let run out.
async fn start(engine: Engine) -> Guestlist {
    let setup = Guestlist::dev(engine).env("APP_URL", "https://app.example.com/start");
    // Everybody logs in again and again here.
    let setup = setup.env("LOGIN_LIMIT_PER_ADDRESS", "100/h");
    setup.env("SWEEP_INTERVAL", "1h").start().await
}

/// The value of a field of the page's form.
#[track_caller]
fn field(page: &Answer, name: &str) -> String {
    let after = |text: &str, mark: &str| text.split_once(mark).map(|(_, rest)| rest.to_owned());
    let rest =
        after(&page.body, &format!("name=\"{name}\"")).and_then(|rest| after(&rest, "value=\""));
    let rest = rest.unwrap_or_else(|| panic!("no field {name}: {}", page.body));
    rest.split('"').next().unwrap().replace("&#47;", "/")
}

/// Sends the login page's form as it is filled in; answers where the mail's link lands, pressed in
/// another browser.
async fn logs_in(guestlist: &Guestlist, page: &Answer, by: &mut Visitor) -> String {
    let (email, return_to) = (field(page, "email"), field(page, "return_to"));
    let before = guestlist.stytch().emails(&email).await.len();
    let _ = by.form("/login", &[("email", &email), ("return_to", &return_to)]).await.is(200);
    let mail = guestlist.stytch().mail(&email, before + 1).await;
    let mut other = guestlist.browser();
    let landed = other.press(&mail.token).await.is(303);
    let _ = other.get("/v1/session").await.is(200);
    landed.header("location").unwrap().to_owned()
}

#[tokio::test]
async fn whose_session_ran_out_is_told_so_and_comes_back_to_the_page_they_wanted() {
    on_every_engine(|engine| async move {
        let guestlist = start(engine).await;
        let admin = guestlist.admin().await;
        let _ = guestlist.invite("ada@example.com").await;
        let ada = format!("/users/{}", id(&guestlist.user("ada@example.com").await));
        let over = "UPDATE sessions SET expires_at = started_at + 1";
        assert_eq!(guestlist.database().run(over).await, 1);
        let remove = format!("{ada}/remove");
        for place in [ada.as_str(), &remove, "/connect", "/"] {
            let mut admin = admin.clone();
            if place == remove {
                // As a browser does by itself when their time is over.
                admin.forget("stytch_session");
                admin.forget("stytch_session_jwt");
                let hint = URL_SAFE_NO_PAD.encode(r#"{"e":"admin@example.com","x":1}"#);
                admin.set("guestlist_hint", &hint);
            }
            let led = admin.get(place).await.is(303);
            let encoded = place.replace('/', "%2F");
            let login = format!("/login?return_to={encoded}&ended=expired");
            assert_eq!(led.header("location"), Some(login.as_str()));
            assert_eq!(led.clears_cookies(), place != remove, "{led:?}");
            let page = admin.get(&login).await.is(200);
            assert!(page.body.contains("Your session has expired"), "{}", page.body);
            assert_eq!(field(&page, "email"), guestlist.admin_email);
            assert_eq!(logs_in(&guestlist, &page, &mut admin).await, place);
        }
    })
    .await;
}

#[tokio::test]
async fn whose_session_was_ended_comes_back_to_the_page_they_wanted_too() {
    let guestlist = start(Engine::Sqlite).await;
    let mut admin = guestlist.admin().await;
    let me = guestlist.user(&guestlist.admin_email).await;
    let _ = guestlist.api().delete(&format!("/v1/users/{}/sessions", id(&me))).await.is(204);
    let led = admin.get("/sessions").await.is(303);
    assert_eq!(led.header("location"), Some("/login?return_to=%2Fsessions&ended=revoked"));
    assert!(led.clears_cookies(), "{led:?}");
    let page = admin.get("/login?return_to=%2Fsessions&ended=revoked").await.is(200);
    assert!(page.body.contains("Your session was ended"), "{}", page.body);
    assert_eq!(field(&page, "email"), guestlist.admin_email);
    assert_eq!(logs_in(&guestlist, &page, &mut admin).await, "/sessions");
}

#[tokio::test]
async fn a_link_asked_for_on_one_device_lets_in_on_another() {
    on_every_engine(|engine| async move {
        let guestlist = start(engine).await;
        let _ =
            guestlist.api().post("/v1/users", &json!({ "email": "ada@example.com" })).await.is(201);
        let mut laptop = guestlist.browser();
        let fields = [("email", "ada@example.com"), ("return_to", "/sessions")];
        let _ = laptop.form("/login", &fields).await.is(200);
        let mail = guestlist.stytch().mail("ada@example.com", 1).await;
        let mut phone = guestlist.browser();
        let path = mail.url.strip_prefix(&guestlist.public_url).unwrap();
        assert!(phone.get(path).await.is(200).body.contains("Continue"));
        let landed = phone.press(&mail.token).await.is(303);
        assert_eq!(landed.header("location"), Some("/sessions"));
        let _ = phone.get("/v1/session").await.is(200);
        // The laptop has asked, and that is all: who reads the mail is in.
        let _ = laptop.get("/v1/session").await.problem(401, "session_missing");
    })
    .await;
}

#[tokio::test]
async fn a_stale_cookie_leads_to_the_login_page_and_not_in_circles() {
    let guestlist = start(Engine::Sqlite).await;
    let mut left = guestlist.member("ada@example.com").await;
    let stale = left.caller();
    let _ = left.form("/logout", &[]).await.is(303);
    let made_up = guestlist.browser().caller();
    for caller in [
        stale,
        made_up.with("cookie", "stytch_session=x"),
        made_up.with("cookie", "stytch_session_jwt=a.b.c"),
        made_up.with("cookie", "stytch_session=x; stytch_session_jwt=y; guestlist_hint=z"),
    ] {
        let led = caller.get("/").await.is(303);
        assert!(led.clears_cookies(), "{led:?}");
        let login = led.header("location").unwrap();
        assert!(login.starts_with("/login"), "{login}");
        // Even a browser that keeps what it was told to forget is at its end here.
        let page = caller.get(login).await.is(200);
        assert!(page.clears_cookies() && page.body.contains("Mail me a link"), "{}", page.body);
    }
}

#[tokio::test]
async fn pressing_again_leads_to_the_same_place() {
    on_every_engine(|engine| async move {
        let guestlist = start(engine).await;
        let invited = json!({ "email": "ada@example.com", "return_to": "/sessions?first" });
        let _ = guestlist.api().post("/v1/invitations", &invited).await.is(202);
        let mut ada = guestlist.browser();
        let first = guestlist.stytch().mail("ada@example.com", 1).await;
        for _ in 0..2 {
            let landed = ada.press(&first.token).await.is(303);
            assert_eq!(landed.header("location"), Some("/sessions?first"));
        }
        let login = [("email", "ada@example.com"), ("return_to", "/sessions")];
        let _ = ada.form("/login", &login).await.is(200);
        let second = guestlist.stytch().mail("ada@example.com", 2).await;
        for _ in 0..2 {
            let landed = ada.press(&second.token).await.is(303);
            assert_eq!(landed.header("location"), Some("/sessions"));
        }
    })
    .await;
}

/// The place that a page's form hands on, if it does.
fn place(page: &Answer) -> Option<String> {
    page.body.contains("name=\"return_to\"").then(|| field(page, "return_to"))
}

/// Continue's form, of a link that names its invitation.
fn named<'a>(token: &'a str, invitation: &'a Value) -> [(&'a str, &'a str); 2] {
    [("token", token), ("invitation", id(invitation))]
}

#[tokio::test]
async fn a_link_that_failed_leads_by_a_new_one_to_where_it_would_have_led() {
    on_every_engine(|engine| async move {
        let guestlist = start(engine).await;
        let invited = json!({ "email": "ada@example.com", "return_to": "/sessions?invited" });
        let invitation = guestlist.api().post("/v1/invitations", &invited).await.is(202).json();
        let mail = guestlist.stytch().mail("ada@example.com", 1).await;
        let cut =
            guestlist.browser().form("/authenticate", &named(&mail.token[..12], &invitation)).await;
        let page = cut.is(400);
        // The token is nobody's, so that the page tells nothing of the invitation; the new link
        // leads where it does.
        assert_eq!((place(&page), field(&page, "email")), (None, String::new()));
        let mut ada = guestlist.browser();
        let _ = ada.form("/login", &[("email", "ada@example.com")]).await.is(200);
        let new = guestlist.stytch().mail("ada@example.com", 2).await;
        let landed = guestlist.browser().press(&new.token).await.is(303);
        assert_eq!(landed.header("location"), Some("/sessions?invited"));

        // Of a used link, where it led when it was used: to where she had asked for it, or nowhere.
        let used = guestlist.stytch().mail("ada@example.com", 2).await;
        let page = guestlist.browser().press(&used.token).await.is(409);
        assert_eq!(place(&page).as_deref(), Some("/sessions?invited"));
        for (n, asked) in [(3, Some("/sessions?asked")), (4, None)] {
            let fields = [("email", "ada@example.com"), ("return_to", asked.unwrap_or_default())];
            let fields = if asked.is_some() { &fields[..] } else { &fields[..1] };
            let _ = ada.form("/login", fields).await.is(200);
            let mail = guestlist.stytch().mail("ada@example.com", n).await;
            let _ = guestlist.press(&mail.token).await;
            let page =
                guestlist.browser().form("/authenticate", &named(&mail.token, &invitation)).await;
            assert_eq!(place(&page.is(409)).as_deref(), asked);
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_taken_back_leads_nowhere() {
    let guestlist = start(Engine::Sqlite).await;
    let body = json!({ "email": "ada@example.com", "return_to": "/sessions" });
    let invitation = guestlist.api().post("/v1/invitations", &body).await.is(202).json();
    let mail = guestlist.stytch().mail("ada@example.com", 1).await;
    let revoke = format!("/v1/invitations/{}/revoke", id(&invitation));
    let _ = guestlist.api().post_nothing(&revoke).await.is(200);
    let path = mail.url.strip_prefix(&guestlist.public_url).unwrap();
    for page in [
        guestlist.browser().get(path).await.is(403),
        guestlist.browser().form("/authenticate", &named(&mail.token, &invitation)).await.is(403),
    ] {
        // Whoever is invited anew goes where that invitation says.
        assert_eq!(place(&page), None, "{}", page.body);
        assert_eq!(field(&page, "email"), "", "the invitation's id alone names nobody");
    }
}

#[tokio::test]
async fn whose_session_ended_before_they_sent_a_form_comes_back_to_its_page() {
    let guestlist = start(Engine::Sqlite).await;
    let admin = guestlist.admin().await;
    let _ = guestlist.invite("ada@example.com").await;
    let ada = format!("/users/{}", id(&guestlist.user("ada@example.com").await));
    let me = guestlist.user(&guestlist.admin_email).await;
    let _ = guestlist.api().delete(&format!("/v1/users/{}/sessions", id(&me))).await.is(204);
    for (form, expected) in [
        (format!("{ada}/suspend"), ada.as_str()),
        (format!("{ada}/sessions/end"), &ada),
        ("/sessions/end-others".to_owned(), "/sessions"),
        ("/users/invite".to_owned(), "/"),
    ] {
        let mut admin = admin.clone();
        let page = admin.form(&form, &[("email", "bob@example.com")]).await.is(401);
        assert_eq!(field(&page, "email"), guestlist.admin_email);
        assert_eq!(logs_in(&guestlist, &page, &mut admin).await, expected);
    }
}
