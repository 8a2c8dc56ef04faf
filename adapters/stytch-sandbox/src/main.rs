//! The program `stytch-sandbox`: parses, listens for signals, runs.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod environment;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser};
use stytch_sandbox::SandboxArgs;
use tokio::signal;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// A local Stytch (Consumer) for development and tests.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    sandbox: SandboxArgs,
}

fn main() -> ExitCode {
    // Before any thread starts, as it sets variables.
    if let Err(problem) = environment::read_dotenv() {
        return failed(&problem);
    }
    let command = environment::without_empty_variables(Cli::command());
    let cli = match Cli::from_arg_matches(&command.get_matches()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    tracing_subscriber::fmt()
        // Where the log can't be written, stderr can't take a word about it either.
        .log_internal_errors(false)
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()))
        .with_writer(std::io::stderr)
        .init();
    match run(cli.sandbox) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&format!("{error:#}")),
    }
}

fn failed(problem: &str) -> ExitCode {
    // Ignored: stderr may be closed.
    let _ = writeln!(io::stderr(), "stytch-sandbox: {problem}");
    ExitCode::FAILURE
}

#[tokio::main]
async fn run(args: SandboxArgs) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    tokio::spawn(async move {
        stop_asked().await;
        stop.cancel();
        // The second time, at once.
        stop_asked().await;
        std::process::exit(130);
    });
    stytch_sandbox::run(args, shutdown).await
}

#[cfg(unix)]
async fn stop_asked() {
    let Ok(mut terminate) = signal::unix::signal(signal::unix::SignalKind::terminate()) else {
        let _ = signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn stop_asked() {
    let _ = signal::ctrl_c().await;
}
