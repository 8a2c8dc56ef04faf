//! `guestlist`: the HTTP API, the pages and the command line.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod api;
mod audit;
mod cli;
mod config;
mod extract;
mod middleware;
mod openapi;
mod operations;
mod pages;
mod problem;
mod router;
mod sessions;
mod state;

use std::process::ExitCode;

use guestlist_worker::setup::config::parse_arguments;

fn main() -> ExitCode {
    match parse_arguments::<cli::Cli>(cli::arguments()) {
        Ok((cli, mistakes)) => {
            cli.run(mistakes).unwrap_or_else(|error| cli::report_failure(&error))
        }
        Err(code) => code,
    }
}
