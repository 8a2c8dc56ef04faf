//! Parses the command line and the environment with clap.

use std::error::Error as _;
use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Id, Parser};

use super::dotenv;
use super::unchecked::ConfigErrors;

/// Loads the `.env` file, and parses arguments and environment variables; empty variables count as
/// not set. Returns an error for each setting whose value is invalid, which then counts as not set;
/// a program therefore declares its settings as [`Unchecked`](super::Unchecked). On another error, or
/// to print the help, prints it and returns the exit code.
///
/// Settings are the global arguments; the id of each is its variable in lower case. Since clap
/// stops at the first invalid value, the command line is parsed again without each.
pub fn parse<C: Parser>(mut arguments: Vec<OsString>) -> Result<(C, ConfigErrors), ExitCode> {
    let (mut errors, mut invalid) = (ConfigErrors::none(), Vec::new());
    if let Err(problem) = dotenv::read_dotenv() {
        errors.add(dotenv::FILE, problem);
    }
    loop {
        let mut command = without_variables(C::command(), &invalid);
        let parsed = command
            .try_get_matches_from_mut(&arguments)
            .and_then(|mut matches| C::from_arg_matches_mut(&mut matches));
        let error = match parsed {
            Ok(parsed) => return Ok((parsed, errors)),
            Err(error) => error,
        };
        let setting = invalid_setting(&command, &error);
        let Some(arg) = setting.filter(|arg| !invalid.contains(arg.get_id())) else {
            return Err(print(&error.format(&mut command)));
        };
        // An optional setting with an empty value counts as not set.
        if value(&error, ContextKind::InvalidValue).is_some_and(|value| !value.trim().is_empty())
            || !arg.get_default_values().is_empty()
        {
            let variable = arg.get_id().as_str().to_ascii_uppercase();
            errors.add(&variable, error.source().map(ToString::to_string).unwrap_or_default());
        }
        remove_flag(&mut arguments, arg);
        invalid.push(arg.get_id().clone());
    }
}

fn print(error: &clap::Error) -> ExitCode {
    match error.print() {
        Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from),
    }
}

/// Returns the setting whose value is invalid, if that is the error.
fn invalid_setting<'a>(command: &'a Command, error: &clap::Error) -> Option<&'a Arg> {
    if error.kind() != ErrorKind::ValueValidation {
        return None;
    }
    let name = value(error, ContextKind::InvalidArg)?;
    // As in `--listen-addr <LISTEN_ADDR>`.
    let flag = name.trim_start_matches("--").split_whitespace().next();
    let is_invalid = |arg: &&Arg| arg.is_global_set() && arg.get_long() == flag;
    let arg = command.get_arguments().find(is_invalid);
    arg.or_else(|| command.get_subcommands().find_map(|command| invalid_setting(command, error)))
}

fn value(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind)? {
        ContextValue::String(value) => Some(value),
        _ => None,
    }
}

/// Removes a flag and its value from the command line.
fn remove_flag(arguments: &mut Vec<OsString>, arg: &Arg) {
    let flag = format!("--{}", arg.get_long().unwrap_or_default());
    let with_value = format!("{flag}=");
    let is_flag = |given: &str| given == flag || given.starts_with(&with_value);
    while let Some(at) = arguments.iter().position(|given| given.to_str().is_some_and(is_flag)) {
        let value_follows = arguments[at] == *flag;
        let end = at + 1 + usize::from(value_follows);
        arguments.drain(at..end.min(arguments.len()));
    }
}

/// Ignores the variables that are empty, and those of `invalid` arguments.
fn without_variables(command: Command, invalid: &[Id]) -> Command {
    let without_variable = |arg: Arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        let is_empty = value.is_some_and(|value| value.to_string_lossy().trim().is_empty());
        let is_ignored = is_empty || invalid.contains(arg.get_id());
        if is_ignored { arg.env(Resettable::Reset) } else { arg }
    };
    let command = command.mut_args(without_variable);
    command.mut_subcommands(|command| without_variables(command, invalid))
}

#[cfg(test)]
mod tests {
    use crate::setup::config::{Common, Unchecked};

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        common: Unchecked<Common>,
    }

    #[test]
    fn every_invalid_setting_is_reported_before_any_can_be_used() {
        let args = [
            "guestlist",
            "--listen-addr=nowhere",
            "--log-format",
            "xml",
            "--public-url",
            "",
            "--worker-concurrency",
            "",
            "--sweep-interval",
            "5m",
        ];
        let (cli, errors) = parse::<Cli>(args.map(OsString::from).into()).unwrap();
        let checked = cli.common.check(errors, |common, _| {
            assert_eq!(common.listen_addr.port(), 3000);
            assert_eq!(common.worker.sweep_interval.as_secs(), 300);
            assert_eq!(common.public_url, None);
        });
        let errors = checked.unwrap_err();
        let errors: Vec<_> = errors.iter().map(|e| (e.variable.as_str(), &*e.problem)).collect();
        let expected = [
            ("LISTEN_ADDR", "\"nowhere\" is not an address like 127.0.0.1:3000"),
            ("LOG_FORMAT", "\"xml\" must be text or json"),
            ("WORKER_CONCURRENCY", "\"\" is not a number from 1 to 1000"),
        ];
        assert_eq!(errors, expected);
    }
}
