//! `guestlist migrate`: the schema of the database, up or down.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use guestlist_database::{ConnectError, Database, SchemaError};
use guestlist_migrations::Step;
use serde_json::{Value, json};

use super::output::{note, print, report};
use crate::config::Config;

/// What `migrate` is told.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    #[command(subcommand)]
    command: MigrateCommand,
}

/// What to do with the schema.
#[derive(Debug, Subcommand)]
enum MigrateCommand {
    /// Apply what is pending
    Up,
    /// Revert everything: all data is lost
    Down {
        /// Only the last so many steps
        #[arg(long)]
        steps: Option<u32>,
    },
    /// Say what is applied and what is pending; changes nothing
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write the SQL of what is pending, for a PlanetScale deploy request; changes nothing
    Print,
}

/// Runs the command.
pub async fn run(config: &Config, args: MigrateArgs) -> anyhow::Result<ExitCode> {
    let url = &config.common.database_url;
    match args.command {
        MigrateCommand::Up => up(url).await?,
        MigrateCommand::Down { steps } => down(url, steps).await?,
        MigrateCommand::Status { json } => status(url, json).await?,
        MigrateCommand::Print => print_pending(url).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn up(url: &str) -> anyhow::Result<()> {
    let database = guestlist_database::connect_or_create(url).await?;
    let applied = guestlist_migrations::up(database.write().pool(), None).await?;
    if let Err(SchemaError::Missing(what)) = database.check_schema().await {
        anyhow::bail!(
            "every migration is applied, yet the database lacks a part that they made ({what}): \
             it was removed since; restore it from a backup"
        );
    }
    database.close().await;
    let applied = applied.iter().map(|name| format!("applied {name}\n"));
    report(applied.collect::<String>() + "the schema is up to date")?;
    Ok(())
}

async fn down(url: &str, steps: Option<u32>) -> anyhow::Result<()> {
    let database = guestlist_database::connect(url).await?;
    let reverted = guestlist_migrations::down(database.write().pool(), steps).await?;
    database.close().await;
    let reverted = reverted.iter().map(|name| format!("reverted {name}\n"));
    report(reverted.collect::<String>())?;
    Ok(())
}

async fn status(url: &str, json: bool) -> anyhow::Result<()> {
    let steps = match connect_if_any(url).await? {
        Some(database) => {
            let steps = guestlist_migrations::status(database.write().pool()).await?;
            database.close().await;
            steps
        }
        None => guestlist_migrations::none_applied(),
    };
    let line = |step: &Step| {
        let state = if step.applied { "applied" } else { "pending" };
        format!("{state} {}\n", step.name)
    };
    let object = |step: &Step| json!({ "name": step.name, "applied": step.applied });
    print(if json {
        steps.iter().map(object).collect::<Value>().to_string()
    } else {
        steps.iter().map(line).collect()
    })?;
    Ok(())
}

async fn print_pending(url: &str) -> anyhow::Result<()> {
    let sql = match connect_if_any(url).await? {
        Some(database) => {
            let sql = guestlist_migrations::print_pending(database.write().pool()).await?;
            database.close().await;
            sql
        }
        None => guestlist_migrations::print_for_sqlite().await?,
    };
    print(sql)?;
    Ok(())
}

/// None where the file of an SQLite database is yet to be created, which is noted on stderr.
async fn connect_if_any(url: &str) -> anyhow::Result<Option<Database>> {
    match guestlist_database::connect(url).await {
        Ok(database) => Ok(Some(database)),
        Err(error @ ConnectError::NoFile(_)) => {
            note(format!("guestlist: {error}"));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
