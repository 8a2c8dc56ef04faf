//! `guestlist-worker`: the worker as its own program.

use std::process::ExitCode;

use clap::Parser;
use guestlist_worker::config::{CommonArgs, Mistakes, read_dotenv};
use guestlist_worker::{build, shutdown, telemetry};

/// Sends Guestlist's mails, sweeps what has expired, and cleans up at Stytch. Any number may run.
#[derive(Debug, Parser)]
#[command(name = "guestlist-worker", version)]
struct Cli {
    #[command(flatten)]
    common: CommonArgs,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guestlist-worker: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let mut mistakes = Mistakes::default();
    if let Err(mistake) = read_dotenv() {
        mistakes.note(mistake);
    }
    let args = Cli::parse().common;
    let common = args.read(&mut mistakes);
    let stytch = args.read_required_stytch(&mut mistakes);
    let (Some(common), Some(stytch), true) = (common, stytch, mistakes.is_empty()) else {
        return Err(mistakes.into());
    };
    telemetry::start(telemetry::Format::parse(&args.log_format).map_err(anyhow::Error::msg)?)?;
    shutdown::block_on(async {
        let built = build::connect(&common, stytch).await?;
        let policy = common.policy(&common.public_url_at(common.listen_addr)?);
        let stop = shutdown::stop_on_signal();
        built.worker(policy, common.worker).await?.run(stop).await
    })?
}
