//! The commands of `guestlist`.

mod dev;
mod dev_state;
mod doctor;
mod invite;
mod invite_csv;
mod jobs;
mod keys;
mod migrate;
mod openapi;
mod output;
mod queue;
mod reconcile;
mod serve;
mod status;
mod table;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use guestlist_worker::setup::config::ConfigErrors;
use guestlist_worker::setup::{shutdown, telemetry};

use crate::config::{Config, ConfigArgs};

pub use output::failed;

/// Let people into your application by invitation.
///
/// Without a command: `dev`, everything in one process with nothing to install.
#[derive(Debug, Parser)]
#[command(name = "guestlist", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything in one process: HTTP, worker, embedded database, a local Stytch (the default)
    Dev(With<dev::DevArgs>),
    /// HTTP
    Serve(With<serve::ServeArgs>),
    /// Bring the database's schema up or down
    Migrate(With<migrate::MigrateArgs>),
    /// API keys
    Keys(With<keys::KeysArgs>),
    /// Invite people, as over HTTP
    Invite(With<invite::InviteArgs>),
    /// Whether mail goes out, and why not: exits with 0 while it does, with 2 while it does not
    Status(With<status::StatusArgs>),
    /// Check the settings and the database, and say what to do about each problem; exits with 1
    /// if anything has failed
    Doctor(With<doctor::DoctorArgs>),
    /// Look for jobs, have them run again, withdraw them
    Jobs(With<jobs::JobsArgs>),
    /// Pause a queue, and let it go on
    Queue(With<queue::QueueArgs>),
    /// Compare the users with those at Stytch, show what differs, repair what can be; refuses to
    /// change more than 5 % of users without --force
    Reconcile(With<reconcile::ReconcileArgs>),
    /// The HTTP interface as OpenAPI 3.1, as this configuration serves it
    Openapi(With<openapi::OpenapiArgs>),
    /// The local Stytch alone
    Sandbox(stytch_sandbox::SandboxArgs),
}

/// A command's own arguments and the configuration.
#[derive(Debug, Args)]
struct With<A: Args> {
    #[command(flatten)]
    args: A,
    #[command(flatten, next_help_heading = "Configuration")]
    config: Box<ConfigArgs>,
}

/// The arguments of this process; where no command is among them it is `dev`.
pub fn arguments() -> Vec<OsString> {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let first = arguments.get(1).and_then(|first| first.to_str());
    let asks_for_help = matches!(first, Some("-h" | "--help" | "-V" | "--version"));
    if first.is_none_or(|first| first.starts_with('-') && !asks_for_help) {
        arguments.insert(arguments.len().min(1), "dev".into());
    }
    arguments
}

impl Cli {
    /// Runs the command.
    pub fn run(self, mistakes: ConfigErrors) -> anyhow::Result<ExitCode> {
        shutdown::block_on(self.command.run(mistakes))?
    }
}

impl Command {
    async fn run(self, mistakes: ConfigErrors) -> anyhow::Result<ExitCode> {
        match self {
            Self::Dev(With { args, config }) => {
                let config = prepare(&config, mistakes)?;
                Box::pin(dev::run(config, args, shutdown::stop_on_signal())).await
            }
            Self::Serve(With { args, config }) => {
                let mut mistakes = mistakes;
                let stytch = config.common.read_required_stytch(&mut mistakes);
                let config = prepare(&config, mistakes)?;
                let stytch = stytch.context("STYTCH_PROJECT_ID and STYTCH_SECRET")?;
                serve::run(config, stytch, args, shutdown::stop_on_signal()).await
            }
            Self::Migrate(With { args, config }) => {
                migrate::run(&prepare(&config, mistakes)?, args).await
            }
            Self::Keys(With { args, config }) => {
                keys::run(&prepare(&config, mistakes)?, args).await
            }
            Self::Invite(With { args, config }) => {
                invite::run(&prepare(&config, mistakes)?, args).await
            }
            Self::Status(With { args, config }) => {
                status::run(&prepare(&config, mistakes)?, &args).await
            }
            Self::Doctor(With { args, config }) => {
                let config = match config.read(mistakes) {
                    Ok(config) => config,
                    Err(mistakes) => return doctor::refused(&mistakes, &args),
                };
                doctor::run(&config, &args).await
            }
            Self::Jobs(With { args, config }) => {
                jobs::run(&prepare(&config, mistakes)?, args).await
            }
            Self::Queue(With { args, config }) => {
                queue::run(&prepare(&config, mistakes)?, args).await
            }
            Self::Reconcile(With { args, config }) => {
                let mut mistakes = mistakes;
                let stytch = config.common.read_required_stytch(&mut mistakes);
                let config = prepare(&config, mistakes)?;
                let stytch = stytch.context("STYTCH_PROJECT_ID and STYTCH_SECRET")?;
                reconcile::run(&config, stytch, &args, shutdown::stop_on_signal()).await
            }
            Self::Openapi(With { args: _, config }) => openapi::run(&prepare(&config, mistakes)?),
            Self::Sandbox(args) => {
                if !mistakes.is_empty() {
                    return Err(mistakes.into());
                }
                telemetry::start(telemetry::Format::Text)?;
                stytch_sandbox::run(args, shutdown::stop_on_signal()).await?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

/// Reads the configuration, and starts logging as it says.
fn prepare(args: &ConfigArgs, mistakes: ConfigErrors) -> anyhow::Result<Config> {
    let config = args.read(mistakes)?;
    let format = telemetry::Format::parse(&args.common.log_format);
    telemetry::start(format.map_err(anyhow::Error::msg)?)?;
    Ok(config)
}
