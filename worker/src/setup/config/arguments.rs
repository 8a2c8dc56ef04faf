//! Parses the command line and the environment with clap.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{Arg, Command, Parser};

/// Parses arguments and environment variables; empty variables count as not set. Otherwise prints
/// the help or the error, and returns the exit code.
pub fn parse<C: Parser>(arguments: impl IntoIterator<Item = OsString>) -> Result<C, ExitCode> {
    let mut command = without_empty_variables(C::command());
    let parsed = command
        .try_get_matches_from_mut(arguments)
        .and_then(|mut matches| C::from_arg_matches_mut(&mut matches));
    parsed.map_err(|error| {
        let error = error.format(&mut command);
        match error.print() {
            Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
            _ => u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from),
        }
    })
}

fn without_empty_variables(command: Command) -> Command {
    command.mut_args(without_empty_variable).mut_subcommands(without_empty_variables)
}

fn without_empty_variable(arg: Arg) -> Arg {
    let value = arg.get_env().and_then(std::env::var_os);
    let is_empty = value.is_some_and(|value| value.to_string_lossy().trim().is_empty());
    if is_empty { arg.env(Resettable::Reset) } else { arg }
}
