//! The file of an SQLite database.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;

/// The file of a database that this process has open.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseFile {
    path: PathBuf,
    /// Device and inode: what is open, whatever has its name now.
    identity: (u64, u64),
}

impl DatabaseFile {
    /// Remembers a file that was just opened.
    pub(crate) fn opened(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }

    /// Whether the name now leads elsewhere or nowhere, so that what is written would be lost.
    pub(crate) fn is_gone(&self) -> bool {
        match identity(&self.path) {
            Ok(identity) => identity != self.identity,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Creates the file if it is missing, for its owner alone; SQLite gives the files beside it the
/// same mode.
///
/// A file that exists is not even opened: closing it would end the locks that SQLite holds on it
/// elsewhere in this process.
pub(crate) fn create(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The file that a URL names; none for a server, or for a URL that can't be read.
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    if !url.starts_with("sqlite:") {
        return None;
    }
    let options: SqliteConnectOptions = url.parse().ok()?;
    Some(options.get_filename().to_owned())
}
