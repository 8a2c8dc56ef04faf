//! The state file: JSON lines, one for each request that changed something, appended in one
//! write before the answer, so that a killed sandbox has forgotten nothing it said.
//!
//! A torn last line is the mark of such an end and is dropped. Anything else that can't be read
//! is an error, and the file is left alone. Opening compacts it, by renaming a new file over it.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use crate::{
    Credentials, Error, clock,
    tables::{Record, Tables},
};

const FORMAT: u32 = 1;

pub(crate) struct Journal {
    file: File,
    length: u64,
}

/// The credentials that a state file was made with, so that a second start accepts the same pair.
pub fn stored_credentials(state: &Path) -> Result<Option<Credentials>, Error> {
    let file = match File::open(state) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|source| at(state, source))?,
    };
    let mut line = Vec::new();
    BufReader::new(file).read_until(b'\n', &mut line).map_err(|source| at(state, source))?;
    if line.is_empty() { Ok(None) } else { first_line(state, &line).map(Some) }
}

impl Journal {
    /// What the file holds, and the file, compacted and ready to be appended to.
    pub(crate) fn open(path: &Path, credentials: &Credentials) -> Result<(Self, Tables), Error> {
        let mut before = private(OpenOptions::new().read(true).append(true).create(true))
            .open(path)
            .map_err(|source| at(path, source))?;
        lock(&before, path)?;
        let mut content = Vec::new();
        before.read_to_end(&mut content).map_err(|source| at(path, source))?;
        let tables = read(path, &content)?;
        let journal = Self::compact(path, credentials, &tables)?;
        Ok((journal, tables))
    }

    /// One line, one write. What fails half-way is cut off again.
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
        let new = beside(path);
        let journal = Self::create(&new, credentials, tables).map_err(|source| at(&new, source))?;
        lock(&journal.file, path)?;
        fs::rename(&new, path).map_err(|source| at(path, source))?;
        Ok(journal)
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
        // A leftover of a start that was killed may have other permissions.
        let _ = fs::remove_file(new);
        let mut file = private(OpenOptions::new().append(true).create_new(true)).open(new)?;
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
            Err(corrupt(path, 1, "the file is of another version of stytch-sandbox"))
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
        TryLockError::Error(source) => at(path, source),
    })
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

/// It holds the secret and the signing key: for the owner alone.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn corrupt(path: &Path, line: usize, reason: impl Into<String>) -> Error {
    Error::CorruptState { path: path.to_owned(), line, reason: reason.into() }
}

fn at(path: &Path, source: io::Error) -> Error {
    Error::State { path: path.to_owned(), source }
}
