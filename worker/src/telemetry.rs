//! Logs: to stderr, as text for people or JSON for machines.

use std::io::{self, IsTerminal};

use anyhow::Context;
use tracing_subscriber::EnvFilter;

/// What is logged where `RUST_LOG` says nothing. Migrations are told by the command itself.
const DEFAULT: &str = "info,sea_orm_migration=warn,apalis_core=warn";

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

impl Format {
    /// `text` or `json`.
    pub fn parse(word: &str) -> Result<Self, String> {
        match word.trim() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("{word:?} is neither text nor json")),
        }
    }
}

/// Starts logging at what `RUST_LOG` says. A program does so once.
pub fn start(format: Format) -> anyhow::Result<()> {
    let given = std::env::var_os(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let filter = match given.to_string_lossy().trim() {
        "" => EnvFilter::try_new(DEFAULT)?,
        given => EnvFilter::try_new(given).context("RUST_LOG")?,
    };
    let log = tracing_subscriber::fmt()
        // A log that can't be written to would be reported on stderr, which may be closed too.
        .log_internal_errors(false)
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    let started = match format {
        Format::Text => log.try_init(),
        Format::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging: {error}"))
}
