//! `guestlist`: the application and its commands.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod commands;
mod config;
mod http;
mod operations;
mod pages;
mod site;

use std::process::ExitCode;

use guestlist_worker::setup::config::{ConfigErrors, parse_arguments, read_dotenv};

fn main() -> ExitCode {
    let mut mistakes = ConfigErrors::default();
    if let Err(mistake) = read_dotenv() {
        mistakes.push(mistake);
    }
    match parse_arguments::<commands::Cli>(commands::arguments()) {
        Ok(cli) => cli.run(mistakes).unwrap_or_else(|error| commands::failed(&error)),
        Err(code) => code,
    }
}
