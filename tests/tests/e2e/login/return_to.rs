//! After a session has ended, login explains why, and returns to the requested page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use guestlist_tests::{Engine, Guestlist, Response, Visitor, id, on_every_engine};
use serde_json::{Value, json};

async fn start(engine: Engine) -> Guestlist {
    let setup = Guestlist::dev(engine).env("APP_URL", "https://app.example.com/start");
    // These tests request more links for an address than the default limit allows, and a sweep
    // would remove the sessions that they let expire.
    let setup = setup.env("LOGIN_LIMIT_PER_ADDRESS", "100/h");
    setup.env("SWEEP_INTERVAL", "1h").start().await
}

/// Returns the value of a form field.
#[track_caller]
fn field(page: &Response, name: &str) -> String {
    let after = |text: &str, mark: &str| text.split_once(mark).map(|(_, rest)| rest.to_owned());
    let rest =
        after(&page.body, &format!("name=\"{name}\"")).and_then(|rest| after(&rest, "value=\""));
    let rest = rest.unwrap_or_else(|| panic!("no field {name}: {}", page.body));
    rest.split('"').next().unwrap().replace("&#47;", "/")
}

/// Submits the login form as it is prefilled, redeems the link in another browser, and returns
/// the path to which it redirects.
async fn log_in_by_form(guestlist: &Guestlist, page: &Response, by: &mut Visitor) -> String {
    let (email, return_to) = (field(page, "email"), field(page, "return_to"));
    let before = guestlist.sandbox().emails(&email).await.len();
    let _ = by.form("/login", &[("email", &email), ("return_to", &return_to)]).await.is(200);
    let mail = guestlist.sandbox().nth_email(&email, before + 1).await;
    let mut other = guestlist.browser();
    let landed = other.redeem_link(&mail.token).await.is(303);
    let _ = other.get("/v1/session").await.is(200);
    landed.header("location").unwrap().to_owned()
}

#[tokio::test]
async fn after_an_expired_session_login_returns_to_the_requested_page() {
    on_every_engine(|engine| async move {
        let guestlist = start(engine).await;
        let admin = guestlist.admin().await;
        let _ = guestlist.invite("ada@example.com").await;
        let ada = format!("/users/{}", id(&guestlist.user("ada@example.com").await));
        let over = "UPDATE sessions SET expires_at = started_at + 1";
        assert_eq!(guestlist.database().execute(over).await, 1);
        let remove = format!("{ada}/remove");
        for place in [ada.as_str(), &remove, "/connect", "/"] {
            let mut admin = admin.clone();
            if place == remove {
                // A browser removes expired cookies by itself.
                admin.remove_cookie("stytch_session");
                admin.remove_cookie("stytch_session_jwt");
                let hint = URL_SAFE_NO_PAD.encode(r#"{"e":"admin@example.com","x":1}"#);
                admin.set_cookie("guestlist_hint", &hint);
            }
            let led = admin.get(place).await.is(303);
            let encoded = place.replace('/', "%2F");
            let login = format!("/login?return_to={encoded}&ended=expired");
            assert_eq!(led.header("location"), Some(login.as_str()));
            assert_eq!(led.clears_cookies(), place != remove, "{led:?}");
            let page = admin.get(&login).await.is(200);
            assert!(page.body.contains("Your session has ended"), "{}", page.body);
            assert_eq!(field(&page, "email"), guestlist.admin_email);
            assert_eq!(log_in_by_form(&guestlist, &page, &mut admin).await, place);
        }
    })
    .await;
}

#[tokio::test]
async fn after_a_revoked_session_login_returns_to_the_requested_page() {
    let guestlist = start(Engine::Sqlite).await;
    let mut admin = guestlist.admin().await;
    let me = guestlist.user(&guestlist.admin_email).await;
    let _ = guestlist.api().delete(&format!("/v1/users/{}/sessions", id(&me))).await.is(204);
    let led = admin.get("/sessions").await.is(303);
    assert_eq!(led.header("location"), Some("/login?return_to=%2Fsessions&ended=revoked"));
    assert!(led.clears_cookies(), "{led:?}");
    let page = admin.get("/login?return_to=%2Fsessions&ended=revoked").await.is(200);
    assert!(page.body.contains("Your session has ended"), "{}", page.body);
    assert_eq!(field(&page, "email"), guestlist.admin_email);
    assert_eq!(log_in_by_form(&guestlist, &page, &mut admin).await, "/sessions");
}

#[tokio::test]
async fn a_link_requested_on_one_device_works_on_another() {
    on_every_engine(|engine| async move {
        let guestlist = start(engine).await;
        let _ = guestlist.add_user("ada@example.com", "member").await;
        let mut laptop = guestlist.browser();
        let fields = [("email", "ada@example.com"), ("return_to", "/sessions")];
        let _ = laptop.form("/login", &fields).await.is(200);
        let mail = guestlist.sandbox().nth_email("ada@example.com", 1).await;
        let mut phone = guestlist.browser();
        let path = mail.path();
        assert!(phone.get(path).await.is(200).body.contains("Continue"));
        let landed = phone.redeem_link(&mail.token).await.is(303);
        assert_eq!(landed.header("location"), Some("/sessions"));
        let _ = phone.get("/v1/session").await.is(200);
        // Requesting the link does not log the laptop in.
        let _ = laptop.get("/v1/session").await.problem(401, "session_missing");
    })
    .await;
}

#[tokio::test]
async fn a_stale_cookie_redirects_to_login_without_a_loop() {
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
        // The login page does not redirect, even if the browser keeps the cleared cookies.
        let page = caller.get(login).await.is(200);
        assert!(page.clears_cookies() && page.body.contains("Mail me a link"), "{}", page.body);
    }
}

