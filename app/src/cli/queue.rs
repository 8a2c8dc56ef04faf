//! `guestlist queue`: pauses and resumes queues.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use guestlist_domain::{Actor, QueueName, flows};
use guestlist_worker::setup::bootstrap;

use super::output::print_done;
use crate::config::Config;
use crate::operations::parse_pause_reason;

#[derive(Debug, Args)]
pub struct QueueArgs {
    #[command(subcommand)]
    command: QueueCommand,
}

#[derive(Debug, Subcommand)]
enum QueueCommand {
    /// Pause a queue: workers start none of its jobs; running jobs finish
    Pause {
        /// login, invitation, provider or maintenance
        #[arg(value_parser = parse_queue)]
        name: QueueName,
        /// Reason to show to other operators
        #[arg(long)]
        reason: Option<String>,
    },
    /// Resume a paused queue
    Resume {
        /// login, invitation, provider or maintenance
        #[arg(value_parser = parse_queue)]
        name: QueueName,
    },
}

pub fn parse_queue(name: &str) -> Result<QueueName, String> {
    let names = || QueueName::ALL.iter().map(|queue| queue.as_str()).collect::<Vec<_>>().join(", ");
    QueueName::parse(name).ok_or_else(|| format!("must be one of {}", names()))
}

pub async fn run(config: &Config, args: &QueueArgs) -> anyhow::Result<ExitCode> {
    let (ctx, _) = bootstrap::connect_without_provider(&config.common).await?;
    match &args.command {
        QueueCommand::Pause { name, reason } => {
            let reason = parse_pause_reason(reason.clone())
                .map_err(|problem| anyhow::anyhow!("the reason {problem}"))?;
            flows::pause_queue(&ctx, *name, reason, &Actor::Cli).await?;
            let resume = format!("guestlist queue resume {name}");
            print_done(format!("Paused the {name} queue. To resume it, run: {resume}"))?;
        }
        QueueCommand::Resume { name } => {
            flows::resume_queue(&ctx, *name, &Actor::Cli).await?;
            print_done(format!("Resumed the {name} queue"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
