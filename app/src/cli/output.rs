//! Writing texts and tables to standard output, which may be closed or full, and to standard error.

use std::fmt::{self, Display};
use std::io::{self, Write};
use std::process::ExitCode;

use guestlist_worker::setup::terminal::escape;
use serde::Serialize;

/// The exit code that shells report for a program ended by SIGPIPE.
const BROKEN_PIPE: u8 = 141;

/// A failed write to standard output.
#[derive(Debug)]
pub struct OutputError {
    cause: io::Error,
    /// What the command has already done.
    done: Option<String>,
}

impl OutputError {
    /// Adds what the command has already done.
    #[must_use]
    pub fn after(mut self, done: impl Display) -> Self {
        self.done = Some(done.to_string());
        self
    }

    /// Returns whether the reader of the output has closed it, as `head` does.
    fn is_closed(&self) -> bool {
        self.cause.kind() == io::ErrorKind::BrokenPipe
    }
}

impl Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.done {
            Some(done) => write!(f, "can't write to stdout: {}. {done}", self.cause),
            None => write!(f, "can't write to stdout: {}", self.cause),
        }
    }
}

impl std::error::Error for OutputError {}

/// Writes text to stdout, adding a final newline if one is missing and escaping control
/// characters. Empty text writes nothing.
pub fn print(text: impl Display) -> Result<(), OutputError> {
    let text = text.to_string();
    let text = escape(&text);
    let mut out = io::stdout().lock();
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let written = write!(out, "{text}{end}").and_then(|()| out.flush());
    written.map_err(|cause| OutputError { cause, done: None })
}

/// Writes a value to stdout as one line of JSON.
pub fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(print(serde_json::to_string(value)?)?)
}

/// Writes what the command has done to stdout. The error repeats it.
pub fn print_done(done: impl Display) -> Result<(), OutputError> {
    print(&done).map_err(|error| error.after(done))
}

/// Writes a line to stderr, ignoring failures.
pub fn print_stderr(text: impl Display) {
    let _ = writeln!(io::stderr(), "{}", escape(&text.to_string()));
}

/// Writes a command's error to stderr and returns its exit code.
///
/// A closed stdout is reported only if the error tells what the command has already done.
pub fn report_failure(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref::<OutputError>() {
        Some(output) if output.is_closed() => {
            if let Some(done) = &output.done {
                print_stderr(format!("guestlist: {done}"));
            }
            ExitCode::from(BROKEN_PIPE)
        }
        _ => {
            print_stderr(format!("guestlist: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// A table with aligned columns.
#[derive(Debug)]
pub struct Table<const N: usize>(Vec<[String; N]>);

impl<const N: usize> Table<N> {
    pub fn new(header: [&str; N]) -> Self {
        Self(vec![header.map(ToOwned::to_owned)])
    }

    pub fn without_header() -> Self {
        Self(Vec::new())
    }

    pub fn push(&mut self, cells: [String; N]) {
        self.0.push(cells.map(|cell| one_line(&cell)));
    }
}

impl<const N: usize> Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            self.0.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
        };
        let widths: [usize; N] = std::array::from_fn(width);
        for row in &self.0 {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// Replaces line ends and tabs with spaces, and escapes other control characters.
pub fn one_line(text: &str) -> String {
    escape(&text.replace(['\n', '\r', '\t'], " ")).into_owned()
}

/// Returns the text of a cell, `-` if there is none.
pub fn or_dash(text: Option<impl Display>) -> String {
    text.map_or_else(|| "-".to_owned(), |text| text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(["a", "long", "x"]);
        table.push(["longer", "b", ""].map(ToOwned::to_owned));
        assert_eq!(table.to_string(), "a       long  x\nlonger  b\n");
    }

    #[test]
    fn control_characters_are_escaped() {
        let mut table = Table::without_header();
        table.push(["two\nlines\u{1b}[31m".to_owned()]);
        assert_eq!(table.to_string(), "two lines\\u001b[31m\n");
    }
}
