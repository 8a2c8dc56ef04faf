//! The command line of `guestlist`.

mod dev;
mod doctor;
mod invite;
mod jobs;
mod keys;
mod migrate;
mod output;
mod queue;
mod reconcile;
mod serve;
mod status;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use guestlist_worker::setup::config::{ConfigErrors, Unchecked};
use guestlist_worker::setup::{shutdown, telemetry};

use self::output::print;
use crate::config::{Config, StytchProject};
use crate::router::openapi_document;

pub use output::report_failure;

/// Let people into your application by invitation
///
/// Without a command, runs `dev`: everything in one process, with nothing to install.
#[derive(Debug, Parser)]
#[command(name = "guestlist", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything in one process: HTTP, worker, embedded database, local Stytch (default)
    Dev(WithConfig<dev::DevArgs>),
    /// Run the HTTP server
    Serve(WithConfig<serve::ServeArgs>),
    /// Apply, revert and inspect database migrations
    Migrate(WithConfig<migrate::MigrateArgs>),
    /// Create, list and revoke API keys
    Keys(WithConfig<keys::KeysArgs>),
    /// Invite people by email
    Invite(WithConfig<invite::InviteArgs>),
    /// Show whether mail is being sent, and why not
    ///
    /// Exit code: 0 if it is, 2 if it is not, 1 if that can't be determined.
    Status(WithConfig<status::StatusArgs>),
    /// Check the configuration and the database
    ///
    /// Explains how to fix each problem. Exit code: 1 if a check fails.
    Doctor(WithConfig<doctor::DoctorArgs>),
    /// List, inspect, retry, cancel and dismiss jobs
    Jobs(WithConfig<jobs::JobsArgs>),
    /// Pause and resume queues
    Queue(WithConfig<queue::QueueArgs>),
    /// Compare users with those at Stytch, and repair differences
    ///
    /// Changes nothing if that would affect more than 5 % of users, unless --force is given.
    Reconcile(WithConfig<reconcile::ReconcileArgs>),
    /// Print the OpenAPI 3.1 document of the HTTP API for this configuration
    Openapi {
        #[command(flatten, next_help_heading = "Configuration")]
        config: Unchecked<Config>,
    },
    /// Run only the local Stytch
    Sandbox(stytch_sandbox::SandboxArgs),
}

/// A command's own arguments, and the configuration.
#[derive(Debug, Args)]
struct WithConfig<A: Args> {
    #[command(flatten)]
    args: A,
    #[command(flatten, next_help_heading = "Configuration")]
    config: Unchecked<Config>,
}

/// Returns the arguments of this process, with `dev` added if they name no command.
pub fn arguments() -> Vec<OsString> {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let first = arguments.get(1).and_then(|first| first.to_str());
    let is_help = matches!(first, Some("-h" | "--help" | "-V" | "--version"));
    if first.is_none_or(|first| first.starts_with('-') && !is_help) {
        arguments.insert(arguments.len().min(1), "dev".into());
    }
    arguments
}

impl Cli {
    /// Runs the command. `mistakes` are those found so far, reported along with the
    /// configuration's.
    pub fn run(self, mistakes: ConfigErrors) -> anyhow::Result<ExitCode> {
        shutdown::block_on(self.command.run(mistakes))?
    }
}

impl Command {
    async fn run(self, mistakes: ConfigErrors) -> anyhow::Result<ExitCode> {
        match self {
            Self::Dev(command) => {
                let config = load(command.config, mistakes)?;
                Box::pin(dev::run(config, &command.args, shutdown::stop_on_signal())).await
            }
            Self::Serve(command) => {
                let (config, stytch) = load_with_stytch(command.config, mistakes)?;
                serve::run(&config, stytch, &command.args, shutdown::stop_on_signal()).await
            }
            Self::Migrate(command) => command.run(mistakes, migrate::run).await,
            Self::Keys(command) => command.run(mistakes, keys::run).await,
            Self::Invite(command) => command.run(mistakes, invite::run).await,
            Self::Status(command) => command.run(mistakes, status::run).await,
            Self::Doctor(command) => {
                let config = command.config.check(mistakes, Config::check);
                doctor::run(config.map(|(config, ())| config), &command.args).await
            }
            Self::Jobs(command) => command.run(mistakes, jobs::run).await,
            Self::Queue(command) => command.run(mistakes, queue::run).await,
            Self::Reconcile(command) => {
                let (config, stytch) = load_with_stytch(command.config, mistakes)?;
                reconcile::run(&config, stytch, &command.args, shutdown::stop_on_signal()).await
            }
            Self::Openapi { config } => {
                let config = load(config, mistakes)?;
                print_openapi(&config)
            }
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

impl<A: Args> WithConfig<A> {
    async fn run(
        self,
        mistakes: ConfigErrors,
        run: impl AsyncFnOnce(&Config, &A) -> anyhow::Result<ExitCode>,
    ) -> anyhow::Result<ExitCode> {
        let config = load(self.config, mistakes)?;
        run(&config, &self.args).await
    }
}

fn print_openapi(config: &Config) -> anyhow::Result<ExitCode> {
    let public_url = config.common.public_url_at(config.common.listen_addr)?;
    let site = config.site(public_url, StytchProject::default(), None);
    print(serde_json::to_string_pretty(&openapi_document(&site)?)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Checks the configuration, and starts logging.
fn load(config: Unchecked<Config>, mistakes: ConfigErrors) -> anyhow::Result<Config> {
    let (config, ()) = config.check(mistakes, Config::check)?;
    telemetry::start(config.common.log_format)?;
    Ok(config)
}

/// Checks the configuration of a command that calls Stytch, and starts logging.
fn load_with_stytch(
    config: Unchecked<Config>,
    mistakes: ConfigErrors,
) -> anyhow::Result<(Config, guestlist_stytch::Options)> {
    let (config, stytch) = config.check(mistakes, |config, errors| {
        let stytch = config.common.required_stytch(errors);
        config.check(errors);
        stytch
    })?;
    telemetry::start(config.common.log_format)?;
    Ok((config, stytch.context("STYTCH_PROJECT_ID and STYTCH_SECRET")?))
}
