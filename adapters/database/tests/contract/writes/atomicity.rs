//! A change of any size is applied as a whole or not at all.

use guestlist_domain::{
    Change, EndReason, EndSessions, Guard, GuardName, Invitation, InvitationStatus, RemovedAddress,
    SessionSelector, Tombstone, User, UserStatus, Verdict,
};

use crate::support::fixtures::*;
use crate::support::test_store::{TestStore, contract};

contract!(
    an_empty_change_is_applied,
    a_conflict_writes_nothing,
    a_change_can_write_thousands_of_rows,
);

async fn an_empty_change_is_applied(db: &TestStore) {
    db.apply(Change::new()).await;
}

/// The change writes a row in every table, one of which conflicts.
async fn a_conflict_writes_nothing(db: &TestStore) {
    let taken = used_link();
    let (known, live) = (active_user(), session(&active_user()));
    let mut before = Change::new().insert_user(known.clone());
    before.used_links.push(taken.clone());
    before.sessions.push(live.clone());
    db.apply(before).await;

    let newcomer = full_user();
    let mut change = invite(&newcomer);
    let suspended = User { status: UserStatus::Suspended, ..known.clone() };
    change = change.update_user(known.clone(), suspended);
    change.sessions.push(session(&newcomer));
    change.end_sessions.push(EndSessions {
        user_id: live.user_id,
        sessions: SessionSelector::All,
        at: now(),
        reason: EndReason::Revoked,
    });
    change.login_requests.push(login_request(&newcomer.email, 0));
    change.api_keys.insert.push(api_key());
    change.guards.push(Guard { name: GuardName::ActiveAdmins, version: 0 });
    let provider_user_id = "user-test-2".to_owned();
    change.tombstones.push(Tombstone { provider_user_id, user_id: known.id, at: now() });
    change.removed_addresses.push(RemovedAddress::of(&newcomer.email));
    change.reconciliations.push(reconciliation());
    let mut conflicting = change.clone();
    conflicting.used_links.push(taken);
    assert_eq!(db.store.apply(conflicting).await.unwrap(), Verdict::Conflict);

    assert_eq!(db.store.user(known.id).await.unwrap(), Some(known));
    assert_eq!(db.store.session(live.id).await.unwrap(), Some(live));
    for (table, rows) in [
        ("users", 1),
        ("user_emails", 1),
        ("invitations", 0),
        ("sessions", 1),
        ("events", 0),
        ("jobs", 0),
        ("login_requests", 0),
        ("api_keys", 0),
        ("guards", 0),
        ("tombstones", 0),
        ("removed_addresses", 0),
        ("reconciliations", 0),
    ] {
        assert_eq!(db.count(table).await, rows, "{table}");
    }
    db.apply(change).await;
}

async fn a_change_can_write_thousands_of_rows(db: &TestStore) {
    let users: Vec<User> = (0..2_500).map(|_| user()).collect();
    let mut change = Change::new();
    for user in &users {
        change.invitations.insert.push(invitation(user));
        change.events.push(event(user, None));
        change.jobs.push(job());
    }
    change.users.insert = users.clone();
    db.apply(change.clone()).await;
    assert_eq!(db.count("invitations").await, 2_500);
    assert_eq!(db.count("jobs").await, 2_500);

    let mut update = Change::new();
    for user in &users {
        update = update.update_user(user.clone(), user.clone());
    }
    for (index, invitation) in change.invitations.insert.iter().enumerate() {
        let attempts = u32::try_from(index).unwrap();
        let status = InvitationStatus::Sent;
        let sent = Invitation { status, attempts, ..invitation.clone() };
        update = update.update_invitation(invitation.clone(), sent);
    }
    db.apply(update).await;
    let last = db.store.invitation(change.invitations.insert[2_499].id).await.unwrap().unwrap();
    assert_eq!((last.status, last.attempts), (InvitationStatus::Sent, 2_499));

    let mut delete = Change::new();
    delete.users.delete = users.into_iter().map(|user| User { version: 2, ..user }).collect();
    db.apply(delete).await;
    assert_eq!(db.count("users").await, 0);
    assert_eq!(db.count("user_emails").await, 0);
}
