//! The application in `examples/guestbook`, connected to Guestlist. Guestlist is on a subdomain of
//! the application's host, so that they share the session cookies.

use guestlist_tests::browser::{WebDriver, Window, start_setup_with_browsers};
use guestlist_tests::{Guestbook, Guestlist, free_port, user_path};
use serde_json::json;

use crate::steps::{ADA, log_in_by_form};

const LOGIN: &str = "Mail me a link";

/// Starts the application on `app.localhost`, and Guestlist on `guests.app.localhost`.
async fn start_connected() -> Option<(WebDriver, Guestlist, Guestbook)> {
    let mut guestbook = Guestbook::on("app.localhost");
    let port = free_port();
    let public = format!("http://guests.app.localhost:{port}");
    let setup = guestbook.setup(port).env("PUBLIC_URL", &public);
    let (browsers, guestlist) =
        start_setup_with_browsers(setup.env("COOKIE_DOMAIN", "app.localhost")).await?;
    guestbook.start(&guestlist, &[]).await;
    Some((browsers, guestlist, guestbook))
}

/// Adds a user who has a role in the application.
async fn add_user(guestlist: &Guestlist, email: &str, role: &str) {
    let body = json!({ "email": email, "name": "Ada", "metadata": { "guestbook": role } });
    let _ = guestlist.api().post("/v1/users", &body).await.is(201);
}

/// Opens a page of the application, and logs in when redirected.
async fn log_in_through(window: &Window, guestlist: &Guestlist, place: &str) {
    window.open(place).await;
    window.wait_for_heading("Log in").await;
    assert!(window.url().await.as_str().starts_with(&guestlist.public_url));
    window.fill("email", ADA).await;
    log_in_by_form(window, guestlist, LOGIN).await;
    window.wait_for_heading("The book").await;
}

