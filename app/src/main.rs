//! `guestlist`: the application and its commands.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod api;
mod audit;
mod commands;
mod config;
mod extract;
mod middleware;
mod openapi;
mod operations;
mod pages;
mod problem;
mod router;
mod sessions;
mod site;
mod state;

use std::process::ExitCode;

use guestlist_worker::config::{Mistakes, parse_arguments, read_dotenv};

fn main() -> ExitCode {
    let mut mistakes = Mistakes::default();
    if let Err(mistake) = read_dotenv() {
        mistakes.note(mistake);
    }
    match parse_arguments::<commands::Cli>(commands::arguments()) {
        Ok(cli) => cli.run(mistakes).unwrap_or_else(|error| commands::failed(&error)),
        Err(code) => code,
    }
}
