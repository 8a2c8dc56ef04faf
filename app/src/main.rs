//! `guestlist`: the application and its commands.

mod commands;
mod config;
mod http;
mod operations;
mod pages;
mod site;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let dotenv = guestlist_worker::config::read_dotenv();
    let cli = commands::Cli::parse_from(commands::arguments());
    match cli.run(dotenv) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("guestlist: {error:#}");
            ExitCode::FAILURE
        }
    }
}
