//! `guestlist migrate`: applies, reverts and inspects database migrations.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use guestlist_database::{ConnectError, Database, SchemaError};
use guestlist_migrations::Step;
use serde_json::{Value, json};

use super::output::{print, print_done, print_json, print_stderr};
use crate::config::Config;

#[derive(Debug, Args)]
pub struct MigrateArgs {
    #[command(subcommand)]
    command: MigrateCommand,
}

#[derive(Debug, Subcommand)]
enum MigrateCommand {
    /// Apply pending migrations
    Up,
    /// Revert migrations; all data in the reverted tables is lost
    Down {
        /// Number of migrations to revert, newest first (default: all)
        #[arg(long)]
        steps: Option<u32>,
    },
    /// List applied and pending migrations; changes nothing
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the SQL of pending migrations, for a PlanetScale deploy request; changes nothing
    Print,
}

pub async fn run(config: &Config, args: &MigrateArgs) -> anyhow::Result<ExitCode> {
    let url = &config.common.database_url;
    match &args.command {
        MigrateCommand::Up => up(url).await?,
        MigrateCommand::Down { steps } => down(url, *steps).await?,
        MigrateCommand::Status { json } => status(url, *json).await?,
        MigrateCommand::Print => print_pending(url).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn up(url: &str) -> anyhow::Result<()> {
    let database = guestlist_database::connect_or_create(url).await?;
    let applied = guestlist_migrations::up(database.write().pool(), None).await?;
    if let Err(SchemaError::Missing(what)) = database.check_schema().await {
        anyhow::bail!(
            "all migrations are applied, but part of the schema is missing ({what}): restore it \
             from a backup"
        );
    }
    database.close().await;
    let applied = applied.iter().map(|name| format!("applied {name}\n"));
    print_done(applied.collect::<String>() + "the schema is up to date")?;
    Ok(())
}

async fn down(url: &str, steps: Option<u32>) -> anyhow::Result<()> {
    let database = guestlist_database::connect(url).await?;
    let reverted = guestlist_migrations::down(database.write().pool(), steps).await?;
    database.close().await;
    let reverted = reverted.iter().map(|name| format!("reverted {name}\n"));
    print_done(reverted.collect::<String>())?;
    Ok(())
}

async fn status(url: &str, json: bool) -> anyhow::Result<()> {
    let steps = match connect_if_exists(url).await? {
        Some(database) => {
            let steps = guestlist_migrations::status(database.write().pool()).await?;
            database.close().await;
            steps
        }
        None => guestlist_migrations::none_applied(),
    };
    if json {
        let object = |step: &Step| json!({ "name": step.name, "applied": step.applied });
        return print_json(&steps.iter().map(object).collect::<Value>());
    }
    let line = |step: &Step| {
        let state = if step.applied { "applied" } else { "pending" };
        format!("{state} {}\n", step.name)
    };
    Ok(print(steps.iter().map(line).collect::<String>())?)
}

async fn print_pending(url: &str) -> anyhow::Result<()> {
    let sql = match connect_if_exists(url).await? {
        Some(database) => {
            let sql = guestlist_migrations::print_pending(database.write().pool()).await?;
            database.close().await;
            sql
        }
        None => guestlist_migrations::print_for_sqlite().await?,
    };
    Ok(print(sql)?)
}

/// Connects to the database. Returns `None`, with a line on stderr, if it is an SQLite file that
/// does not exist yet.
async fn connect_if_exists(url: &str) -> anyhow::Result<Option<Database>> {
    match guestlist_database::connect(url).await {
        Ok(database) => Ok(Some(database)),
        Err(error @ ConnectError::NoFile(_)) => {
            print_stderr(format!("guestlist: {error}"));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
