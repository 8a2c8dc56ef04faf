//! The commands of `guestlist`.

mod dev;
mod dev_state;
mod invite;
mod keys;
mod migrate;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use guestlist_worker::config::{Mistake, Mistakes};
use guestlist_worker::{build, telemetry};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, ConfigArgs};

/// Let people into your application by invitation.
///
/// Without a command: `dev`, everything in one process with nothing to install.
#[derive(Debug, Parser)]
#[command(name = "guestlist", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything in one process: HTTP, worker, embedded database, a local Stytch (the default)
    Dev(dev::DevArgs),
    /// HTTP
    Serve(serve::ServeArgs),
    /// Bring the database's schema up or down
    #[command(subcommand)]
    Migrate(migrate::MigrateCommand),
    /// API keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Invite people, as over HTTP
    Invite(invite::InviteArgs),
    /// The local Stytch alone
    Sandbox(stytch_sandbox::SandboxArgs),
}

impl Cli {
    /// Runs the command.
    pub fn run(self, dotenv: Result<Option<PathBuf>, Mistake>) -> anyhow::Result<ExitCode> {
        let mut mistakes = Mistakes::default();
        if let Err(mistake) = dotenv {
            mistakes.note(mistake);
        }
        let config = self.config.read(mistakes)?;
        let format = telemetry::Format::parse(&self.config.common.log_format);
        telemetry::start(format.map_err(anyhow::Error::msg)?)?;
        let command = self.command.unwrap_or(Command::Dev(dev::DevArgs::default()));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(command.run(config))
    }
}

impl Command {
    async fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        match self {
            Self::Dev(args) => dev::run(config, args, build::stop_on_signal()).await,
            Self::Serve(args) => serve::run(config, args, build::stop_on_signal()).await,
            Self::Migrate(command) => migrate::run(&config, command).await,
            Self::Keys(command) => keys::run(&config, command).await,
            Self::Invite(args) => invite::run(&config, args).await,
            Self::Sandbox(args) => {
                let stop: CancellationToken = build::stop_on_signal();
                stytch_sandbox::run(args, stop).await?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}
