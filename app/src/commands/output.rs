//! Standard output, which may be closed or full.

use std::fmt::{self, Display};
use std::io::{self, Write};
use std::process::ExitCode;

use guestlist_worker::setup::terminal::escape;

/// The exit code of a program that SIGPIPE ended, as shells report it.
const BROKEN_PIPE: u8 = 141;

/// A write to standard output that failed.
#[derive(Debug)]
pub struct OutputError {
    cause: io::Error,
    /// What the command has done already, which nobody has read.
    done: Option<String>,
}

impl OutputError {
    /// Adds what the command has done.
    #[must_use]
    pub fn after(mut self, done: impl Display) -> Self {
        self.done = Some(done.to_string());
        self
    }

    /// Whether the program that read the output has ended, as `head` does.
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

impl std::error::Error for OutputError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        None
    }
}

/// Writes text and a line end; of an empty text, nothing. Characters that a terminal would act on are escaped.
pub fn print(text: impl Display) -> Result<(), OutputError> {
    let text = text.to_string();
    let text = escape(&text);
    let mut out = io::stdout().lock();
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let written = write!(out, "{text}{end}").and_then(|()| out.flush());
    written.map_err(|cause| OutputError { cause, done: None })
}

/// Writes a line that says what was done. Where that fails, the error says it on stderr.
pub fn report(done: impl Display) -> Result<(), OutputError> {
    print(&done).map_err(|error| error.after(done))
}

/// Writes a line to stderr. A failed write is ignored.
pub fn note(text: impl Display) {
    let _ = writeln!(io::stderr(), "{}", escape(&text.to_string()));
}

/// Tells on stderr why a command failed; returns what to exit with. A closed stdout is no failure
/// worth a message: only what was done is told.
pub fn failed(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref::<OutputError>() {
        Some(output) if output.is_closed() => {
            if let Some(done) = &output.done {
                note(format!("guestlist: {done}"));
            }
            ExitCode::from(BROKEN_PIPE)
        }
        _ => {
            note(format!("guestlist: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