#[tokio::test]
async fn redeeming_again_redirects_to_the_same_page() {
    on_every_engine(|engine| async move {
        let guestlist = start(engine).await;
        let invited = json!({ "email": "ada@example.com", "return_to": "/sessions?first" });
        let _ = guestlist.api().post("/v1/invitations", &invited).await.is(202);
        let mut ada = guestlist.browser();
        let first = guestlist.sandbox().nth_email("ada@example.com", 1).await;
        for _ in 0..2 {
            let landed = ada.redeem_link(&first.token).await.is(303);
            assert_eq!(landed.header("location"), Some("/sessions?first"));
        }
        let login = [("email", "ada@example.com"), ("return_to", "/sessions")];
        let _ = ada.form("/login", &login).await.is(200);
        let second = guestlist.sandbox().nth_email("ada@example.com", 2).await;
        for _ in 0..2 {
            let landed = ada.redeem_link(&second.token).await.is(303);
            assert_eq!(landed.header("location"), Some("/sessions"));
        }
    })
    .await;
}

/// Returns the form's `return_to`.
fn return_to(page: &Response) -> Option<String> {
    page.body.contains("name=\"return_to\"").then(|| field(page, "return_to"))
}

/// Returns the fields of the link page's form for a link with an invitation id.
fn link_form<'a>(token: &'a str, invitation: &'a Value) -> [(&'a str, &'a str); 2] {
    [("token", token), ("invitation", id(invitation))]
}

