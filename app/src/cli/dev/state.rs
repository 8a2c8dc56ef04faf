//! Files that `dev` stores beside its database, so that the next start continues with them.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use guestlist_database::sqlite_file;
use guestlist_domain::{Actor, Ctx, TokenHash};

use crate::cli::keys;
use crate::config::{is_owner_only, with_suffix};

/// The files that belong to one database.
#[derive(Debug)]
pub struct DevState {
    /// File with the sandbox's state.
    pub sandbox: PathBuf,
    api_key: PathBuf,
}

impl DevState {
    /// Returns the paths: next to an SQLite file, otherwise in the current folder, named after the
    /// database.
    pub fn beside(database_url: &str) -> anyhow::Result<Self> {
        let base = match sqlite_file(database_url) {
            Some(path) => path,
            None => PathBuf::from(server_name(database_url)?),
        };
        let sandbox = with_suffix(&base, ".sandbox.jsonl");
        Ok(Self { sandbox, api_key: with_suffix(&base, ".dev-key") })
    }

    /// Returns the stored API key if it is still valid, else a new one.
    pub async fn api_key(&self, ctx: &Ctx) -> anyhow::Result<String> {
        if let Some(secret) = read_private(&self.api_key)? {
            let stored = ctx.store.api_key_by_hash(TokenHash::of(&secret)).await?;
            if stored.is_some_and(|key| key.revoked_at.is_none()) {
                return Ok(secret);
            }
        }
        let (_, secret) = keys::create(ctx, "dev", &[], &Actor::Cli).await?;
        write_private(&self.api_key, &secret)
            .with_context(|| self.api_key.display().to_string())?;
        Ok(secret)
    }
}

fn server_name(database_url: &str) -> anyhow::Result<String> {
    let url = url::Url::parse(database_url).context("DATABASE_URL")?;
    let name = url.path().trim_matches('/').to_owned();
    anyhow::ensure!(!name.is_empty(), "DATABASE_URL names no database");
    let (host, port) = (url.host_str().unwrap_or("local"), url.port().unwrap_or(3306));
    let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name = format!("guestlist-{host}-{port}-{name}");
    Ok(name.chars().map(|c| if is_safe(c) { c } else { '_' }).collect())
}

/// Reads a secret if the file exists, after making it private.
fn read_private(path: &Path) -> anyhow::Result<Option<String>> {
    let read = make_private(path).and_then(|()| fs::read_to_string(path));
    match read {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Writes a secret to a file that only its owner can read.
fn write_private(path: &Path, secret: &str) -> io::Result<()> {
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    make_private(path)?;
    writeln!(file, "{secret}")
}

fn make_private(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    if is_owner_only(mode) {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(0o600))
}
