//! `return_to`: login redirects to allowed origins only.

use std::io::{Read, Write};
use std::net::TcpListener;

use guestlist_tests::browser::{start_setup_with_browsers, start_with_browsers};
use guestlist_tests::{Engine, Guestlist};

use crate::steps::{ADA, log_in_by_form};

const LOGIN: &str = "Mail me a link";

/// Starts an application that responds to every request with a page, and returns its port.
fn application() -> u16 {
    const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n\
                          <link rel=icon href='data:,'><h1>The application</h1>";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            // A browser may open connections that it never uses.
            std::thread::spawn(move || {
                if stream.read(&mut [0; 8192]).is_ok_and(|read| read > 0) {
                    let _ = stream.write_all(ANSWER.as_bytes());
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn return_to_leads_to_the_application_after_login() {
    let port = application();
    let place = format!("http://localhost:{port}/orders?page=2");
    let setup = Guestlist::dev(Engine::Sqlite);
    let setup = setup.env("APP_ORIGINS", &format!("http://localhost:{port}"));
    let Some((browsers, guestlist)) = start_setup_with_browsers(setup).await else { return };
    let _ = guestlist.member(ADA).await;
    let window = browsers.profile().await;
    let query = place.replace('?', "%3F").replace('&', "%26");
    window.open(&format!("{}/login?return_to={query}", guestlist.public_url)).await;
    window.fill("email", ADA).await;
    log_in_by_form(&window, &guestlist, LOGIN).await;
    window.wait_for_heading("The application").await;
    assert_eq!(window.url().await.as_str(), place);
    window.assert_no_console_errors().await;
}

#[tokio::test]
async fn return_to_ignores_other_origins() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let port = application();
    let elsewhere = ["", "//", "/%5C", "https:", "http://localhost@"];
    let elsewhere = elsewhere.map(|before| match before {
        "" => format!("http://127.0.0.1:{port}/"),
        "https:" => "javascript:document.title=1".to_owned(),
        before => format!("{before}127.0.0.1:{port}/"),
    });
    // Each round uses another address, because of the limit of five mails an hour.
    for (n, place) in elsewhere.iter().enumerate() {
        let email = format!("guest{n}@example.com");
        let _ = guestlist.member(&email).await;
        let window = browsers.profile().await;
        window.open(&format!("{}/login?return_to={place}", guestlist.public_url)).await;
        assert_eq!(window.count("[name=return_to]").await, 0, "{place}");
        window.fill("email", &email).await;
        log_in_by_form(&window, &guestlist, LOGIN).await;
        window.wait_for_heading("You’re logged in").await;
        window.wait_for_path("/").await;
    }
}

#[tokio::test]
async fn requesting_another_link_keeps_address_and_return_to() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let _ = guestlist.member(ADA).await;
    let window = browsers.profile().await;
    window.open(&format!("{}/login?return_to=/%3Fhere", guestlist.public_url)).await;
    window.fill("email", ADA).await;
    window.click(LOGIN).await;
    window.wait_for_heading("Check your mail").await;
    window.click("Send it again").await;
    window.wait_for_text("Sent again").await;
    let mail = guestlist.sandbox().nth_email(ADA, 3).await;
    window.open(&mail.url).await;
    window.click("Continue").await;
    window.wait_for_path("/?here").await;
}