#[tokio::test]
async fn a_replacement_link_keeps_the_return_to_of_the_failed_link() {
    on_every_engine(|engine| async move {
        let guestlist = start(engine).await;
        let invited = json!({ "email": "ada@example.com", "return_to": "/sessions?invited" });
        let invitation = guestlist.api().post("/v1/invitations", &invited).await.is(202).json();
        let mail = guestlist.sandbox().nth_email("ada@example.com", 1).await;
        // A login request sends no mail while the invitation is queued.
        let _ = guestlist.wait_for_status(id(&invitation), "sent").await;
        let cut = guestlist
            .browser()
            .form("/authenticate", &link_form(&mail.token[..12], &invitation))
            .await;
        let page = cut.is(400);
        // The token is invalid, so the page reveals nothing of the invitation. The new link still
        // has the invitation's `return_to`.
        assert_eq!((return_to(&page), field(&page, "email")), (None, String::new()));
        let mut ada = guestlist.browser();
        let _ = ada.form("/login", &[("email", "ada@example.com")]).await.is(200);
        let new = guestlist.sandbox().nth_email("ada@example.com", 2).await;
        let landed = guestlist.browser().redeem_link(&new.token).await.is(303);
        assert_eq!(landed.header("location"), Some("/sessions?invited"));

        // The page of a used link offers the `return_to` with which that link was requested.
        let used = guestlist.sandbox().nth_email("ada@example.com", 2).await;
        let page = guestlist.browser().redeem_link(&used.token).await.is(409);
        assert_eq!(return_to(&page).as_deref(), Some("/sessions?invited"));
        for (n, asked) in [(3, Some("/sessions?asked")), (4, None)] {
            let fields = [("email", "ada@example.com"), ("return_to", asked.unwrap_or_default())];
            let fields = if asked.is_some() { &fields[..] } else { &fields[..1] };
            let _ = ada.form("/login", fields).await.is(200);
            let mail = guestlist.sandbox().nth_email("ada@example.com", n).await;
            let _ = guestlist.redeem_link(&mail.token).await;
            let page = guestlist
                .browser()
                .form("/authenticate", &link_form(&mail.token, &invitation))
                .await;
            assert_eq!(return_to(&page.is(409)).as_deref(), asked);
        }
    })
    .await;
}

#[tokio::test]
async fn a_revoked_invitation_offers_no_return_to() {
    let guestlist = start(Engine::Sqlite).await;
    let body = json!({ "email": "ada@example.com", "return_to": "/sessions" });
    let invitation = guestlist.api().post("/v1/invitations", &body).await.is(202).json();
    let mail = guestlist.sandbox().nth_email("ada@example.com", 1).await;
    guestlist.revoke(&invitation).await;
    let path = mail.path();
    for page in [
        guestlist.browser().get(path).await.is(403),
        guestlist
            .browser()
            .form("/authenticate", &link_form(&mail.token, &invitation))
            .await
            .is(403),
    ] {
        // A later invitation has its own `return_to`.
        assert!(!page.body.contains("return_to"), "{}", page.body);
        assert!(!page.body.contains("ada@"), "the invitation's id alone names nobody");
    }
}

#[tokio::test]
async fn after_a_form_without_a_session_login_returns_to_its_page() {
    let guestlist = start(Engine::Sqlite).await;
    let admin = guestlist.admin().await;
    let invitation = format!("/invitations/{}", id(&guestlist.invite("ada@example.com").await));
    let ada = format!("/users/{}", id(&guestlist.user("ada@example.com").await));
    let me = guestlist.user(&guestlist.admin_email).await;
    let _ = guestlist.api().delete(&format!("/v1/users/{}/sessions", id(&me))).await.is(204);
    for (form, expected) in [
        (format!("{ada}/suspend"), ada.as_str()),
        (format!("{ada}/sessions/end"), &ada),
        ("/sessions/end-others".to_owned(), "/sessions"),
        ("/users/invite".to_owned(), "/"),
        ("/invitations".to_owned(), "/invitations"),
        ("/invitations/many".to_owned(), "/invitations/new"),
        (format!("{invitation}/resend"), &invitation),
    ] {
        let mut admin = admin.clone();
        let page = admin.form(&form, &[("email", "bob@example.com")]).await.is(401);
        assert_eq!(field(&page, "email"), guestlist.admin_email);
        assert_eq!(log_in_by_form(&guestlist, &page, &mut admin).await, expected);
    }
}