#[tokio::test]
async fn an_anonymous_visitor_logs_in_and_returns_to_the_requested_page() {
    let Some((browsers, guestlist, guestbook)) = start_connected().await else { return };
    add_user(&guestlist, ADA, "host").await;
    let window = browsers.profile().await;
    let place = format!("{}/book?chapter=2&verse=%26", guestbook.url);
    log_in_through(&window, &guestlist, &place).await;
    assert_eq!(window.url().await.as_str(), place);
    window.wait_for_text("You are Ada, a host.").await;
    window.wait_for_text(r#"{"guestbook":"host"}"#).await;
    window.fill("words", "I was here").await;
    window.click("Sign").await;
    window.wait_for_text("I was here Ada").await;
    window.assert_no_console_errors().await;
}

#[tokio::test]
async fn a_logged_in_visitor_continues_to_the_requested_page() {
    let Some((browsers, guestlist, guestbook)) = start_connected().await else { return };
    add_user(&guestlist, ADA, "guest").await;
    let window = browsers.profile().await;
    let place = format!("{}/book", guestbook.url);
    log_in_through(&window, &guestlist, &place).await;
    let back = place.replace(':', "%3A");
    window.open(&format!("{}/login?return_to={back}", guestlist.public_url)).await;
    window.click("Continue").await;
    window.wait_for_heading("The book").await;
}

#[tokio::test]
async fn only_scripts_of_the_application_may_read_the_session() {
    let Some((browsers, guestlist, guestbook)) = start_connected().await else { return };
    add_user(&guestlist, ADA, "guest").await;
    let window = browsers.profile().await;
    log_in_through(&window, &guestlist, &format!("{}/book", guestbook.url)).await;
    window.open(&format!("{}/live", guestbook.url)).await;
    window.wait_for_text("Guestlist says: ada@example.com").await;
    window.assert_no_console_errors().await;

    // The first host receives the cookies, the second does not.
    for host in ["other.app.localhost", "localhost"] {
        window.open(&format!("{}/live", guestbook.url_on(host))).await;
        window.wait_for_text("Guestlist may not be asked from here").await;
        let messages = window.console_errors().await;
        assert!(messages.iter().any(|output| output.contains("CORS")), "{host}: {messages:?}");
        // A script can't send a DELETE either.
        let end = format!(
            "return fetch('{}/v1/session', {{ method: 'DELETE', credentials: 'include' }})\
             .then(() => 'done', () => 'refused')",
            guestlist.public_url
        );
        assert_eq!(window.script(&end).await, "refused", "{host}");
        // A form needs no preflight request, and is refused because of its origin.
        let form = "const f = document.createElement('form'); f.method = 'post'; \
                    f.action = arguments; document.body.append(f); f.submit()";
        let form = form.replace("arguments", &format!("'{}/logout'", guestlist.public_url));
        let _ = window.script(&form).await;
        window.wait_for_text("cross_origin").await;
    }
    window.open(&format!("{}/book", guestbook.url)).await;
    window.wait_for_heading("The book").await;
}

#[tokio::test]
async fn logging_out_of_either_application_logs_out_of_both() {
    let Some((browsers, guestlist, guestbook)) = start_connected().await else { return };
    add_user(&guestlist, ADA, "guest").await;
    let window = browsers.profile().await;
    let book = format!("{}/book", guestbook.url);
    log_in_through(&window, &guestlist, &book).await;
    window.click("Log out").await;
    window.wait_for_heading("A guest book").await;
    window.wait_for_text("It is open to invited guests").await;
    window.open(&guestlist.public_url).await;
    window.wait_for_heading("Log in").await;
    assert_eq!(window.value("#email").await, ADA);

    log_in_through(&window, &guestlist, &book).await;
    window.open(&guestlist.public_url).await;
    window.click("Log out").await;
    window.wait_for_text("You are logged out.").await;
    window.open(&book).await;
    window.wait_for_heading("Log in").await;
    window.assert_no_console_errors().await;
}

#[tokio::test]
async fn stale_host_only_cookies_are_ignored_and_cleared() {
    let Some((browsers, guestlist, guestbook)) = start_connected().await else { return };
    add_user(&guestlist, ADA, "guest").await;
    let window = browsers.profile().await;
    let book = format!("{}/book", guestbook.url);
    log_in_through(&window, &guestlist, &book).await;
    window.open(&guestlist.public_url).await;
    window.wait_for_heading("You’re logged in").await;
    let (token, jwt) = ("stytch_session", "stytch_session_jwt");
    for name in [token, jwt] {
        window.add_host_cookie(name, "b2xk").await;
        assert_eq!(window.cookies(name).await.len(), 2);
    }
    window.reload().await;
    window.wait_for_heading("You’re logged in").await;
    for name in [token, jwt] {
        assert_eq!(window.cookies(name).await.len(), 1, "{name}");
    }
    window.add_host_cookie(token, "b2xk").await;
    window.click("Log out").await;
    window.wait_for_text("You are logged out.").await;
    assert!(window.cookies(token).await.is_empty() && window.cookies(jwt).await.is_empty());
    window.assert_no_console_errors().await;
}

#[tokio::test]
async fn the_application_notices_a_revoked_session() {
    let Some((browsers, guestlist, guestbook)) = start_connected().await else { return };
    add_user(&guestlist, ADA, "guest").await;
    let (phone, laptop) = (browsers.profile().await, browsers.profile().await);
    for window in [&phone, &laptop] {
        log_in_through(window, &guestlist, &format!("{}/book", guestbook.url)).await;
    }
    phone.fill("words", "Too late").await;
    laptop.open(&format!("{}/fast", guestbook.url)).await;
    laptop.wait_for_text("is logged in, or was").await;

    let path = user_path(&guestlist.user(ADA).await);
    let _ = guestlist.api().delete(&path).await.is(202);
    phone.click("Sign").await;
    phone.wait_for_heading("Log in").await;
    laptop.open(&guestbook.url).await;
    laptop.wait_for_text("It is open to invited guests").await;
    // The response cleared the cookies, including the JWT, which is verified locally.
    laptop.open(&format!("{}/fast", guestbook.url)).await;
    laptop.wait_for_text("no valid JWT").await;
}

#[tokio::test]
async fn an_invitation_from_the_application_returns_to_it() {
    let Some((browsers, guestlist, guestbook)) = start_connected().await else { return };
    add_user(&guestlist, ADA, "host").await;
    let (ada, bob) = (browsers.profile().await, browsers.profile().await);
    log_in_through(&ada, &guestlist, &format!("{}/book", guestbook.url)).await;
    ada.fill("email", "bob@example.com").await;
    ada.click("Invite").await;
    ada.wait_for_text("bob@example.com is invited.").await;
    ada.fill("email", "bob@example.com").await;
    ada.click("Invite").await;
    ada.wait_for_text("The address has an open invitation").await;

    bob.open(&guestlist.sandbox().nth_email("bob@example.com", 1).await.url).await;
    bob.click("Continue").await;
    bob.wait_for_heading("The book").await;
    assert_eq!(bob.url().await.as_str(), format!("{}/book?welcome", guestbook.url));
    bob.wait_for_text("You are bob@example.com, a guest.").await;
    assert_eq!(bob.count("#email").await, 0, "guests invite nobody");
    bob.assert_no_console_errors().await;
}

#[tokio::test]
async fn an_application_on_another_domain_has_its_own_login_pages() {
    let mut guestbook = Guestbook::on("elsewhere.localhost");
    let port = free_port();
    // Links open the application, and browsers never call Guestlist.
    let setup = guestbook.setup(port).env("PUBLIC_URL", &guestbook.url);
    let Some((browsers, mut guestlist)) = start_setup_with_browsers(setup).await else { return };
    guestlist.url = format!("http://127.0.0.1:{port}");
    guestbook.start(&guestlist, &[("GUESTBOOK_OWN_PAGES", "true")]).await;
    let window = browsers.profile().await;

    // An invitation redirects to its `return_to`.
    let place = format!("{}/book?welcome", guestbook.url);
    let body = json!({ "email": ADA, "name": "Ada", "return_to": place });
    let _ = guestlist.api().post("/v1/invitations", &body).await.is(202);
    let mail = guestlist.sandbox().nth_email(ADA, 1).await;
    window.open(&mail.url).await;
    window.click("Come in").await;
    window.wait_for_heading("The book").await;
    assert_eq!(window.url().await.as_str(), place);
    window.wait_for_text("You are Ada, a guest.").await;
    window.click("Log out").await;
    window.wait_for_text("It is open to invited guests").await;

    // A used link offers a new one.
    window.open(&mail.url).await;
    window.click("Come in").await;
    window.wait_for_text("Each link works once.").await;

    // The login form redirects to the requested page.
    let place = format!("{}/book?chapter=3", guestbook.url);
    window.open(&place).await;
    window.wait_for_heading("Log in to the guest book").await;
    window.fill("email", ADA).await;
    window.click(LOGIN).await;
    window.wait_for_text("Check your mail.").await;
    window.open(&guestlist.sandbox().nth_email(ADA, 2).await.url).await;
    window.click("Come in").await;
    window.wait_for_heading("The book").await;
    assert_eq!(window.url().await.as_str(), place);

    // A session that an administrator ends is refused.
    let path = user_path(&guestlist.user(ADA).await);
    let _ = guestlist.api().delete(&path).await.is(202);
    window.reload().await;
    window.wait_for_heading("Log in to the guest book").await;
    window.assert_no_console_errors().await;
}

#[tokio::test]
async fn the_connect_page_names_this_installation() {
    let Some((browsers, guestlist, guestbook)) = start_connected().await else { return };
    let window = browsers.profile_without_scripts().await;
    // An anonymous visitor is redirected through the login page.
    window.open(&format!("{}/connect", guestlist.public_url)).await;
    window.fill("email", &guestlist.admin_email).await;
    log_in_by_form(&window, &guestlist, LOGIN).await;
    window.wait_for_heading("Connect your application").await;
    window.wait_for_path("/connect").await;
    for words in [&guestlist.public_url, &guestbook.url, "The session cookies reach it"] {
        window.wait_for_text(words).await;
    }
    window.open(&guestlist.public_url).await;
    window.click("Connect").await;
    window.wait_for_heading("Connect your application").await;
    window.assert_no_console_errors().await;
}

#[tokio::test]
async fn a_renewed_jwt_reaches_the_browser_through_the_application() {
    let Some((browsers, guestlist, guestbook)) = start_connected().await else { return };
    let (_, mail) = guestlist.invite_and_mail(ADA).await;
    let window = browsers.profile().await;
    window.open(&mail.url).await;
    window.click("Continue").await;
    window.wait_for_heading("A guest book").await;
    let jwt = async || window.cookie("stytch_session_jwt").await.unwrap();
    // A truncated JWT is as invalid as an expired one.
    let cut = &jwt().await[..200];
    window.set_cookie("stytch_session_jwt", cut).await;
    assert_eq!(jwt().await, cut);
    window.open(&format!("{}/fast", guestbook.url)).await;
    window.wait_for_text("no valid JWT").await;
    window.open(&format!("{}/book", guestbook.url)).await;
    window.wait_for_heading("The book").await;
    assert_ne!(jwt().await, cut, "{}", guestbook.log());
    window.open(&format!("{}/fast", guestbook.url)).await;
    window.wait_for_text("is logged in, or was").await;
}
