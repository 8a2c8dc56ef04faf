//! The program `stytch-sandbox`.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Command, CommandFactory, FromArgMatches, Parser, builder::Resettable};
use stytch_sandbox::SandboxArgs;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// SIGXFSZ on Linux and macOS.
const FILE_SIZE_EXCEEDED: i32 = 25;

/// A local Stytch (Consumer) for development and tests.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    sandbox: SandboxArgs,
}

fn main() -> ExitCode {
    // Sets variables, so it must run before any thread starts.
    if let Err(message) = load_dotenv() {
        return failure(&message);
    }
    let command = ignore_empty_variables(Cli::command());
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
    // With a handler, a write beyond `ulimit -f` fails, as on a full disk, instead of ending the
    // process.
    let _ = signal(SignalKind::from_raw(FILE_SIZE_EXCEEDED));
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    tokio::spawn(async move {
        received(&mut interrupt, &mut terminate).await;
        stop.cancel();
        // A second signal exits immediately.
        received(&mut interrupt, &mut terminate).await;
        std::process::exit(130);
    });
    stytch_sandbox::run(args, shutdown).await
}

async fn received(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Loads the `.env` file of the current folder, if there is one. Variables that are set already take
/// precedence. An error gives the number of a line, never its content, which may be a secret.
fn load_dotenv() -> Result<(), String> {
    let path = Path::new(".env");
    let text = match fs::read_to_string(path) {
        // dotenvy rejects trailing spaces in a last line without a line end.
        Ok(text) => text.trim_start_matches('\u{feff}').to_owned() + "\n",
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
            return Ok(());
        }
        Err(error) => return Err(format!(".env can't be read: {error}")),
    };
    if let Some(line) = invalid_line(&text) {
        return Err(format!(".env is invalid: line {line} is not NAME=value"));
    }
    dotenvy::from_read(text.as_bytes()).map_err(|_| ".env can't be read".to_owned())
}

/// Returns the number, from 1, of the first line that begins an invalid statement.
fn invalid_line(text: &str) -> Option<usize> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut begin = 0;
    for end in 1..=lines.len() {
        let statement = lines[begin..end].concat();
        match dotenvy::from_read_iter(statement.as_bytes()).next() {
            None | Some(Ok(_)) => begin = end,
            // A quoted value may continue on the next line.
            Some(Err(dotenvy::Error::LineParse(line, _))) if line == statement => {}
            Some(Err(_)) => return Some(begin + 1),
        }
    }
    (begin < lines.len()).then_some(begin + 1)
}

/// Ignores empty variables, as if they were not set.
fn ignore_empty_variables(command: Command) -> Command {
    command.mut_args(|arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        let is_empty = value.is_some_and(|value| value.to_string_lossy().trim().is_empty());
        if is_empty { arg.env(Resettable::Reset) } else { arg }
    })
}
