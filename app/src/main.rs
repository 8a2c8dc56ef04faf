//! `guestlist`: the HTTP API, the pages and the command line.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod cli;
mod config;
mod http;
mod operations;
mod pages;

use std::process::ExitCode;

use guestlist_worker::config::{Mistakes, parse_arguments, read_dotenv};

fn main() -> ExitCode {
    let mut mistakes = Mistakes::default();
    if let Err(mistake) = read_dotenv() {
        mistakes.note(mistake);
    }
    match parse_arguments::<cli::Cli>(cli::arguments()) {
        Ok(cli) => cli.run(mistakes).unwrap_or_else(|error| cli::report_failure(&error)),
        Err(code) => code,
    }
}
