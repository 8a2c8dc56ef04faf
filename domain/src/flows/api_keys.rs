//! Creates and revokes API keys.

use crate::{
    Actor, ApiKey, ApiKeyId, Change, Ctx, Event, EventKind, OptimisticRetry, Scope, StoreResult,
    TokenHash, Update,
};
use serde_json::json;

/// The number of characters of the secret that identify a key to people.
const PREFIX_LENGTH: usize = 8;

/// Creates an API key from a random secret of the caller.
pub async fn create_key(
    ctx: &Ctx,
    name: &str,
    scopes: &[Scope],
    secret: &str,
    by: &Actor,
) -> StoreResult<ApiKey> {
    let mut retry = OptimisticRetry::default();
    loop {
        let key = ApiKey {
            id: ApiKeyId(ctx.ids.next()),
            name: name.to_owned(),
            hash: TokenHash::of(secret),
            prefix: secret.chars().take(PREFIX_LENGTH).collect(),
            scopes: scopes.to_vec(),
            created_at: ctx.now(),
            last_used_at: None,
            revoked_at: None,
            version: 1,
        };
        let mut change = Change::new().event(event(ctx, EventKind::KeyCreated, &key, by));
        change.api_keys.insert.push(key.clone());
        if retry.apply(ctx, change).await? {
            return Ok(key);
        }
    }
}

/// Revokes an API key. Returns `None` if it does not exist.
pub async fn revoke_key(ctx: &Ctx, id: ApiKeyId, by: &Actor) -> StoreResult<Option<ApiKey>> {
    let mut retry = OptimisticRetry::default();
    loop {
        let Some(mut key) = ctx.store.api_key(id).await? else {
            return Ok(None);
        };
        if key.revoked_at.is_some() {
            return Ok(Some(key));
        }
        let before = key.clone();
        key.revoked_at = Some(ctx.now());
        let mut change = Change::new().event(event(ctx, EventKind::KeyRevoked, &key, by));
        change.api_keys.update.push(Update { before, after: key.clone() });
        if retry.apply(ctx, change).await? {
            return Ok(Some(key));
        }
    }
}

fn event(ctx: &Ctx, kind: EventKind, key: &ApiKey, by: &Actor) -> Event {
    ctx.event(kind, by, json!({ "key": key.id, "name": key.name }))
}
