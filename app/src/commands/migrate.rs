//! `guestlist migrate`: the schema of the database, up or down.

use std::process::ExitCode;

use clap::{Args, Subcommand};

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
    let database = guestlist_database::connect(&config.common.database_url).await?;
    let connection = database.write().pool();
    match args.command {
        MigrateCommand::Up => {
            for name in guestlist_migrations::up(connection, None).await? {
                println!("applied {name}");
            }
            println!("the schema is up to date");
        }
        MigrateCommand::Down { steps } => {
            for name in guestlist_migrations::down(connection, steps).await? {
                println!("reverted {name}");
            }
        }
        MigrateCommand::Status { json } => {
            let steps = guestlist_migrations::status(connection).await?;
            if json {
                let items: Vec<_> = steps
                    .iter()
                    .map(|step| serde_json::json!({ "name": step.name, "applied": step.applied }))
                    .collect();
                println!("{}", serde_json::Value::from(items));
            } else {
                for step in steps {
                    println!("{} {}", if step.applied { "applied" } else { "pending" }, step.name);
                }
            }
        }
        MigrateCommand::Print => {
            print!("{}", guestlist_migrations::print_pending(connection).await?);
        }
    }
    database.close().await;
    Ok(ExitCode::SUCCESS)
}
