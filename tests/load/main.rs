//! Measures Guestlist's speed and cost on each engine, and compares it with other systems;
//! `docs/measure.md` describes the figures. Build the programs in the same profile first:
//!
//!     cargo build --release -p guestlist -p guestlist-worker -p stytch-sandbox
//!     cargo run --release -p guestlist-tests --example load -- --json load.json --svg load.svg
#![expect(clippy::expect_used, reason = "a failure in the harness ends the measurement")]

mod client;
mod figures;
mod installation;
mod machine;
mod options;
mod pages;
mod peers;
mod processes;
mod report;
mod scenarios;
mod seed;
mod server;

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Parser;
use futures::FutureExt;

use crate::figures::Series;
use crate::installation::Installation;
use crate::machine::{Machine, engine_description};
use crate::options::Options;
use crate::report::{EngineReport, Report};
use crate::server::Server;

// One thread, because the load generator shares the cores with what it measures.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(folder) = &options.peers {
        peers::check(folder)?;
    }
    let (machine, started) = (Machine::read(), Instant::now());
    let (engines, is_complete) =
        if options.only_peers { (vec![], true) } else { measure(&options).await };
    let compared = options.peers.as_ref().map(|folder| peers::compare(folder, &options));
    let (systems, failure) = match compared.transpose() {
        Ok(systems) => (systems.unwrap_or_default(), None),
        Err(error) => (vec![], Some(error)),
    };
    let report = Report { options: &options, machine, engines, systems };
    println!("{}", report::tables(&report));
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report::json(&report))?;
        std::fs::write(path, text + "\n").with_context(|| path.display().to_string())?;
    }
    if let Some(path) = &options.svg {
        std::fs::write(path, report::chart(&report)).with_context(|| path.display().to_string())?;
    }
    eprintln!("measured in {} s", started.elapsed().as_secs());
    ensure!(is_complete, "some measurements failed; the results have fewer values");
    failure.map_or(Ok(()), Err)
}

/// Measures every engine at every size, in turns, so that what else the machine does affects all.
/// Also returns whether everything was measured.
async fn measure(options: &Options) -> (Vec<EngineReport>, bool) {
    let (mut reports, mut servers) = (Vec::new(), Vec::new());
    for engine in &options.engine {
        let existing = options.server_url(*engine);
        let server = if existing.is_none() { Server::start(*engine).await } else { None };
        let url = existing.or_else(|| server.as_ref().map(Server::url));
        let sizes = options.rows.iter().map(|rows| (*rows, Series::default())).collect();
        let (name, description) = (engine.to_string(), String::new());
        reports.push(EngineReport { name, description, sizes });
        servers.push((*engine, url, server));
    }
    let mut is_complete = true;
    for repetition in 1..=options.repetitions {
        for (size, rows) in options.rows.iter().enumerate() {
            for ((engine, url, _), report) in servers.iter().zip(&mut reports) {
                eprint!("{repetition} of {}: {engine}, {rows} rows:", options.repetitions);
                let started = Instant::now();
                let run = async {
                    let mut installation =
                        Installation::start(*engine, url.as_deref(), *rows).await;
                    eprint!(" started in {} s,", started.elapsed().as_secs());
                    report.description = engine_description(installation.database()).await;
                    let series = &mut report.sizes[size].1;
                    scenarios::run(&mut installation, options, series).await;
                };
                // A failure costs the rest of one repetition, not the results so far.
                is_complete &= AssertUnwindSafe(run).catch_unwind().await.is_ok();
                eprintln!(" ({} s)", started.elapsed().as_secs());
            }
        }
    }
    (reports, is_complete)
}
