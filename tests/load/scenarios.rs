//! What is measured, in the order in which it is measured.

use std::time::{Duration, Instant};

use guestlist_tests::program;

use crate::client::{LoadResult, Until, load, request};
use crate::figures::Series;
use crate::installation::Installation;
use crate::options::{Options, Scenario};
use crate::{pages, processes, seed};

/// Jobs of the backlogs. With a slow Stytch, 50 at a time take 120 ms.
const BACKLOG: u64 = 3000;
const SLOW_BACKLOG: u64 = 1500;
const SLOW_MS: u64 = 120;
/// The longest wait for mails.
const LIMIT: Duration = Duration::from_mins(3);
const WARM_UP: Duration = Duration::from_secs(1);

/// Runs the scenarios of `options` on one installation.
pub async fn run(installation: &mut Installation, options: &Options, series: &mut Series) {
    let all: [Scenario; 8] = [
        Scenario::Rest,
        Scenario::Pickup,
        Scenario::Session,
        Scenario::Lists,
        Scenario::Pages,
        Scenario::Accept,
        Scenario::Drain,
        Scenario::Deliver,
    ];
    let is_included = |scenario: &Scenario| options.includes(*scenario);
    for scenario in all.into_iter().filter(is_included) {
        eprint!(" {}", format!("{scenario:?}").to_lowercase());
        match scenario {
            Scenario::Rest => rest(installation, series).await,
            Scenario::Pickup => pickup(installation, series).await,
            Scenario::Session => sessions(installation, options, series).await,
            Scenario::Lists => lists(installation, options, series).await,
            Scenario::Pages => {
                let session = log_in(installation).await;
                pages::measure(installation, &session, series).await;
            }
            Scenario::Accept => accept(installation, options, series).await,
            Scenario::Drain => drain(installation, series).await,
            Scenario::Deliver => deliver(installation, options, series).await,
        }
    }
}

/// Sends one kind of request for the time of `options`, after a warm-up.
async fn measure(
    installation: &Installation,
    options: &Options,
    status: u16,
    request: impl Fn(u64) -> Vec<u8>,
) -> LoadResult {
    let (address, clients) = (&installation.address, options.clients);
    let _ =
        load(address, clients, Until::Elapsed(WARM_UP), status, |n| request(n + (1 << 40))).await;
    let time = Duration::from_secs(options.seconds);
    let result = load(address, clients, Until::Elapsed(time), status, request).await;
    require_success(&result);
    result
}

fn require_success(result: &LoadResult) {
    if let Some(failure) = &result.first_failure {
        panic!("{} requests failed: {failure}", result.failures);
    }
}

/// Returns a function that makes invitations of addresses that no other run uses.
fn invitation(installation: &Installation, run: &'static str) -> impl Fn(u64) -> Vec<u8> {
    let key = installation.guestlist.api_key.clone();
    move |number| {
        let address = seed::address(run, number);
        let body = format!("{{\"name\":\"Some Name\",\"email\":\"{address}\"}}");
        request("POST", "/v1/invitations", &key, &body)
    }
}

async fn rest(installation: &mut Installation, series: &mut Series) {
    series.add("cold_start", installation.cold_start().await.as_secs_f64() * 1000.0);
    for (name, file) in [("app_size", "guestlist"), ("worker_size", "guestlist-worker")] {
        let size = std::fs::metadata(program(file)).map_or(0, |file| file.len());
        series.add(name, f64::from(u32::try_from(size).unwrap_or(u32::MAX)) / 1e6);
    }
    installation.start_worker().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let ids = [installation.guestlist.app().id(), installation.worker_id()];
    series.add("memory", ids.iter().map(|id| processes::memory_mb(*id)).sum());
    let cpu = || ids.iter().map(|id| processes::cpu_micros(*id)).sum::<f64>();
    let (before, statements, started) = (cpu(), installation.statements().await, Instant::now());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let seconds = started.elapsed().as_secs_f64();
    series.add("idle_cpu", (cpu() - before) / seconds / 1e4);
    if let (Some(before), Some(after)) = (statements, installation.statements().await) {
        // Without the query that counted.
        series.add("idle_statements", (after - before - 1.0) / seconds);
    }
    installation.stop_worker().await;
}

