//! The state file: a log of changes in JSON lines. The changes of one request are one line, appended
//! in one write before the response is sent, so a killed sandbox loses nothing it has confirmed.
//!
//! An incomplete last line is the result of a kill and is ignored. Any other invalid content is an
//! error, and the file stays unchanged. Opening compacts the file, by renaming a new one over it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::Error;
use crate::options::Credentials;
use crate::state::{Record, Tables, clock};

const FORMAT: u32 = 2;

/// An open and locked state file.
pub(crate) struct StateFile {
    file: File,
    length: u64,
}

/// Returns the credentials stored in a state file, or none if there is no such file.
pub fn stored_credentials(state: &Path) -> Result<Option<Credentials>, Error> {
    let file = match File::open(state) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|source| io_error(state, source))?,
    };
    let mut line = Vec::new();
    BufReader::new(file).read_until(b'\n', &mut line).map_err(|source| io_error(state, source))?;
    if line.is_empty() { Ok(None) } else { first_line(state, &line).map(Some) }
}

impl StateFile {
    /// Opens and compacts the file, and returns it with its content.
    pub(crate) fn open(path: &Path, credentials: &Credentials) -> Result<(Self, Tables), Error> {
        let mut old = owner_only(OpenOptions::new().read(true).append(true).create(true))
            .open(path)
            .map_err(|source| io_error(path, source))?;
        lock(&old, path)?;
        let mut content = Vec::new();
        old.read_to_end(&mut content).map_err(|source| io_error(path, source))?;
        let tables = read(path, &content)?;
        let file = Self::compact(path, credentials, &tables)?;
        Ok((file, tables))
    }

    /// Appends one line in one write. Truncates the file again if that fails.
    pub(crate) fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let line = line(records)?;
        if let Err(error) = self.file.write_all(&line) {
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::End(0))?;
            return Err(error);
        }
        self.length += line.len() as u64;
        Ok(())
    }

    fn compact(path: &Path, credentials: &Credentials, tables: &Tables) -> Result<Self, Error> {
        let new = path.with_added_extension("new");
        let new_file =
            Self::create(&new, credentials, tables).map_err(|source| io_error(&new, source))?;
        lock(&new_file.file, path)?;
        fs::rename(&new, path).map_err(|source| io_error(path, source))?;
        Ok(new_file)
    }

    fn create(new: &Path, credentials: &Credentials, tables: &Tables) -> io::Result<Self> {
        let mut content = line(&[Record::Project {
            format: FORMAT,
            project_id: credentials.project_id.clone(),
            secret: credentials.secret.clone(),
        }])?;
        for record in tables.records(clock::now(tables.clock_offset_seconds)) {
            content.extend(line(&[record])?);
        }
        // A file left by a killed start may have other permissions.
        let _ = fs::remove_file(new);
        let mut file = owner_only(OpenOptions::new().append(true).create_new(true)).open(new)?;
        file.write_all(&content)?;
        file.sync_all()?;
        Ok(Self { file, length: content.len() as u64 })
    }
}

fn read(path: &Path, content: &[u8]) -> Result<Tables, Error> {
    let mut tables = Tables::default();
    for (number, line) in (1..).zip(content.split_inclusive(|byte| *byte == b'\n')) {
        if number == 1 {
            first_line(path, line)?;
        } else if line.ends_with(b"\n") {
            let records: Vec<Record> = serde_json::from_slice(line)
                .map_err(|error| corrupt(path, number, error.to_string()))?;
            for record in records {
                tables.apply(record);
            }
        }
    }
    Ok(tables)
}

fn first_line(path: &Path, line: &[u8]) -> Result<Credentials, Error> {
    let records: Vec<Record> = serde_json::from_slice(line)
        .map_err(|_| corrupt(path, 1, "this is not a state file of stytch-sandbox"))?;
    match records.into_iter().next() {
        Some(Record::Project { format: FORMAT, project_id, secret }) => {
            Ok(Credentials { project_id, secret })
        }
        Some(Record::Project { .. }) => {
            Err(corrupt(path, 1, "the file was written by another version of stytch-sandbox"))
        }
        _ => Err(corrupt(path, 1, "this is not a state file of stytch-sandbox")),
    }
}

fn line(records: &[Record]) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(records)?;
    line.push(b'\n');
    Ok(line)
}

fn lock(file: &File, path: &Path) -> Result<(), Error> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => Error::StateInUse(path.to_owned()),
        TryLockError::Error(source) => io_error(path, source),
    })
}

/// Restricts the file to its owner, because it holds the secret and the signing key.
fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn corrupt(path: &Path, line: usize, reason: impl Into<String>) -> Error {
    Error::CorruptState { path: path.to_owned(), line, reason: reason.into() }
}

fn io_error(path: &Path, source: io::Error) -> Error {
    Error::State { path: path.to_owned(), source }
}
