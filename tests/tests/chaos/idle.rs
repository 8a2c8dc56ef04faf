//! How often an idle worker wakes, and the latency of its first job.

use std::time::Duration;

use guestlist_tests::{Guestlist, Process, one_engine_at_a_time};

use crate::exclusive;

/// Returns how often the threads of a process have waited.
fn waits(process: &Process) -> u64 {
    let of = |thread: std::fs::DirEntry| {
        let status = std::fs::read_to_string(thread.path().join("status")).unwrap();
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        count.unwrap().trim().parse::<u64>().unwrap()
    };
    let threads = std::fs::read_dir(format!("/proc/{}/task", process.id())).unwrap();
    threads.map(|thread| of(thread.unwrap())).sum()
}

#[tokio::test]
async fn an_idle_worker_rarely_wakes() {
    const MEASURED: Duration = Duration::from_secs(10);
    let _exclusive = exclusive().await;
    one_engine_at_a_time(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(1).start().await;
        guestlist.wait_for_jobs().await;
        let worker = &guestlist.workers()[0];
        let before = waits(worker);
        tokio::time::sleep(MEASURED).await;
        let waits = waits(worker).abs_diff(before) / MEASURED.as_secs();
        println!("{engine}: {waits} wakes a second");
        // Each costs 10 to 100 µs of processor time, depending on the machine.
        assert!(waits < 100, "{engine}: {waits}");
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
