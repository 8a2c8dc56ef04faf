//! What `dev` keeps beside its database: the sandbox's state, and the API key that it printed, so
//! that a second start goes on where the first ended.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use guestlist_database::sqlite_file;
use guestlist_domain::{Actor, Ctx, TokenHash};

use super::keys;
use crate::config::is_private;

/// The files of one database.
#[derive(Debug)]
pub struct DevState {
    /// The sandbox's.
    pub sandbox: PathBuf,
    key: PathBuf,
}

impl DevState {
    /// Beside the SQLite file; for a server in the current folder, by the name of the database.
    pub fn beside(database_url: &str) -> anyhow::Result<Self> {
        let base = match sqlite_file(database_url) {
            Some(path) => path,
            None => PathBuf::from(server_name(database_url)?),
        };
        let with = |suffix: &str| {
            let mut path = base.clone().into_os_string();
            path.push(suffix);
            PathBuf::from(path)
        };
        Ok(Self { sandbox: with(".sandbox.jsonl"), key: with(".dev-key") })
    }

    /// The API key of the last start if it still works, else a new one.
    pub async fn api_key(&self, ctx: &Ctx) -> anyhow::Result<String> {
        if let Some(secret) = read_private(&self.key)? {
            let known = ctx.store.api_key_by_hash(TokenHash::of(&secret)).await?;
            if known.is_some_and(|key| key.revoked_at.is_none()) {
                return Ok(secret);
            }
        }
        let (_, secret) = keys::create(ctx, "dev", &[], &Actor::Cli).await?;
        write_private(&self.key, &secret).with_context(|| self.key.display().to_string())?;
        Ok(secret)
    }
}

fn server_name(database_url: &str) -> anyhow::Result<String> {
    let url = url::Url::parse(database_url).context("DATABASE_URL")?;
    let name = url.path().trim_matches('/').to_owned();
    anyhow::ensure!(!name.is_empty(), "DATABASE_URL names no database");
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    let (host, port) = (url.host_str().unwrap_or("local"), url.port().unwrap_or(3306));
    Ok(format!("guestlist-{host}-{port}-{name}")
        .chars()
        .map(|c| if c == '.' { c } else { safe(c) })
        .collect())
}

/// Reads a secret, if there is one, after taking the file from other users.
fn read_private(path: &Path) -> anyhow::Result<Option<String>> {
    let read = make_private(path).and_then(|()| fs::read_to_string(path));
    match read {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Writes a secret that only the file's owner can read.
fn write_private(path: &Path, secret: &str) -> io::Result<()> {
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    make_private(path)?;
    writeln!(file, "{secret}")
}

fn make_private(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    if is_private(mode) { Ok(()) } else { fs::set_permissions(path, Permissions::from_mode(0o600)) }
}