async fn pickup(installation: &mut Installation, series: &mut Series) {
    installation.start_worker().await;
    let mut mails = installation.mails().await;
    let mut times = Vec::new();
    for number in 0..21 {
        // Of different lengths, so that they don't coincide with an interval at which a worker polls.
        tokio::time::sleep(Duration::from_millis(100 + number * 37 % 211)).await;
        let before = mails.count().await;
        let sent_at = Instant::now();
        let invitation = invitation(installation, "pickup");
        let result =
            load(&installation.address, 1, Until::Sent(1), 202, |_| invitation(number)).await;
        require_success(&result);
        while mails.count().await == before && sent_at.elapsed() < LIMIT {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        times.push(sent_at.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    series.add("pickup", times[times.len() / 2]);
    installation.stop_worker().await;
}

async fn sessions(installation: &mut Installation, options: &Options, series: &mut Series) {
    let jwt = log_in(installation).await;
    let result =
        measure(installation, options, 200, |_| request("GET", "/v1/session", &jwt, "")).await;
    series.add("session_rate", result.per_second());
    series.add("session_p99", result.percentile_ms(99));
}

async fn log_in(installation: &mut Installation) -> String {
    installation.start_worker().await;
    let jwt = installation.log_in().await;
    installation.stop_worker().await;
    jwt
}

async fn lists(installation: &mut Installation, options: &Options, series: &mut Series) {
    let jwt = log_in(installation).await;
    let key = installation.guestlist.api_key.clone();
    for (name, token) in [("list_session_rate", jwt), ("list_rate", key)] {
        let list = request("GET", "/v1/users?limit=100", &token, "");
        let result = measure(installation, options, 200, |_| list.clone()).await;
        series.add(name, result.per_second());
    }
}

async fn accept(installation: &mut Installation, options: &Options, series: &mut Series) {
    let app = installation.guestlist.app().id();
    let invitation = invitation(installation, "accept");
    let address = &installation.address;
    let (warm_up, clients) = (Until::Elapsed(WARM_UP), options.clients);
    let _ = load(address, clients, warm_up, 202, |n| invitation(n + (1 << 40))).await;
    let statements = installation.statements().await;
    let (cpu, own_cpu) = (processes::cpu_micros(app), processes::own_cpu_micros());
    let written = installation.written_bytes(app);
    let time = Until::Elapsed(Duration::from_secs(options.seconds));
    let result = load(address, clients, time, 202, invitation).await;
    require_success(&result);
    let (count, seconds) = (result.count(), result.duration.as_secs_f64());
    series.add("accept_rate", result.per_second());
    series.add("accept_p50", result.percentile_ms(50));
    series.add("accept_p99", result.percentile_ms(99));
    series.add("accept_app_cpu", (processes::cpu_micros(app) - cpu) / count);
    series.add("client_cpu", (processes::own_cpu_micros() - own_cpu) / seconds / 1e4);
    if let (Some(before), Some(after)) = (statements, installation.statements().await) {
        series.add("accept_statements", (after - before) / count);
    }
    if let (Some(before), Some(after)) = (written, installation.written_bytes(app)) {
        series.add("accept_written", (after - before) / count / 1000.0);
    }
    installation.delete_open_jobs().await;
}

async fn drain(installation: &mut Installation, series: &mut Series) {
    let fast = drain_backlog(installation, "drain", BACKLOG, 0).await;
    series.add("drain_rate", fast.rate);
    series.add("drain_worker_cpu", fast.worker_cpu);
    series.add("drain_stytch_cpu", fast.stytch_cpu);
    series.add("drain_statements", fast.statements);
    series.add("drain_written", fast.written);
    let slow = drain_backlog(installation, "drain-slow", SLOW_BACKLOG, SLOW_MS).await;
    series.add("drain_120_rate", slow.rate);
    series.add("drain_120_worker_cpu", slow.worker_cpu);
}

/// What was measured while a worker drained a backlog; all but the rate are per mail. Not a number
/// where the engine has no such figure.
struct Drained {
    rate: f64,
    worker_cpu: f64,
    stytch_cpu: f64,
    statements: f64,
    written: f64,
}

/// Enqueues a backlog, starts a worker, and measures from the first mail to the last.
async fn drain_backlog(
    installation: &mut Installation,
    run: &'static str,
    backlog: u64,
    latency_ms: u64,
) -> Drained {
    let invitation = invitation(installation, run);
    let result = load(&installation.address, 16, Until::Sent(backlog), 202, invitation).await;
    require_success(&result);
    let backlog = result.times.len() as u64;
    installation.set_latency(latency_ms).await;
    let mut mails = installation.mails().await;
    let before = mails.count().await;
    let statements = installation.statements().await;
    let stytch_cpu = processes::cpu_micros(installation.sandbox.id());
    installation.spawn_worker();
    assert!(mails.wait_for(before + 1, LIMIT).await, "no mail was sent");
    let first = Instant::now();
    let is_done = mails.wait_for(before + backlog, LIMIT).await;
    // The first answer came when its latency had passed.
    let seconds = first.elapsed().as_secs_f64() + Duration::from_millis(latency_ms).as_secs_f64();
    assert!(is_done, "not all of {backlog} mails were sent within {} s", LIMIT.as_secs());
    let count = f64::from(u32::try_from(mails.count().await - before).unwrap_or(u32::MAX));
    let worker = installation.worker_id();
    let written = installation.written_bytes(worker).unwrap_or(f64::NAN);
    let worker_cpu = processes::cpu_micros(worker);
    let stytch_cpu = processes::cpu_micros(installation.sandbox.id()) - stytch_cpu;
    let after = installation.statements().await;
    let statements = statements.zip(after).map_or(f64::NAN, |(before, after)| after - before);
    installation.stop_worker().await;
    installation.delete_open_jobs().await;
    installation.set_latency(0).await;
    Drained {
        rate: count / seconds,
        worker_cpu: worker_cpu / count,
        stytch_cpu: stytch_cpu / count,
        statements: statements / count,
        written: written / count / 1000.0,
    }
}

async fn deliver(installation: &mut Installation, options: &Options, series: &mut Series) {
    installation.start_worker().await;
    let mut mails = installation.mails().await;
    let before = mails.count().await;
    let started = Instant::now();
    let time = Until::Elapsed(Duration::from_secs(options.seconds));
    let invitation = invitation(installation, "deliver");
    let result = load(&installation.address, options.clients, time, 202, invitation).await;
    require_success(&result);
    if mails.wait_for(before + result.times.len() as u64, LIMIT).await {
        series.add("deliver_rate", result.count() / started.elapsed().as_secs_f64());
    } else {
        eprintln!("\nnot all mails were sent within {} s", LIMIT.as_secs());
    }
    series.add("deliver_p50", result.percentile_ms(50));
    series.add("deliver_p99", result.percentile_ms(99));
    let ids = [installation.guestlist.app().id(), installation.worker_id()];
    series.add("memory_loaded", ids.iter().map(|id| processes::memory_mb(*id)).sum());
    installation.stop_worker().await;
}
