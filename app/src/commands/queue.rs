//! `guestlist queue`: a queue is paused, and let go on.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use guestlist_domain::{Actor, QueueName, flows};
use guestlist_worker::build;

use super::output::report;
use crate::config::Config;
use crate::operations::read_reason;

/// What `queue` is told.
#[derive(Debug, Args)]
pub struct QueueArgs {
    #[command(subcommand)]
    command: QueueCommand,
}

/// What to do with a queue.
#[derive(Debug, Subcommand)]
enum QueueCommand {
    /// From now on no worker takes jobs of this queue; what runs goes on
    Pause {
        /// login, invitation, provider, webhook or maintenance
        #[arg(value_parser = queue)]
        name: QueueName,
        /// Why, for whoever looks next
        #[arg(long)]
        reason: Option<String>,
    },
    /// Workers take jobs of this queue again
    Resume {
        /// login, invitation, provider, webhook or maintenance
        #[arg(value_parser = queue)]
        name: QueueName,
    },
}

/// A queue by its name.
pub fn queue(word: &str) -> Result<QueueName, String> {
    let known = || QueueName::ALL.iter().map(|queue| queue.as_str()).collect::<Vec<_>>().join(", ");
    QueueName::parse(word).ok_or_else(|| format!("there are: {}", known()))
}

/// Runs the command.
pub async fn run(config: &Config, args: QueueArgs) -> anyhow::Result<ExitCode> {
    let (ctx, _) = build::connect_without_stytch(&config.common).await?;
    match args.command {
        QueueCommand::Pause { name, reason } => {
            let reason = read_reason(reason).map_err(|e| anyhow::anyhow!("the reason {e}"))?;
            flows::pause_queue(&ctx, name, reason, &Actor::Cli).await?;
            report(format!("{name} is paused; it goes on by: guestlist queue resume {name}"))?;
        }
        QueueCommand::Resume { name } => {
            flows::resume_queue(&ctx, name, &Actor::Cli).await?;
            report(format!("{name} goes on"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
