//! An application on a host of its own, joined to Guestlist: `examples/guestbook`, as people see
//! it. Guestlist is on a host below the application's, and shares the session with it.

use guestlist_tests::browser::{Browsers, Window, seen_as};
use guestlist_tests::{Guestbook, Guestlist, free_port, id};
use serde_json::json;

use crate::steps::{ADA, asks_and_comes_in};

const LOGIN: &str = "Mail me a link";

/// The application on `app.localhost`, Guestlist on `guests.app.localhost`.
async fn joined() -> Option<(Browsers, Guestlist, Guestbook)> {
    let mut guestbook = Guestbook::on("app.localhost");
    let port = free_port();
    let public = format!("http://guests.app.localhost:{port}");
    let setup = guestbook.setup(port).env("PUBLIC_URL", &public);
    let (browsers, guestlist) = seen_as(setup.env("COOKIE_DOMAIN", "app.localhost")).await?;
    guestbook.start(&guestlist, &[]).await;
    Some((browsers, guestlist, guestbook))
}

/// Somebody who may come in, and has a role in the application.
async fn added(guestlist: &Guestlist, email: &str, role: &str) {
    let body = json!({ "email": email, "name": "Ada", "metadata": { "guestbook": role } });
    let _ = guestlist.api().post("/v1/users", &body).await.is(201);
}

/// Somebody opens a page of the application, is sent to log in, and does.
async fn comes_in_through(window: &Window, guestlist: &Guestlist, place: &str) {
    window.open(place).await;
    window.is_headed("Log in").await;
    assert!(window.url().await.as_str().starts_with(&guestlist.public_url));
    window.write("email", ADA).await;
    asks_and_comes_in(window, guestlist, LOGIN).await;
    window.is_headed("The book").await;
}

