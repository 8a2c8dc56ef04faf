//! `guestlist doctor`: checks the configuration and the database.

use std::process::ExitCode;

use clap::Args;
use guestlist_worker::setup::config::ConfigErrors;
use serde::Serialize;

use super::output::{Table, print, print_json};
use crate::config::{Config, ConfigWarning};

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warning,
    Failed,
}

/// The result of one check.
#[derive(Debug, Serialize)]
struct Check {
    /// `database`, `settings`, or the environment variable with a problem.
    #[serde(rename = "check")]
    name: String,
    state: State,
    /// The finding, and how to fix it.
    detail: String,
}

impl Check {
    fn new(name: &str, state: State, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state, detail: detail.into() }
    }
}

/// Runs all checks. With mistakes in the configuration, nothing else can be checked.
pub async fn run(
    config: Result<Config, ConfigErrors>,
    args: &DoctorArgs,
) -> anyhow::Result<ExitCode> {
    let checks = match config {
        Ok(config) => {
            let mut checks = check_settings(config.warnings());
            checks.push(check_database(&config.common.database_url).await);
            checks
        }
        Err(mistakes) => mistakes
            .iter()
            .map(|m| Check::new(&m.variable, State::Failed, m.problem.clone()))
            .collect(),
    };
    print_checks(&checks, args)
}

fn check_settings(warnings: Vec<ConfigWarning>) -> Vec<Check> {
    if warnings.is_empty() {
        return vec![Check::new("settings", State::Ok, "no problems found")];
    }
    let check = |warning: ConfigWarning| Check::new(warning.variable, State::Warning, warning.text);
    warnings.into_iter().map(check).collect()
}

async fn check_database(url: &str) -> Check {
    let database = match guestlist_database::connect(url).await {
        Ok(database) => database,
        Err(error) => return Check::new("database", State::Failed, error.to_string()),
    };
    let checked = database.check_schema().await;
    database.close().await;
    match checked {
        Ok(()) => Check::new("database", State::Ok, "reachable, and its schema is current"),
        Err(error) => Check::new("database", State::Failed, error.to_string()),
    }
}

fn print_checks(checks: &[Check], args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    if args.json {
        print_json(&checks)?;
    } else {
        let mut table = Table::without_header();
        for check in checks {
            let state = match check.state {
                State::Ok => "ok",
                State::Warning => "WARNING",
                State::Failed => "FAILED",
            };
            table.push([state.to_owned(), check.name.clone(), check.detail.clone()]);
        }
        print(table)?;
    }
    let has_failed = checks.iter().any(|check| check.state == State::Failed);
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
