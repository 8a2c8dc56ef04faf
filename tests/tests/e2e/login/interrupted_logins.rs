//! The database fails after Stytch has authenticated a link. A retry completes the login.

use std::time::Duration;

use guestlist_tests::{DatabaseServer, Engine, Guestlist, LONG, SHORT, wait_until};
use serde_json::json;
use tokio::task::JoinHandle;

/// Starts to redeem a link, and returns after Stytch has consumed it and before Stytch responds.
async fn start_redeeming(
    guestlist: &Guestlist,
    token: &str,
) -> JoinHandle<guestlist_tests::Response> {
    let slow = json!({ "latency_ms": 5000, "path": "/v1/magic_links/authenticate" });
    guestlist.sandbox().set_faults(&slow).await;
    let (caller, token) = (guestlist.anonymous(), token.to_owned());
    let request =
        tokio::spawn(
            async move { caller.form("/authenticate", &[("token", token.as_str())]).await },
        );
    wait_until(SHORT, "Stytch has authenticated the link", async || {
        let asked =
            guestlist.sandbox().call_count("POST /v1/magic_links/authenticate", "200").await;
        (asked == 1).then_some(())
    })
    .await;
    request
}

/// Asserts that retries succeed, and that exactly one session is created.
async fn assert_login_completes(guestlist: &Guestlist, token: &str) {
    guestlist.sandbox().clear_faults().await;
    let fields = [("token", token)];
    let logged_in = wait_until(LONG, "a retry succeeds", async || {
        let redeemed = guestlist.browser().form("/authenticate", &fields).await;
        // Until it succeeds, the error is the database's and not the link's.
        assert!([303, 503].contains(&redeemed.status), "{redeemed:?}");
        (redeemed.status == 303).then_some(redeemed)
    })
    .await;
    assert!(logged_in.set_cookie("stytch_session").is_some(), "{logged_in:?}");
    assert_eq!(guestlist.database().integer("SELECT COUNT(*) FROM sessions").await, 1);
    assert_eq!(guestlist.user("ada@example.com").await["status"], "active");
    let asked = guestlist.sandbox().call_count("POST /v1/magic_links/authenticate", "200").await;
    assert_eq!(asked, 1, "a link works once");
    // The stored result can be used once.
    let again = guestlist.anonymous().form("/authenticate", &fields).await;
    let _ = again.problem(409, "link_used");
}

fn assert_database_unavailable(response: &guestlist_tests::Response) {
    let problem = response.problem(503, "database_unavailable");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("try again"), "{detail}");
    assert!(response.header("retry-after").is_some(), "{response:?}");
}

#[tokio::test]
async fn a_login_interrupted_by_a_frozen_server_is_completed_by_a_retry() {
    for engine in Engine::with_server() {
        let server = DatabaseServer::start(engine).await;
        let setup = Guestlist::split(engine).on_server(&server.url()).workers(1);
        let guestlist = setup.start().await;
        let (_, mail) = guestlist.invite_and_mail("ada@example.com").await;

        let request = start_redeeming(&guestlist, &mail.token).await;
        server.freeze();
        assert!(!request.is_finished(), "Stytch has answered too early for this test");
        assert_database_unavailable(&request.await.unwrap());
        // A second attempt consumes nothing.
        let fields = [("token", mail.token.as_str())];
        assert_database_unavailable(&guestlist.anonymous().form("/authenticate", &fields).await);
        server.thaw();

        assert_login_completes(&guestlist, &mail.token).await;
    }
}

#[tokio::test]
async fn a_login_interrupted_by_a_locked_file_is_completed_by_a_retry() {
    let guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    let (_, mail) = guestlist.invite_and_mail("ada@example.com").await;
    guestlist.wait_for_jobs().await;

    let request = start_redeeming(&guestlist, &mail.token).await;
    let ((), response) =
        tokio::join!(guestlist.database().lock_for(Duration::from_secs(20)), async {
            request.await.unwrap()
        },);
    assert_database_unavailable(&response);

    assert_login_completes(&guestlist, &mail.token).await;
}
