//! `guestlist doctor`: whether the settings and the database are in order.

use std::process::ExitCode;

use clap::Args;
use guestlist_worker::setup::config::ConfigErrors;
use serde::Serialize;

use super::output::print;
use super::table::{row, table};
use crate::config::{Config, Finding};

/// Arguments of `guestlist doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// As JSON
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

/// One thing that was checked.
#[derive(Debug, Serialize)]
struct Check {
    /// `database`, `settings`, or the variable that the problem is about.
    #[serde(rename = "check")]
    name: String,
    state: State,
    /// What was found, and what to do about it.
    detail: String,
}

impl Check {
    fn new(name: &str, state: State, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state, detail: detail.into() }
    }
}

/// Runs the command.
pub async fn run(config: &Config, args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let mut checks = settings(config.findings());
    checks.push(database(&config.common.database_url).await);
    show(&checks, args)
}

/// Shows the mistakes of a configuration that can't be read; nothing else can be checked then.
pub fn refused(mistakes: &ConfigErrors, args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let failed = mistakes.iter().map(|m| Check::new(&m.variable, State::Failed, m.problem.clone()));
    show(&failed.collect::<Vec<_>>(), args)
}

fn settings(findings: Vec<Finding>) -> Vec<Check> {
    if findings.is_empty() {
        return vec![Check::new("settings", State::Ok, "no problems found")];
    }
    let warning = |Finding { setting, problem, fix }: Finding| {
        Check::new(setting, State::Warning, format!("{problem}. {fix}"))
    };
    findings.into_iter().map(warning).collect()
}

async fn database(url: &str) -> Check {
    let database = match guestlist_database::connect(url).await {
        Ok(database) => database,
        Err(error) => return Check::new("database", State::Failed, error.to_string()),
    };
    let checked = database.check_schema().await;
    database.close().await;
    match checked {
        Ok(()) => Check::new("database", State::Ok, "reachable, with the schema of this version"),
        Err(error) => Check::new("database", State::Failed, error.to_string()),
    }
}

fn show(checks: &[Check], args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let state = |check: &Check| match check.state {
        State::Ok => "ok",
        State::Warning => "WARNING",
        State::Failed => "FAILED",
    };
    let line = |check: &Check| row([state(check), &check.name, &check.detail]);
    print(if args.json {
        serde_json::to_string(checks)?
    } else {
        table(&checks.iter().map(line).collect::<Vec<_>>())
    })?;
    let has_failed = checks.iter().any(|check| check.state == State::Failed);
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
