//! After coming in, people are where they wanted to go, and never elsewhere.

use std::io::{Read, Write};
use std::net::TcpListener;

use guestlist_tests::browser::{seen_as, seen_by_browsers};
use guestlist_tests::{Engine, Guestlist};

use crate::steps::{ADA, asks_and_comes_in};

const LOGIN: &str = "Mail me a link";

/// An application of its own: answers every call with a page. Says its port.
fn application() -> u16 {
    const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n\
                          <link rel=icon href='data:,'><h1>The application</h1>";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            // A browser opens connections that it may never speak on.
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
async fn return_to_leads_to_the_application_after_coming_in() {
    let port = application();
    let place = format!("http://localhost:{port}/orders?page=2");
    let setup = Guestlist::dev(Engine::Sqlite);
    let setup = setup.env("APP_ORIGINS", &format!("http://localhost:{port}"));
    let Some((browsers, guestlist)) = seen_as(setup).await else { return };
    let _ = guestlist.member(ADA).await;
    let window = browsers.profile().await;
    let query = place.replace('?', "%3F").replace('&', "%26");
    window.open(&format!("{}/login?return_to={query}", guestlist.public_url)).await;
    window.write("email", ADA).await;
    asks_and_comes_in(&window, &guestlist, LOGIN).await;
    window.is_headed("The application").await;
    assert_eq!(window.url().await.as_str(), place);
    window.is_quiet().await;
}

#[tokio::test]
async fn return_to_leads_nowhere_that_is_not_ours() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let port = application();
    let elsewhere = ["", "//", "/%5C", "https:", "http://localhost@"];
    let elsewhere = elsewhere.map(|before| match before {
        "" => format!("http://127.0.0.1:{port}/"),
        "https:" => "javascript:document.title=1".to_owned(),
        before => format!("{before}127.0.0.1:{port}/"),
    });
    // One for each address: no more than five mails an hour.
    for (n, place) in elsewhere.iter().enumerate() {
        let email = format!("guest{n}@example.com");
        let _ = guestlist.member(&email).await;
        let window = browsers.profile().await;
        window.open(&format!("{}/login?return_to={place}", guestlist.public_url)).await;
        assert_eq!(window.count("[name=return_to]").await, 0, "{place}");
        window.write("email", &email).await;
        asks_and_comes_in(&window, &guestlist, LOGIN).await;
        window.is_headed("You’re in").await;
        window.is_at("/").await;
    }
}

#[tokio::test]
async fn asking_again_forgets_neither_the_address_nor_the_place() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let _ = guestlist.member(ADA).await;
    let window = browsers.profile().await;
    window.open(&format!("{}/login?return_to=/%3Fhere", guestlist.public_url)).await;
    window.write("email", ADA).await;
    window.press(LOGIN).await;
    window.is_headed("Check your mail").await;
    window.press("send it again").await;
    window.is_headed("Check your mail").await;
    let mail = guestlist.stytch().mail(ADA, 3).await;
    window.open(&mail.url).await;
    window.press("Continue").await;
    window.is_at("/?here").await;
}
