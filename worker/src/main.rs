//! `guestlist-worker`: the worker as a program of its own.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use guestlist_worker::Worker;
use guestlist_worker::setup::config::{Common, ConfigErrors, Unchecked, parse_arguments};
use guestlist_worker::setup::terminal::escape;
use guestlist_worker::setup::{bootstrap, shutdown, telemetry};

/// Sends Guestlist's mail, expires sessions and invitations, and cleans up at Stytch. Any number of
/// workers may run.
#[derive(Debug, Parser)]
#[command(name = "guestlist-worker", version)]
struct Cli {
    #[command(flatten)]
    common: Unchecked<Common>,
}

fn main() -> ExitCode {
    let (cli, errors) = match parse_arguments::<Cli>(std::env::args_os().collect()) {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    match run(cli.common, errors) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Ignored: stderr may be closed.
            let _ = writeln!(io::stderr(), "guestlist-worker: {}", escape(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

fn run(common: Unchecked<Common>, errors: ConfigErrors) -> anyhow::Result<()> {
    let (common, stytch) = common.check(errors, Common::required_stytch)?;
    let stytch = stytch.context("STYTCH_PROJECT_ID and STYTCH_SECRET")?;
    telemetry::start(common.log_format)?;
    shutdown::block_on(async {
        let services = bootstrap::connect(&common, stytch).await?;
        let policy = common.policy(&common.public_url_at(common.listen_addr)?);
        let stop = shutdown::stop_on_signal();
        Worker::bind(&services, policy, common.worker).await?.run(stop).await
    })?
}
