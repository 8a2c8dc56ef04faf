//! `guestlist keys`: API keys are made, listed and revoked.

use std::process::ExitCode;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use guestlist_domain::{Actor, ApiKey, ApiKeyId, Ctx, Name, Scope, StoreError, flows};
use guestlist_worker::build;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::output::{OutputError, note, print, report};
use super::table::one_line;
use crate::config::Config;
use crate::extract::KEY_PREFIX;

/// What `keys` is told.
#[derive(Debug, Args)]
pub struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

/// What to do with API keys.
#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Make a key; its secret is shown once
    Create {
        /// What it is for
        #[arg(long, value_parser = name)]
        name: Name,
        /// What it may do: users:read, users:write, invitations:read, invitations:write,
        /// ops:read, ops:write; everything if none is given
        #[arg(long = "scope", value_parser = scope)]
        scopes: Vec<Scope>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// List the keys
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a key back, for ever
    Revoke {
        /// The key's id
        id: ApiKeyId,
    },
}

fn name(text: &str) -> Result<Name, String> {
    let name = Name::parse(text).map_err(|error| format!("the name {error}"))?;
    name.ok_or_else(|| "say what the key is for".to_owned())
}

fn scope(word: &str) -> Result<Scope, String> {
    let known = || Scope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ");
    Scope::parse(word).ok_or_else(|| format!("there are: {}", known()))
}

/// Runs the command.
pub async fn run(config: &Config, args: KeysArgs) -> anyhow::Result<ExitCode> {
    let (ctx, _) = build::connect_without_stytch(&config.common).await?;
    match args.command {
        KeysCommand::Create { name, scopes, json } => {
            let (key, secret) = create(&ctx, name.as_str(), &scopes, &Actor::Cli).await?;
            if json {
                let mut view = view(&key);
                view["secret"] = Value::from(secret);
                hand_over(&ctx, &key, &view.to_string()).await?;
            } else {
                hand_over(&ctx, &key, &secret).await?;
                note(format!("This is shown once. The key's id is {}.", key.id));
            }
        }
        KeysCommand::List { json } => list(&ctx.store.api_keys().await?, json)?,
        KeysCommand::Revoke { id } => {
            if flows::revoke_key(&ctx, id, &Actor::Cli).await?.is_none() {
                anyhow::bail!("there is no key {id}");
            }
            report("revoked")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes a key of a fresh secret.
pub async fn create(
    ctx: &Ctx,
    name: &str,
    scopes: &[Scope],
    by: &Actor,
) -> Result<(ApiKey, String), StoreError> {
    let random: [u8; 32] = rand::random();
    let secret = format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let key = flows::create_key(ctx, name, scopes, &secret, by).await?;
    Ok((key, secret))
}

/// Writes the secret of a new key. A key whose secret nobody has seen is revoked.
async fn hand_over(ctx: &Ctx, key: &ApiKey, secret: &str) -> anyhow::Result<()> {
    let Err(error) = print(secret) else { return Ok(()) };
    let id = key.id;
    let revoked = flows::revoke_key(ctx, id, &Actor::Cli).await.with_context(|| {
        format!("{error}; revoke the key by: guestlist keys revoke {id}; it can't be done now")
    })?;
    let done = match revoked {
        Some(_) => format!("The key {id} was revoked because its secret could not be shown"),
        None => format!("The key {id} is gone"),
    };
    Err(error.after(done).into())
}

fn list(keys: &[ApiKey], as_json: bool) -> Result<(), OutputError> {
    if as_json {
        return print(Value::from(keys.iter().map(view).collect::<Vec<_>>()));
    }
    let mut lines = Vec::new();
    for key in keys {
        let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
        let scopes = if scopes.is_empty() { "everything".to_owned() } else { scopes.join(",") };
        let state = if key.revoked_at.is_some() { "revoked" } else { "active" };
        let used = key.last_used_at.map_or("never used".to_owned(), |at| format!("used {at:.0}"));
        let (id, prefix, name) = (key.id, &key.prefix, one_line(&key.name));
        lines.push(format!("{id}  {prefix}…  {state}  {used}  {scopes}  {name}"));
    }
    print(lines.join("\n"))
}

fn view(key: &ApiKey) -> Value {
    let time = |at: Timestamp| format!("{at:.3}");
    json!({
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        "created_at": time(key.created_at),
        "last_used_at": key.last_used_at.map(time),
        "revoked_at": key.revoked_at.map(time),
    })
}
