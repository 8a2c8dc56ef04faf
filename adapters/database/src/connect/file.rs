//! The file of an SQLite database.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use thiserror::Error;

/// The file of an SQLite database was deleted or replaced while this process had it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the database file was deleted or replaced while this process had it open: restore it if need \
     be, then restart"
)]
pub struct FileGone;

/// A database file that this process has open.
#[derive(Debug, Clone)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    /// Device and inode of the open file.
    identity: (u64, u64),
}

impl DatabaseFile {
    /// Records the identity of a file that was just opened.
    pub(super) fn opened(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }

    /// Returns an error if the path names another file, or none.
    pub(super) fn check(&self) -> Result<(), FileGone> {
        match identity(&self.path) {
            Ok(identity) if identity != self.identity => Err(FileGone),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(FileGone),
            _ => Ok(()),
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Creates the file with mode 0600 if it is missing. SQLite gives the same mode to the files beside
/// it.
///
/// An existing file is not opened: closing it would release the locks that SQLite holds on it
/// elsewhere in this process.
pub(super) fn create(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Returns the path in an SQLite URL, or `None` for another or an invalid URL.
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    if !url.starts_with("sqlite:") {
        return None;
    }
    let options: SqliteConnectOptions = url.parse().ok()?;
    Some(options.get_filename().to_owned())
}
