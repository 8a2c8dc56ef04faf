//! Creating and revoking API keys.

use guestlist_domain::flows::{create_key, revoke_key};
use guestlist_domain::{Actor, ApiKeyId, ReadKeys, Scope, TokenHash};

use crate::support::{Simulation, block_on, secs};

#[test]
fn a_key_is_found_by_its_secret_which_is_not_stored() {
    let t = Simulation::new();
    let secret = "glk_0123456789abcdef";

    let key = block_on(create_key(&t.ctx, "ci", &[Scope::UsersRead], secret, &Actor::Cli)).unwrap();

    let found = block_on(t.store.api_key_by_hash(TokenHash::of(secret))).unwrap();
    assert_eq!(found.as_ref(), Some(&key));
    assert_eq!((key.name.as_str(), key.prefix.as_str()), ("ci", "glk_0123"));
    assert!(key.allows(Scope::UsersRead) && !key.allows(Scope::UsersWrite));
    assert!(!format!("{:?}", t.store.tables()).contains(secret));
}

#[test]
fn a_key_without_scopes_is_unrestricted() {
    let t = Simulation::new();
    let key = block_on(create_key(&t.ctx, "all", &[], "glk_secret", &Actor::Cli)).unwrap();
    assert!(key.is_unrestricted());
    assert!(Scope::ALL.iter().all(|scope| key.allows(*scope)));
}

#[test]
fn a_revoked_key_stays_revoked() {
    let t = Simulation::new();
    let key = block_on(create_key(&t.ctx, "ci", &[], "glk_secret", &Actor::Cli)).unwrap();
    let first = block_on(revoke_key(&t.ctx, key.id, &Actor::Cli)).unwrap().unwrap();
    let when = t.now();
    assert_eq!(first.revoked_at, Some(when));
    t.wait(secs(60));

    let again = block_on(revoke_key(&t.ctx, key.id, &Actor::Cli)).unwrap().unwrap();

    assert_eq!(again.revoked_at, Some(when));
    let tables = t.store.tables();
    let kinds: Vec<_> = tables.events.values().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["key_created", "key_revoked"]);
}

#[test]
fn an_unknown_key_is_not_found() {
    let t = Simulation::new();
    let unknown = ApiKeyId(t.ctx.ids.next());
    assert_eq!(block_on(revoke_key(&t.ctx, unknown, &Actor::Cli)).unwrap(), None);
}
