//! Request ids, liveness and readiness.

use std::time::{Duration, Instant};

use guestlist_tests::{Caller, Engine, Guestlist, SHORT, on_every_engine, wait_until};
use reqwest::Method;

#[tokio::test]
async fn every_response_has_a_request_id() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let anonymous = guestlist.anonymous();
    let mut ids = Vec::new();
    for path in
        ["/login", "/healthz", "/readyz", "/v1/users", "/nonsense", "/", "/static/guestlist.css"]
    {
        let response = anonymous.get(path).await;
        ids.push(response.header("x-request-id").expect("an id").to_owned());
    }
    let put = anonymous.call(Method::PUT, "/login", None, "").await;
    ids.push(put.header("x-request-id").expect("an id").to_owned());
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "each its own");
    let given = anonymous.with("x-request-id", "mine-1.2_3").get("/v1/users").await;
    assert_eq!(given.problem(401, "session_missing")["request_id"], "mine-1.2_3");
    for bad in ["a b", "<script>", &"x".repeat(200)] {
        let response = anonymous.with("x-request-id", bad).get("/healthz").await.is(200);
        assert_ne!(response.header("x-request-id"), Some(bad));
    }
}

#[tokio::test]
async fn a_process_is_ready_while_its_database_is() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(1).start().await;
        let worker = Caller::new(&guestlist.worker_urls[0]);
        for caller in [&guestlist.anonymous(), &worker] {
            let _ = caller.get("/healthz").await.is(200);
            let _ = caller.get("/readyz").await.is(200);
        }
        let _ = guestlist.run_ok(&["migrate", "down"]).await;
        let _ = guestlist.anonymous().get("/readyz").await.is(503);
        let _ = worker.get("/readyz").await.is(503);
        let _ = guestlist.anonymous().get("/healthz").await.is(200);
        let lost = guestlist.api().get("/v1/users").await;
        let _ = lost.problem(500, "internal_error");
        let inside = ["sql", "table", "SQL", "users"];
        assert!(!inside.iter().any(|word| lost.body.contains(word)), "{}", lost.body);
        let _ = guestlist.run_ok(&["migrate", "up"]).await;
        let _ = guestlist.anonymous().get("/readyz").await.is(200);
        let _ = worker.get("/readyz").await.is(200);
    })
    .await;
}

#[tokio::test]
async fn a_locked_database_file_is_reported_within_seconds() {
    let guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    guestlist.wait_for_jobs().await;
    let worker = Caller::new(&guestlist.worker_urls[0]);
    let locked = guestlist.database().lock_for(Duration::from_secs(20));
    let observed = async {
        wait_until(SHORT, "the file is locked", async || {
            guestlist.database().is_locked().await.then_some(())
        })
        .await;
        // A write that has just succeeded is not repeated.
        tokio::time::sleep(Duration::from_secs(2)).await;
        for caller in [&guestlist.anonymous(), &worker] {
            let asked = Instant::now();
            let _ = caller.get("/readyz").await.is(503);
            assert!(asked.elapsed() < Duration::from_secs(6), "after {:?}", asked.elapsed());
        }
        let asked = Instant::now();
        let status = guestlist.api().get("/v1/status").await.is(200).json();
        assert!(asked.elapsed() < Duration::from_secs(6), "after {:?}", asked.elapsed());
        let summary = status["summary"].as_str().unwrap();
        assert!(summary.contains("another program has locked the database file"), "{summary}");
    };
    tokio::join!(locked, observed);
    guestlist.wait_until_ready().await;
    // The worker reports again.
    wait_until(SHORT, "mail is sent", async || {
        let status = guestlist.api().get("/v1/status").await.is(200).json();
        status["summary"].as_str().unwrap().starts_with("SENDING").then_some(())
    })
    .await;
}

#[tokio::test]
async fn serve_runs_a_worker_in_the_same_process() {
    let mut guestlist = Guestlist::split(Engine::Sqlite).workers(0).prepare().await;
    guestlist.start_sandbox().await;
    let _ = guestlist.run_ok(&["migrate", "up"]).await;
    guestlist.api_key = guestlist.create_key("tests", &[]).await.1;
    let serve = guestlist.spawn("guestlist", &["serve", "--worker"]);
    let line = serve
        .wait_for_line(guestlist_tests::SHORT, |line| line.starts_with("Guestlist listens"))
        .await;
    let url = line.split_whitespace().find(|word| word.starts_with("http")).unwrap();
    url.trim_end_matches(',').clone_into(&mut guestlist.url);
    let _ = guestlist.member("ada@example.com").await;
    serve.terminate();
    assert_eq!(serve.wait_for_exit(guestlist_tests::SHORT).await.code, Some(0));
}
