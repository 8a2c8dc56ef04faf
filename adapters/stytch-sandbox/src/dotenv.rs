//! The `.env` file of the current folder.

use std::{fs, io, path::Path};

use clap::{Command, builder::Resettable};

/// Loads the `.env` file of the current folder, if there is one. Variables that are set already take
/// precedence. An error gives the number of a line, never its content, which may be a secret.
pub fn load() -> Result<(), String> {
    let path = Path::new(".env");
    let text = match fs::read_to_string(path) {
        // dotenvy rejects trailing spaces in a last line without a line end.
        Ok(text) => text.trim_start_matches('\u{feff}').to_owned() + "\n",
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
            return Ok(());
        }
        Err(error) => return Err(format!(".env can't be read: {error}")),
    };
    if let Some(line) = invalid_line(&text) {
        return Err(format!(".env is invalid: line {line} is not NAME=value"));
    }
    dotenvy::from_read(text.as_bytes()).map_err(|_| ".env can't be read".to_owned())
}

/// Returns the number, from 1, of the first line that begins an invalid statement.
fn invalid_line(text: &str) -> Option<usize> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut begin = 0;
    for end in 1..=lines.len() {
        let statement = lines[begin..end].concat();
        match dotenvy::from_read_iter(statement.as_bytes()).next() {
            None | Some(Ok(_)) => begin = end,
            // A quoted value may continue on the next line.
            Some(Err(dotenvy::Error::LineParse(line, _))) if line == statement => {}
            Some(Err(_)) => return Some(begin + 1),
        }
    }
    (begin < lines.len()).then_some(begin + 1)
}

/// Ignores empty variables, as if they were not set.
pub fn ignore_empty_variables(command: Command) -> Command {
    command.mut_args(|arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        let is_empty = value.is_some_and(|value| value.to_string_lossy().trim().is_empty());
        if is_empty { arg.env(Resettable::Reset) } else { arg }
    })
}
