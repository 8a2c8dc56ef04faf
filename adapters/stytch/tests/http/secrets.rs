//! No secret, token or address is in a log line of any level, an error, or `Debug` output.

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
    requests::{TOKEN, ada, authenticated, invite, login},
    signing_keys::{CURRENT_KEY, NEXT_KEY},
    stub_server::{
        PROJECT_ID, ReceivedRequest, Reply, SECRET, StubServer, clock, json_response, options,
        provider_with_short_timeout, response,
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

/// Sends the request back, in a different place of the response for each `variant`.
fn echo(request: &ReceivedRequest, variant: usize) -> Reply {
    let quoted = format!("ada@example.com sends {} and {TOKEN} and {SECRET}", request.body);
    match variant {
        0 => json_response(200, &authenticated()),
        1 => {
            json_response(200, &json!({"user_id": [&quoted], "session": quoted, "results": quoted}))
        }
        2 => json_response(400, &json!({"error_type": "invalid_token", "error_message": quoted})),
        3 => json_response(400, &json!({"error_type": quoted, "error_message": quoted})),
        4 => response(502, "content-type: text/html\r\n", quoted),
        5 => response(302, &format!("location: /?token={TOKEN}&email=ada@example.com\r\n"), quoted),
        6 => Reply::Bytes(format!("HTTP/1.1 200 {TOKEN}\r\n{quoted}").into_bytes(), true),
        7 => Reply::Bytes(quoted.into_bytes(), true),
        8 => Reply::Close,
        _ => Reply::Hang,
    }
}

/// Calls every method and returns all results, formatted.
async fn call_all(provider: &StytchProvider) -> String {
    let jwts = [CURRENT_KEY.jwt(clock().now()), NEXT_KEY.jwt(clock().now())];
    let mut output = format!("{provider:?}");
    let mut record = |result: String| output.push_str(&result);
    record(format!("{:?}", provider.send_invite(&invite()).await));
    record(format!("{:?}", provider.send_login(&login()).await));
    record(format!("{:?}", provider.revoke_invite(&ada()).await));
    record(format!("{:?}", provider.authenticate_link(TOKEN, 60).await));
    record(format!("{:?}", provider.refresh_session(TOKEN).await));
    record(format!("{:?}", provider.revoke_session("session-test-1").await));
    record(format!("{:?}", provider.delete_user("user-test-1").await));
    record(format!("{:?}", provider.find_user(&ada()).await));
    record(format!("{:?}", provider.check_credentials().await));
    for jwt in jwts {
        record(format!("{:?}", provider.verify_jwt(&jwt).await));
    }
    output
}

// The subscriber is global, so it also records other tests; `log` is bridged to it.
#[tokio::test]
async fn nothing_secret_or_personal_is_logged_or_formatted() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish()
        .init();

    let mut output = format!("{:?}", options("http://127.0.0.1:1/"));
    for variant in 0..10 {
        let server = StubServer::start(move |request| echo(request, variant)).await;
        output.push_str(&call_all(&provider_with_short_timeout(&server.url)).await);
    }
    let closed = StubServer::always(Reply::Close).await.url.clone();
    output.push_str(&call_all(&provider_with_short_timeout(&closed)).await);

    let log = log.text();
    assert!(log.contains("failed to fetch session JWT keys"), "events of this crate are recorded");
    assert!(log.contains("starting new connection"), "events of reqwest are recorded");
    let basic = STANDARD.encode(format!("{PROJECT_ID}:{SECRET}"));
    let jwt = CURRENT_KEY.jwt(clock().now());
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
        for line in log.lines().chain([output.as_str()]) {
            assert!(!line.contains(secret), "{secret} is in {line}");
        }
    }
}
