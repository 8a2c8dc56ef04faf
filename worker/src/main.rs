//! `guestlist-worker`: the worker as its own program.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use guestlist_worker::config::{CommonArgs, Mistakes, parse_arguments, read_dotenv};
use guestlist_worker::{build, escape, shutdown, telemetry};

/// Sends Guestlist's mails, sweeps what has expired, and cleans up at Stytch. Any number may run.
#[derive(Debug, Parser)]
#[command(name = "guestlist-worker", version)]
struct Cli {
    #[command(flatten)]
    common: CommonArgs,
}

fn main() -> ExitCode {
    let mut mistakes = Mistakes::default();
    if let Err(mistake) = read_dotenv() {
        mistakes.note(mistake);
    }
    let args = match parse_arguments::<Cli>(std::env::args_os()) {
        Ok(cli) => cli.common,
        Err(code) => return code,
    };
    match run(&args, mistakes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Ignored: stderr may be closed.
            let _ = writeln!(io::stderr(), "guestlist-worker: {}", escape(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &CommonArgs, mut mistakes: Mistakes) -> anyhow::Result<()> {
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
