//! Sweeping expired rows while requests are served.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use guestlist_tests::{Guestlist, LONG, TestDatabase, Visitor, one_engine_at_a_time, wait_until};
use serde_json::json;

use crate::exclusive;

const EXPIRED: usize = 100_000;
const ROWS_A_STATEMENT: usize = 1000;

/// Inserts expired sessions in one transaction.
async fn insert_expired(database: &TestDatabase) {
    let mut statements = vec!["BEGIN".to_owned()];
    for first in (0..EXPIRED).step_by(ROWS_A_STATEMENT) {
        let rows: Vec<_> = (first..first + ROWS_A_STATEMENT)
            .map(|n| {
                format!(
                    "(X'{n:032x}', X'{n:032x}', 'session-test-{n}', X'{n:064x}', 1, {}, 1)",
                    2 + n
                )
            })
            .collect();
        statements.push(format!(
            "INSERT INTO sessions (id, user_id, provider_session_id, token_hash, started_at, expires_at, last_used_at) VALUES {}",
            rows.join(", ")
        ));
    }
    statements.push("COMMIT".to_owned());
    database.execute_all(&statements).await;
}

/// Sends requests from four clients until `is_over`; returns the sorted response times.
async fn send_requests(
    guestlist: &Guestlist,
    ada: &Visitor,
    name: &str,
    is_over: impl AsyncFn() -> bool,
) -> Vec<Duration> {
    let over = AtomicBool::new(false);
    let person = async |who: usize| {
        let mut times = Vec::new();
        for n in 0.. {
            let asked = Instant::now();
            let _ = ada.caller().get("/v1/session").await.is(200);
            times.push(asked.elapsed());
            let asked = Instant::now();
            let body = json!({ "email": format!("{name}{who}n{n}@example.com") });
            let _ = guestlist.api().post("/v1/invitations", &body).await.is(202);
            times.push(asked.elapsed());
            if over.load(Ordering::Relaxed) {
                break;
            }
        }
        times
    };
    let watch = async {
        let what = "the condition holds";
        wait_until(LONG, what, async || is_over().await.then_some(())).await;
        over.store(true, Ordering::Relaxed);
    };
    let (one, two, three, four, ()) =
        tokio::join!(person(1), person(2), person(3), person(4), watch);
    let mut times = [one, two, three, four].concat();
    times.sort();
    times
}

fn p99(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() * 99 / 100]
}

#[tokio::test]
async fn sweeping_expired_sessions_does_not_slow_requests() {
    let _exclusive = exclusive().await;
    one_engine_at_a_time(|engine| async move {
        let setup = Guestlist::split(engine).workers(1).env("SWEEP_INTERVAL", "24h");
        let mut guestlist = setup.start().await;
        let ada = guestlist.member("ada@example.com").await;
        // The baseline: this machine with a worker that has nothing to sweep.
        let end = Instant::now() + Duration::from_secs(3);
        let usual = send_requests(&guestlist, &ada, "a", async || Instant::now() > end).await;
        guestlist.stop_worker(0).await;
        insert_expired(guestlist.database()).await;
        guestlist.set_env("SWEEP_INTERVAL", "1s");
        guestlist.start_worker().await;

        let began = Instant::now();
        let swept = async || {
            let left = "SELECT COUNT(*) FROM sessions";
            guestlist.database().integer(left).await == 1
        };
        let under_load = send_requests(&guestlist, &ada, "b", swept).await;
        let (usual, under_load, count) = (p99(&usual), p99(&under_load), under_load.len());
        eprintln!(
            "{engine}: swept in {:.1?}; p99 of {count} requests {under_load:.1?}, usually {usual:.1?}",
            began.elapsed(),
        );
        // On SQLite a write waits for the sweep's write, and looks for its end every 100 ms at most.
        let bound = usual * 4 + Duration::from_millis(750);
        assert!(under_load < bound, "p99 was {under_load:?}, and is {usual:?} otherwise");
        let _ = ada.caller().get("/v1/session").await.is(200);
    })
    .await;
}
