//! CPU time of an idle worker, and the latency of its first job.

use std::time::Duration;

use guestlist_tests::{Guestlist, Process, one_engine_at_a_time};

use crate::exclusive;

/// Returns the CPU time of a process in kernel ticks of 10 ms.
fn ticks(process: &Process) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // Fields 14 and 15 of proc(5): user and system time.
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[tokio::test]
async fn an_idle_worker_uses_less_than_one_percent_of_a_core() {
    const MEASURED: Duration = Duration::from_secs(10);
    let _exclusive = exclusive().await;
    one_engine_at_a_time(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(1).start().await;
        guestlist.wait_for_jobs().await;
        let worker = &guestlist.workers()[0];
        let before = ticks(worker);
        tokio::time::sleep(MEASURED).await;
        let spent = ticks(worker) - before;
        println!("{engine}: {spent} ticks in {MEASURED:?}");
        let allowed = if cfg!(debug_assertions) { 2 } else { 1 };
        assert!(spent <= allowed * MEASURED.as_secs(), "{engine}: {spent} hundredths of a second");
    })
    .await;
}

/// The time from the commit that queues a job to the start of its attempt.
#[tokio::test]
async fn mail_is_sent_promptly_whichever_process_queued_it() {
    const ROUNDS: usize = 31;
    let _exclusive = exclusive().await;
    one_engine_at_a_time(|engine| async move {
        let apart = Guestlist::split(engine).workers(1).start().await;
        let together = Guestlist::dev(engine).start().await;
        for (guestlist, limit) in [(&apart, 250), (&together, 10)] {
            for n in 0..ROUNDS {
                let _ = guestlist.invite(&format!("guest{n}@example.com")).await;
                let _ = guestlist.sandbox().nth_email(&format!("guest{n}@example.com"), 1).await;
                // Vary the moment within the worker's poll interval.
                tokio::time::sleep(Duration::from_millis(37 * n as u64 % 400)).await;
            }
            let waits = "SELECT started_at - created_at FROM jobs WHERE kind = 'send-invite' \
                         ORDER BY started_at - created_at";
            let waits = guestlist.database().query(waits).await;
            let median: i64 = waits[ROUNDS / 2].try_get_by_index(0).unwrap();
            println!("{engine}: begun after {} ms (median)", median / 1000);
            // An unoptimized build is several times slower.
            let limit = if cfg!(debug_assertions) { limit * 2 } else { limit };
            assert!(median < limit * 1000, "{engine}: {median} µs");
        }
    })
    .await;
}
