//! No secret, token or address comes into a log line at any level, an error, or a `Debug`.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use guestlist_domain::{Clock, IdentityProvider};
use guestlist_stytch::StytchProvider;
use serde_json::json;
use tracing_subscriber::{filter::LevelFilter, util::SubscriberInitExt};

use crate::{
    calls::{TOKEN, ada, authenticated, invite, login},
    minter::{NEXT, OURS},
    stub::{
        Asked, PROJECT_ID, Reply, SECRET, Stub, answer, clock, impatient, json as says, options,
    },
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// A server that says everything it was told back to the caller, in every way that there is.
fn gossip(asked: &Asked, how: usize) -> Reply {
    let heard = format!("ada@example.com says {} and {TOKEN} and {SECRET}", asked.body);
    match how {
        0 => says(200, &authenticated()),
        1 => says(200, &json!({"user_id": [&heard], "session": heard, "results": heard})),
        2 => says(400, &json!({"error_type": "invalid_token", "error_message": heard})),
        3 => says(400, &json!({"error_type": heard, "error_message": heard})),
        4 => answer(502, "content-type: text/html\r\n", heard),
        5 => answer(302, &format!("location: /?token={TOKEN}&email=ada@example.com\r\n"), heard),
        6 => Reply::Bytes(format!("HTTP/1.1 200 {TOKEN}\r\n{heard}").into_bytes(), true),
        7 => Reply::Bytes(heard.into_bytes(), true),
        8 => Reply::Close,
        _ => Reply::Hang,
    }
}

/// Calls everything, and gives all that can be printed of it.
async fn call_all(provider: &StytchProvider) -> String {
    let jwts = [OURS.jwt(clock().now()), NEXT.jwt(clock().now())];
    let mut seen = format!("{provider:?}");
    let mut see = |answer: String| seen.push_str(&answer);
    see(format!("{:?}", provider.send_invite(&invite()).await));
    see(format!("{:?}", provider.send_login(&login()).await));
    see(format!("{:?}", provider.revoke_invite(&ada()).await));
    see(format!("{:?}", provider.authenticate_link(TOKEN, 60).await));
    see(format!("{:?}", provider.refresh_session(TOKEN).await));
    see(format!("{:?}", provider.revoke_session("session-test-1").await));
    see(format!("{:?}", provider.delete_user("user-test-1").await));
    see(format!("{:?}", provider.find_user(&ada()).await));
    see(format!("{:?}", provider.check_credentials().await));
    for jwt in jwts {
        see(format!("{:?}", provider.verify_jwt(&jwt).await));
    }
    seen
}

// The subscriber is everybody's, so it hears the other tests too; `log` is bridged to it.
#[tokio::test]
async fn nothing_secret_or_personal_is_said() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish()
        .init();

    let mut seen = format!("{:?}", options("http://127.0.0.1:1/"));
    for how in 0..10 {
        let stub = Stub::start(move |asked| gossip(asked, how)).await;
        seen.push_str(&call_all(&impatient(&stub.url)).await);
    }
    let nobody = Stub::saying(Reply::Close).await.url.clone();
    seen.push_str(&call_all(&impatient(&nobody)).await);

    let log = log.text();
    assert!(log.contains("the keys for session JWTs can't be fetched"), "our own words are heard");
    assert!(log.contains("starting new connection"), "and reqwest's");
    let basic = STANDARD.encode(format!("{PROJECT_ID}:{SECRET}"));
    let jwt = OURS.jwt(clock().now());
    let session_token = authenticated()["session_token"].to_string();
    for secret in [
        SECRET,
        TOKEN,
        &basic,
        jwt.rsplit_once('.').unwrap().0,
        "ada@example.com",
        session_token.trim_matches('"'),
        "Lovelace",
    ] {
        for line in log.lines().chain([seen.as_str()]) {
            assert!(!line.contains(secret), "{secret} is in {line}");
        }
    }
}
