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
mod peers;
mod processes;
mod report;
mod scenarios;
mod seed;
mod server;

use std::time::Instant;

use anyhow::Context;
use clap::Parser;

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
    let (machine, started) = (Machine::read(), Instant::now());
    let engines = if options.only_peers { vec![] } else { measure(&options).await };
    let systems = match &options.peers {
        Some(folder) => peers::compare(folder, &options)?,
        None => vec![],
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
    Ok(())
}

/// Measures every engine at every size, in turns, so that what else the machine does affects all.
async fn measure(options: &Options) -> Vec<EngineReport> {
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
    for repetition in 1..=options.repetitions {
        for (size, rows) in options.rows.iter().enumerate() {
            for ((engine, url, _), report) in servers.iter().zip(&mut reports) {
                eprint!("{repetition} of {}: {engine}, {rows} rows:", options.repetitions);
                let started = Instant::now();
                let mut installation = Installation::start(*engine, url.as_deref(), *rows).await;
                eprint!(" started in {} s,", started.elapsed().as_secs());
                if report.description.is_empty() {
                    report.description = engine_description(installation.database()).await;
                }
                let series = &mut report.sizes[size].1;
                scenarios::run(&mut installation, options, series).await;
                eprintln!(" ({} s)", started.elapsed().as_secs());
            }
        }
    }
    reports
}
