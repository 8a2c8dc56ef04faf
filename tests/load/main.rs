//! Sends invitations from concurrent clients, and prints the rate and the response times. It is run by
//! hand; build the programs in the same profile first:
//!
//!     cargo build --release --workspace
//!     cargo run --release -p guestlist-tests --example load -- --clients 64 --seconds 10
//!
//! Without `--url` and `--key` it starts `serve` on the given engine.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a tool for developers")]

use std::time::{Duration, Instant};

use clap::Parser;
use guestlist_tests::{Caller, Engine, Guestlist};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

#[derive(Parser)]
struct Args {
    /// Number of concurrent clients
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Duration in seconds
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// URL of a running server [default: starts one]
    #[arg(long, requires = "key")]
    url: Option<String>,
    /// API key of the running server
    #[arg(long)]
    key: Option<String>,
    /// Engine of the server to start: sqlite, mysql or mariadb
    #[arg(long, default_value = "sqlite")]
    engine: String,
    /// Number of workers to start
    #[arg(long, default_value_t = 0)]
    workers: usize,
}

impl Args {
    fn engine(&self) -> Engine {
        match self.engine.as_str() {
            "sqlite" => Engine::Sqlite,
            "mysql" => Engine::MySql,
            "mariadb" => Engine::MariaDb,
            other => panic!("unknown engine {other}"),
        }
    }
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    let (caller, _started) = if let (Some(url), Some(key)) = (&args.url, &args.key) {
        (Caller::new(url).bearer(key), None)
    } else {
        let guestlist = Guestlist::split(args.engine()).workers(args.workers).start().await;
        (guestlist.api(), Some(guestlist))
    };
    let began = Instant::now();
    let end = began + Duration::from_secs(args.seconds);
    let run = std::process::id();
    let mut clients = JoinSet::new();
    for client in 0..args.clients {
        clients.spawn(invite_until(end, caller.clone(), format!("{run}-{client}")));
    }
    let mut times: Vec<Duration> = clients.join_all().await.into_iter().flatten().collect();
    let took = began.elapsed();
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    println!(
        "{} invitations by {} clients in {took:.1?}: {:.0} a second; p50 {:.1?}, p90 {:.1?}, p99 {:.1?}, longest {:.1?}",
        times.len(),
        args.clients,
        f64::from(u32::try_from(times.len()).unwrap()) / took.as_secs_f64(),
        at(50),
        at(90),
        at(99),
        times.last().copied().unwrap_or_default(),
    );
}

async fn invite_until(end: Instant, caller: Caller, name: String) -> Vec<Duration> {
    let mut times = Vec::new();
    while Instant::now() < end {
        let body = json!({ "email": format!("{name}-{}@example.com", times.len()) }).to_string();
        let sent_at = Instant::now();
        let json = Some("application/json");
        let response = caller.try_call(Method::POST, "/v1/invitations", json, body).await;
        let _ = response.expect("a response").is(202);
        times.push(sent_at.elapsed());
    }
    times
}