#[tokio::test]
async fn who_is_not_logged_in_is_sent_to_log_in_and_comes_back_to_the_page_they_wanted() {
    let Some((browsers, guestlist, guestbook)) = joined().await else { return };
    added(&guestlist, ADA, "host").await;
    let window = browsers.profile().await;
    let place = format!("{}/book?chapter=2&verse=%26", guestbook.url);
    comes_in_through(&window, &guestlist, &place).await;
    assert_eq!(window.url().await.as_str(), place);
    window.sees("You are Ada, a host.").await;
    window.sees(r#"{"guestbook":"host"}"#).await;
    window.write("words", "I was here").await;
    window.press("Sign").await;
    window.sees("I was here Ada").await;
    window.is_quiet().await;
}

#[tokio::test]
async fn who_is_logged_in_already_goes_on_to_the_page_they_wanted() {
    let Some((browsers, guestlist, guestbook)) = joined().await else { return };
    added(&guestlist, ADA, "guest").await;
    let window = browsers.profile().await;
    let place = format!("{}/book", guestbook.url);
    comes_in_through(&window, &guestlist, &place).await;
    let back = place.replace(':', "%3A");
    window.open(&format!("{}/login?return_to={back}", guestlist.public_url)).await;
    window.press("Continue").await;
    window.is_headed("The book").await;
}

#[tokio::test]
async fn a_script_may_ask_from_the_application_and_from_nowhere_else() {
    let Some((browsers, guestlist, guestbook)) = joined().await else { return };
    added(&guestlist, ADA, "guest").await;
    let window = browsers.profile().await;
    comes_in_through(&window, &guestlist, &format!("{}/book", guestbook.url)).await;
    window.open(&format!("{}/live", guestbook.url)).await;
    window.sees("Guestlist says: ada@example.com").await;
    window.is_quiet().await;

    // A host that gets the cookies, and one that does not.
    for host in ["other.app.localhost", "localhost"] {
        window.open(&format!("{}/live", guestbook.also_called(host))).await;
        window.sees("Guestlist may not be asked from here").await;
        let complaints = window.complaints().await;
        assert!(complaints.iter().any(|said| said.contains("CORS")), "{host}: {complaints:?}");
        // Nor may it do anything there, unread.
        let end = format!(
            "return fetch('{}/v1/session', {{ method: 'DELETE', credentials: 'include' }})\
             .then(() => 'done', () => 'refused')",
            guestlist.public_url
        );
        assert_eq!(window.script(&end).await, "refused", "{host}");
        // A form is asked for no leave beforehand: it is refused by where it comes from.
        let form = "const f = document.createElement('form'); f.method = 'post'; \
                    f.action = arguments; document.body.append(f); f.submit()";
        let form = form.replace("arguments", &format!("'{}/logout'", guestlist.public_url));
        let _ = window.script(&form).await;
        window.sees("cross_origin").await;
    }
    window.open(&format!("{}/book", guestbook.url)).await;
    window.is_headed("The book").await;
}

#[tokio::test]
async fn logging_out_of_one_logs_out_of_the_other() {
    let Some((browsers, guestlist, guestbook)) = joined().await else { return };
    added(&guestlist, ADA, "guest").await;
    let window = browsers.profile().await;
    let book = format!("{}/book", guestbook.url);
    comes_in_through(&window, &guestlist, &book).await;
    window.press("Log out").await;
    window.is_headed("A guest book").await;
    window.sees("It is open to invited guests").await;
    window.open(&guestlist.public_url).await;
    window.is_headed("Log in").await;
    assert_eq!(window.value("#email").await, ADA);

    comes_in_through(&window, &guestlist, &book).await;
    window.open(&guestlist.public_url).await;
    window.press("Log out").await;
    window.sees("You are logged out.").await;
    window.open(&book).await;
    window.is_headed("Log in").await;
    window.is_quiet().await;
}

#[tokio::test]
async fn cookies_from_before_the_session_was_shared_fool_nobody_and_are_cleared_away() {
    let Some((browsers, guestlist, guestbook)) = joined().await else { return };
    added(&guestlist, ADA, "guest").await;
    let window = browsers.profile().await;
    let book = format!("{}/book", guestbook.url);
    comes_in_through(&window, &guestlist, &book).await;
    window.open(&guestlist.public_url).await;
    window.is_headed("You’re in").await;
    let (token, jwt) = ("stytch_session", "stytch_session_jwt");
    for name in [token, jwt] {
        window.add_cookie_of_this_host(name, "b2xk").await;
        assert_eq!(window.cookies(name).await.len(), 2);
    }
    window.reload().await;
    window.is_headed("You’re in").await;
    for name in [token, jwt] {
        assert_eq!(window.cookies(name).await.len(), 1, "{name}");
    }
    window.add_cookie_of_this_host(token, "b2xk").await;
    window.press("Log out").await;
    window.sees("You are logged out.").await;
    assert!(window.cookies(token).await.is_empty() && window.cookies(jwt).await.is_empty());
    window.is_quiet().await;
}

#[tokio::test]
async fn a_session_that_an_administrator_ended_is_noticed_on_the_next_request() {
    let Some((browsers, guestlist, guestbook)) = joined().await else { return };
    added(&guestlist, ADA, "guest").await;
    let (phone, laptop) = (browsers.profile().await, browsers.profile().await);
    for window in [&phone, &laptop] {
        comes_in_through(window, &guestlist, &format!("{}/book", guestbook.url)).await;
    }
    phone.write("words", "Too late").await;
    laptop.open(&format!("{}/fast", guestbook.url)).await;
    laptop.sees("is logged in, or was").await;

    let path = format!("/v1/users/{}", id(&guestlist.user(ADA).await));
    let _ = guestlist.api().delete(&path).await.is(202);
    phone.press("Sign").await;
    phone.is_headed("Log in").await;
    laptop.open(&guestbook.url).await;
    laptop.sees("It is open to invited guests").await;
    // The answer cleared the cookies: the JWT, which needs no asking, is gone with them.
    laptop.open(&format!("{}/fast", guestbook.url)).await;
    laptop.sees("nobody").await;
}

#[tokio::test]
async fn an_invitation_from_the_application_lands_in_it() {
    let Some((browsers, guestlist, guestbook)) = joined().await else { return };
    added(&guestlist, ADA, "host").await;
    let (ada, bob) = (browsers.profile().await, browsers.profile().await);
    comes_in_through(&ada, &guestlist, &format!("{}/book", guestbook.url)).await;
    ada.write("email", "bob@example.com").await;
    ada.press("Invite").await;
    ada.sees("bob@example.com is invited.").await;
    ada.write("email", "bob@example.com").await;
    ada.press("Invite").await;
    ada.sees("The address has an open invitation").await;

    bob.open(&guestlist.stytch().mail("bob@example.com", 1).await.url).await;
    bob.press("Continue").await;
    bob.is_headed("The book").await;
    assert_eq!(bob.url().await.as_str(), format!("{}/book?welcome", guestbook.url));
    bob.sees("You are bob@example.com, a guest.").await;
    assert_eq!(bob.count("#email").await, 0, "guests invite nobody");
    bob.is_quiet().await;
}

#[tokio::test]
async fn an_application_on_another_domain_has_pages_of_its_own() {
    let mut guestbook = Guestbook::on("elsewhere.localhost");
    let port = free_port();
    // Links lead to the application; nobody's browser ever sees Guestlist.
    let setup = guestbook.setup(port).env("PUBLIC_URL", &guestbook.url);
    let Some((browsers, mut guestlist)) = seen_as(setup).await else { return };
    guestlist.url = format!("http://127.0.0.1:{port}");
    guestbook.start(&guestlist, &[("GUESTBOOK_OWN_PAGES", "true")]).await;
    let window = browsers.profile().await;

    // By an invitation, to where the inviter wanted.
    let place = format!("{}/book?welcome", guestbook.url);
    let body = json!({ "email": ADA, "name": "Ada", "return_to": place });
    let _ = guestlist.api().post("/v1/invitations", &body).await.is(202);
    let mail = guestlist.stytch().mail(ADA, 1).await;
    window.open(&mail.url).await;
    window.press("Come in").await;
    window.is_headed("The book").await;
    assert_eq!(window.url().await.as_str(), place);
    window.sees("You are Ada, a guest.").await;
    window.press("Log out").await;
    window.sees("It is open to invited guests").await;

    // A link works once, and its page has the way to a new one.
    window.open(&mail.url).await;
    window.press("Come in").await;
    window.sees("Each link works once.").await;

    // By the login form, to the page that was wanted.
    let place = format!("{}/book?chapter=3", guestbook.url);
    window.open(&place).await;
    window.is_headed("Log in to the guest book").await;
    window.write("email", ADA).await;
    window.press(LOGIN).await;
    window.sees("Check your mail.").await;
    window.open(&guestlist.stytch().mail(ADA, 2).await.url).await;
    window.press("Come in").await;
    window.is_headed("The book").await;
    assert_eq!(window.url().await.as_str(), place);

    // And out, when an administrator says so.
    let path = format!("/v1/users/{}", id(&guestlist.user(ADA).await));
    let _ = guestlist.api().delete(&path).await.is(202);
    window.reload().await;
    window.is_headed("Log in to the guest book").await;
    window.is_quiet().await;
}

#[tokio::test]
async fn the_page_that_tells_how_to_join_is_found_and_names_this_installation() {
    let Some((browsers, guestlist, guestbook)) = joined().await else { return };
    let window = browsers.profile_without_scripts().await;
    // Whoever is not logged in comes there by the login page.
    window.open(&format!("{}/connect", guestlist.public_url)).await;
    window.write("email", &guestlist.admin_email).await;
    asks_and_comes_in(&window, &guestlist, LOGIN).await;
    window.is_headed("Connect your application").await;
    window.is_at("/connect").await;
    for words in [&guestlist.public_url, &guestbook.url, "The session cookies reach it"] {
        window.sees(words).await;
    }
    window.open(&guestlist.public_url).await;
    window.press("Connect your application").await;
    window.is_headed("Connect your application").await;
    window.is_quiet().await;
}

#[tokio::test]
async fn a_renewed_jwt_reaches_the_browser_through_the_application() {
    let Some((browsers, guestlist, guestbook)) = joined().await else { return };
    let (_, mail) = guestlist.invite_and_mail(ADA).await;
    let window = browsers.profile().await;
    window.open(&mail.url).await;
    window.press("Continue").await;
    window.is_headed("A guest book").await;
    let jwt = async || window.cookie("stytch_session_jwt").await.unwrap();
    // As if its five minutes were over: one that is not whole is none.
    let cut = &jwt().await[..200];
    window.set_cookie("stytch_session_jwt", cut).await;
    assert_eq!(jwt().await, cut);
    window.open(&format!("{}/fast", guestbook.url)).await;
    window.sees("nobody").await;
    window.open(&format!("{}/book", guestbook.url)).await;
    window.is_headed("The book").await;
    assert_ne!(jwt().await, cut, "{}", guestbook.log());
    window.open(&format!("{}/fast", guestbook.url)).await;
    window.sees("is logged in, or was").await;
}
