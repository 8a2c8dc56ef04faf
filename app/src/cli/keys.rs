//! `guestlist keys`: creates, lists and revokes API keys.

use std::process::ExitCode;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use guestlist_domain::{Actor, ApiKey, ApiKeyId, Ctx, Name, Scope, StoreError, flows};
use guestlist_worker::setup::bootstrap;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::output::{Table, print, print_done, print_json, print_stderr};
use crate::config::Config;
use crate::extract::KEY_PREFIX;

#[derive(Debug, Args)]
pub struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Create an API key and print its secret, which is shown only once
    Create {
        /// What the key is for
        #[arg(long, value_parser = parse_name)]
        name: Name,
        /// Permission to grant; repeatable: users:read, users:write, invitations:read,
        /// invitations:write, ops:read, ops:write (default: all,
        /// and the key is unrestricted)
        #[arg(long = "scope", value_parser = parse_scope)]
        scopes: Vec<Scope>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List API keys
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke an API key for good
    Revoke {
        /// Id of the key
        id: ApiKeyId,
    },
}

fn parse_name(text: &str) -> Result<Name, String> {
    let name = Name::parse(text).map_err(|error| format!("the name {error}"))?;
    name.ok_or_else(|| "the name is empty".to_owned())
}

fn parse_scope(word: &str) -> Result<Scope, String> {
    let names = || Scope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ");
    Scope::parse(word).ok_or_else(|| format!("must be one of {}", names()))
}

pub async fn run(config: &Config, args: &KeysArgs) -> anyhow::Result<ExitCode> {
    let (ctx, _) = bootstrap::connect_without_provider(&config.common).await?;
    match &args.command {
        KeysCommand::Create { name, scopes, json } => {
            let (key, secret) = create(&ctx, name.as_str(), scopes, &Actor::Cli).await?;
            if *json {
                let mut key_json = to_json(&key);
                key_json["secret"] = Value::from(secret);
                print_secret(&ctx, &key, &key_json.to_string()).await?;
            } else {
                print_secret(&ctx, &key, &secret).await?;
                print_stderr(format!("Store it now: it is not shown again. Key id: {}", key.id));
            }
        }
        KeysCommand::List { json } => list(&ctx.store.api_keys().await?, *json)?,
        KeysCommand::Revoke { id } => {
            if flows::revoke_key(&ctx, *id, &Actor::Cli).await?.is_none() {
                anyhow::bail!("there is no API key {id}");
            }
            print_done(format!("Revoked API key {id}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Creates an API key with a random secret.
pub async fn create(
    ctx: &Ctx,
    name: &str,
    scopes: &[Scope],
    actor: &Actor,
) -> Result<(ApiKey, String), StoreError> {
    let random: [u8; 32] = rand::random();
    let secret = format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let key = flows::create_key(ctx, name, scopes, &secret, actor).await?;
    Ok((key, secret))
}

/// Prints the secret of a new key. If that fails, nobody knows the secret, and the key is revoked.
async fn print_secret(ctx: &Ctx, key: &ApiKey, secret: &str) -> anyhow::Result<()> {
    let Err(error) = print(secret) else { return Ok(()) };
    let id = key.id;
    let revoked = flows::revoke_key(ctx, id, &Actor::Cli).await.with_context(|| {
        format!("{error}; the key could not be revoked. Run: guestlist keys revoke {id}")
    })?;
    let done = match revoked {
        Some(_) => format!("API key {id} was revoked because its secret could not be shown"),
        None => format!("API key {id} does not exist any more"),
    };
    Err(error.after(done).into())
}

fn list(keys: &[ApiKey], json: bool) -> anyhow::Result<()> {
    if json {
        return print_json(&keys.iter().map(to_json).collect::<Vec<_>>());
    }
    let mut table = Table::new(["ID", "PREFIX", "STATE", "LAST USED", "SCOPES", "NAME"]);
    for key in keys {
        let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
        table.push([
            key.id.to_string(),
            format!("{}…", key.prefix),
            if key.revoked_at.is_some() { "revoked" } else { "active" }.to_owned(),
            key.last_used_at.map_or("never".to_owned(), |at| format!("{at:.0}")),
            if scopes.is_empty() { "all".to_owned() } else { scopes.join(",") },
            key.name.clone(),
        ]);
    }
    Ok(print(table)?)
}

fn to_json(key: &ApiKey) -> Value {
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
