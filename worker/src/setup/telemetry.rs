//! Logging to stderr, as text or JSON.

use std::io::{self, IsTerminal};

use anyhow::Context;
use tracing_subscriber::EnvFilter;

/// The filter if `RUST_LOG` is not set. The `migrate` command reports migrations itself.
const DEFAULT_FILTER: &str = "info,sea_orm_migration=warn,apalis_core=warn";

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text for people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Format {
    /// Parses `text` or `json`.
    pub fn parse(word: &str) -> Result<Self, String> {
        match word.trim() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("{word:?} must be text or json")),
        }
    }
}

/// Starts logging with the filter of `RUST_LOG`. Must be called once.
pub fn start(format: Format) -> anyhow::Result<()> {
    let given = std::env::var_os(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let filter = match given.to_string_lossy().trim() {
        "" => EnvFilter::try_new(DEFAULT_FILTER)?,
        given => EnvFilter::try_new(given).context("RUST_LOG")?,
    };
    let log = tracing_subscriber::fmt()
        // An error of writing the log would be reported on stderr, which may be closed too.
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
