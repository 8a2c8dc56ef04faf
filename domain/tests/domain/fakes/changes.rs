//! Changes are atomic, and conflict if an expectation does not hold.

use guestlist_domain::flows::create_key;
use guestlist_domain::{
    Actor, Change, Guard, GuardName, LoginRequest, LoginRequestId, Role, Session, SessionId,
    TokenHash, Tombstone, UsedLink, User, UserId, UserStatus, Verdict,
};

use crate::support::{Simulation, at, block_on};

fn verdict(t: &Simulation, change: Change) -> Verdict {
    t.store.tables().apply(change)
}

fn unknown_user(t: &Simulation, name: &str) -> User {
    User::new(UserId(t.ctx.ids.next()), at(name), UserStatus::Active, t.now())
}

fn session(t: &Simulation, token: &str, stytch: &str) -> Session {
    Session {
        id: SessionId(t.ctx.ids.next()),
        user_id: UserId(t.ctx.ids.next()),
        provider_session_id: stytch.into(),
        token_hash: TokenHash::of(token),
        started_at: t.now(),
        expires_at: t.now(),
        last_used_at: t.now(),
        user_agent: None,
        ip: None,
        ended: None,
    }
}

#[test]
fn an_update_expects_the_version_that_was_read() {
    let t = Simulation::new();
    let read = t.add("ada", Role::Member).unwrap();

    assert_eq!(verdict(&t, Change::new().update_user(read.clone())), Verdict::Applied);
    assert_eq!(t.expect_user("ada").version, read.version + 1);
    assert_eq!(verdict(&t, Change::new().update_user(read.clone())), Verdict::Conflict);

    let mut change = Change::new();
    change.users.delete.push(read);
    assert_eq!(verdict(&t, change), Verdict::Conflict);
    assert!(t.user("ada").is_some());
}

#[test]
fn a_deleted_row_can_be_neither_updated_nor_deleted() {
    let t = Simulation::new();
    let nobody = unknown_user(&t, "ada");
    assert_eq!(verdict(&t, Change::new().update_user(nobody.clone())), Verdict::Conflict);
    let mut change = Change::new();
    change.users.delete.push(nobody);
    assert_eq!(verdict(&t, change), Verdict::Conflict);
}

#[test]
fn a_conflicting_change_writes_nothing() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let before = format!("{:?}", t.store.tables());
    let stale = guestlist_domain::Invitation { version: 99, ..ada };
    let change = Change::new().insert_user(unknown_user(&t, "bob")).update_invitation(stale);

    assert_eq!(verdict(&t, change), Verdict::Conflict);

    assert_eq!(format!("{:?}", t.store.tables()), before);
}

#[test]
fn addresses_and_identities_are_unique() {
    let t = Simulation::new();
    t.logged_in("ada");
    assert_eq!(verdict(&t, Change::new().insert_user(unknown_user(&t, "ada"))), Verdict::Conflict);
    let provider_user_id = t.expect_user("ada").provider_user_id;
    let same = User { provider_user_id, ..unknown_user(&t, "bob") };
    assert_eq!(verdict(&t, Change::new().insert_user(same)), Verdict::Conflict);
}

#[test]
fn a_unique_value_can_move_between_rows_in_one_change() {
    let t = Simulation::new();
    let old = t.add("ada", Role::Member).unwrap();
    let mut change = Change::new().insert_user(unknown_user(&t, "ada"));
    change.users.delete.push(old.clone());

    assert_eq!(verdict(&t, change), Verdict::Applied);
    assert_ne!(t.expect_user("ada").id, old.id);
}

#[test]
fn an_address_has_one_open_invitation() {
    let t = Simulation::new();
    let mut second = t.invited("ada");
    second.id = guestlist_domain::InvitationId(t.ctx.ids.next());
    assert_eq!(verdict(&t, Change::new().insert_invitation(second)), Verdict::Conflict);

    let mut first = t.invitations("ada").remove(0);
    first.mark_revoked().unwrap();
    let mut second = t.invitations("ada").remove(0);
    second.id = guestlist_domain::InvitationId(t.ctx.ids.next());
    let change = Change::new().insert_invitation(second).update_invitation(first);
    assert_eq!(verdict(&t, change), Verdict::Applied, "in any order of writing it down");
}

#[test]
fn sessions_links_requests_tombstones_and_keys_are_unique() {
    let t = Simulation::new();
    let user = UserId(t.ctx.ids.next());
    let id = || LoginRequestId(t.ctx.ids.next());
    let twice = |change: &dyn Fn() -> Change| {
        assert_eq!(verdict(&t, change()), Verdict::Applied);
        assert_eq!(verdict(&t, change()), Verdict::Conflict);
    };
    let with = |write: &dyn Fn(&mut Change)| {
        let mut change = Change::new();
        write(&mut change);
        change
    };
    twice(&|| with(&|c| c.sessions.push(session(&t, "token", &id().to_string()))));
    twice(&|| with(&|c| c.sessions.push(session(&t, &id().to_string(), "stytch"))));
    let link = UsedLink { token_hash: TokenHash::of("link"), user_id: None, at: t.now() };
    twice(&|| with(&|c| c.used_links.push(link.clone())));
    let request = |ordinal| LoginRequest {
        id: id(),
        email: at("ada"),
        ordinal,
        return_to: None,
        at: t.now(),
        send_at: t.now(),
    };
    twice(&|| with(&|c| c.login_requests.push(request(1))));
    twice(&|| with(&|c| c.login_requests.push(request(2))));
    let gone = Tombstone { provider_user_id: "gone".into(), user_id: user, at: t.now() };
    twice(&|| with(&|c| c.tombstones.push(gone.clone())));
    block_on(create_key(&t.ctx, "one", &[], "secret", &Actor::Cli)).unwrap();
    assert!(block_on(create_key(&t.ctx, "two", &[], "secret", &Actor::Cli)).is_err());
}

#[test]
fn a_guard_expects_its_value_and_is_incremented() {
    let t = Simulation::new();
    let guarded = |version| {
        let mut change = Change::new();
        change.guards.push(Guard { name: GuardName::ActiveAdmins, version });
        change
    };
    assert_eq!(verdict(&t, guarded(1)), Verdict::Conflict);
    assert_eq!(verdict(&t, guarded(0)), Verdict::Applied);
    assert_eq!(verdict(&t, guarded(0)), Verdict::Conflict);
    assert_eq!(verdict(&t, guarded(1)), Verdict::Applied);
}

#[test]
fn an_empty_change_is_always_applied() {
    let t = Simulation::new();
    assert_eq!(verdict(&t, Change::new()), Verdict::Applied);
}
