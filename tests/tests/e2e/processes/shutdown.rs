//! Shutdown is bounded, even with stalled clients or a frozen database.

use std::time::Duration;

use guestlist_tests::{DatabaseServer, Engine, Guestlist, Process, SHORT, Socket, wait_until};

/// The time after which supervisors commonly kill a program.
///
/// A program takes at most 20 s to drain and 3 s to flush, and exits with an error after 27 s. A
/// successful exit within this limit therefore shows that neither step was cut off, with 4 s to
/// spare on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);
const INCOMPLETE: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";

async fn assert_stops(process: &Process) {
    process.terminate();
    let status = wait_until(LIMIT, "the program stops", async || process.status()).await;
    assert!(status.success(), "it exited with {status}:\n{}", process.log());
}

#[tokio::test]
async fn an_incomplete_request_does_not_delay_shutdown() {
    let body = "POST /v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n{";
    let split = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    let _open = [
        Socket::sending(&split.url, INCOMPLETE).await,
        Socket::sending(&split.url, body).await,
        Socket::sending(&split.worker_urls[0], INCOMPLETE).await,
    ];
    tokio::join!(assert_stops(split.app()), assert_stops(&split.workers()[0]));
    let dev = Guestlist::dev(Engine::Sqlite).start().await;
    let _open = [
        Socket::sending(&dev.url, INCOMPLETE).await,
        Socket::sending(&dev.worker_urls[0], INCOMPLETE).await,
        Socket::sending(&dev.sandbox_url, INCOMPLETE).await,
    ];
    assert_stops(dev.app()).await;
}

#[tokio::test]
async fn a_frozen_database_does_not_block_shutdown() {
    for engine in Engine::with_server() {
        let server = DatabaseServer::start(engine).await;
        let split = Guestlist::split(engine).on_server(&server.url()).workers(1).start().await;
        let dev = Guestlist::dev(engine).on_server(&server.url()).start().await;
        server.freeze();
        let mut waiting = Vec::new();
        for guestlist in [&split, &dev] {
            let key = format!("Authorization: Bearer {}", guestlist.api_key);
            let request = format!("GET /v1/users HTTP/1.1\r\nHost: localhost\r\n{key}\r\n\r\n");
            waiting.push(Socket::sending(&guestlist.url, &request).await);
        }
        tokio::join!(
            assert_stops(split.app()),
            assert_stops(&split.workers()[0]),
            assert_stops(dev.app())
        );
        // Dropping them would connect to the frozen server to drop their databases.
        std::mem::forget((split, dev));
    }
}

#[tokio::test]
async fn a_second_signal_stops_a_program_at_once() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let key = format!("Authorization: Bearer {}\r\n", guestlist.api_key);
    let head = format!("POST /v1/invitations HTTP/1.1\r\nHost: localhost\r\n{key}");
    let body = "Content-Type: application/json\r\nContent-Length: 20\r\n\r\n{";
    let _slow = Socket::sending(&guestlist.url, &format!("{head}{body}")).await;
    for signal in ["INT", "TERM"] {
        guestlist.app().signal(signal);
        wait_until(SHORT, "the program announces its shutdown", async || {
            guestlist.stderr().contains("signal again to stop at once").then_some(())
        })
        .await;
    }
    let status = wait_until(SHORT, "the program stops", async || guestlist.app().status()).await;
    assert_eq!(status.code(), Some(130), "{}", guestlist.logs());
}
