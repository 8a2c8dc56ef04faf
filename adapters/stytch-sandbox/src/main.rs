//! The program `stytch-sandbox`.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod dotenv;

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
    // Sets variables, so it must run before any thread starts.
    if let Err(message) = dotenv::load() {
        return failure(&message);
    }
    let command = dotenv::ignore_empty_variables(Cli::command());
    let cli = match Cli::from_arg_matches(&command.get_matches()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    tracing_subscriber::fmt()
        // Errors of the log would be written to stderr, which is the log.
        .log_internal_errors(false)
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()))
        .with_writer(std::io::stderr)
        .init();
    match run(cli.sandbox) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure(&format!("{error:#}")),
    }
}

fn failure(message: &str) -> ExitCode {
    // stderr may be closed.
    let _ = writeln!(io::stderr(), "stytch-sandbox: {message}");
    ExitCode::FAILURE
}

#[tokio::main]
async fn run(args: SandboxArgs) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    tokio::spawn(async move {
        stop_signal().await;
        stop.cancel();
        // A second signal exits immediately.
        stop_signal().await;
        std::process::exit(130);
    });
    stytch_sandbox::run(args, shutdown).await
}

#[cfg(unix)]
async fn stop_signal() {
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
async fn stop_signal() {
    let _ = signal::ctrl_c().await;
}
