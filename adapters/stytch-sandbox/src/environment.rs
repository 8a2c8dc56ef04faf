//! Environment variables of the program, and the `.env` file of the current folder.

use std::{fs, io, path::Path};

use clap::{Command, builder::Resettable};

/// Loads the `.env` file of the current folder, if there is one. The environment comes first. An
/// error names a line and never shows it, because it may hold a secret.
pub fn read_dotenv() -> Result<(), String> {
    let path = Path::new(".env");
    let text = match fs::read_to_string(path) {
        // With a line end after the last line, whose trailing spaces are refused without one.
        Ok(text) => text.trim_start_matches('\u{feff}').to_owned() + "\n",
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
            return Ok(());
        }
        Err(error) => return Err(format!(".env can't be read: {error}")),
    };
    if let Some(line) = broken_line(&text) {
        return Err(format!(".env can't be read: line {line} is not NAME=value"));
    }
    dotenvy::from_read(text.as_bytes()).map_err(|_| ".env can't be read".to_owned())
}

/// The number of the first line, from 1, at which a statement begins that can't be parsed.
fn broken_line(text: &str) -> Option<usize> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut begin = 0;
    for end in 1..=lines.len() {
        let statement = lines[begin..end].concat();
        match dotenvy::from_read_iter(statement.as_bytes()).next() {
            None | Some(Ok(_)) => begin = end,
            // A quote is open, and a later line may close it.
            Some(Err(dotenvy::Error::LineParse(line, _))) if line == statement => {}
            Some(Err(_)) => return Some(begin + 1),
        }
    }
    (begin < lines.len()).then_some(begin + 1)
}

/// An empty variable counts as one that is not set.
pub fn without_empty_variables(command: Command) -> Command {
    command.mut_args(|arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        let is_empty = value.is_some_and(|value| value.to_string_lossy().trim().is_empty());
        if is_empty { arg.env(Resettable::Reset) } else { arg }
    })
}
