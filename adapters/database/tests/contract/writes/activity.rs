//! Last-use times of sessions, users and API keys.

use guestlist_domain::{Change, Usage, User};

use crate::support::fixtures::*;
use crate::support::test_store::{TestStore, contract};

contract!(
    last_use_times_only_move_forward,
    a_time_of_a_clock_that_was_ahead_is_corrected,
    recording_a_use_conflicts_with_no_update,
);

async fn last_use_times_only_move_forward(db: &TestStore) {
    let (holder, sessions, others) = db.insert_sessions().await;
    let key = api_key();
    let mut change = Change::new();
    change.api_keys.insert.push(key.clone());
    db.apply(change).await;
    let seen = [
        Usage::Session { session: sessions[0].id, user: holder.id },
        Usage::Session { session: sessions[1].id, user: holder.id },
        Usage::Session { session: sessions[1].id, user: holder.id },
        Usage::Key(key.id),
        Usage::Session { session: session(&holder).id, user: user().id },
    ];
    for (at, expected) in [(before(5), None), (after(60), Some(60)), (after(30), Some(60))] {
        db.store.record_usage(&seen, at).await.unwrap();
        let session = db.store.session(sessions[1].id).await.unwrap().unwrap();
        // A new session has a last use; a new user or key has none.
        assert_eq!(session.last_used_at, expected.map_or(now(), after));
        let user = db.store.user(holder.id).await.unwrap().unwrap();
        let key = db.store.api_key(key.id).await.unwrap().unwrap();
        let expected = Some(expected.map_or(before(5), after));
        assert_eq!((user.last_seen_at, key.last_used_at), (expected, expected));
        assert_eq!((user.version, key.version), (1, 1));
    }
    let other = db.store.session(others.id).await.unwrap();
    assert_eq!(other, Some(others));
    db.store.record_usage(&[], now()).await.unwrap();
    let many: Vec<_> =
        (0..3_000).map(|_| Usage::Session { session: sessions[0].id, user: user().id }).collect();
    db.store.record_usage(&many, after(70)).await.unwrap();
}

async fn a_time_of_a_clock_that_was_ahead_is_corrected(db: &TestStore) {
    let (holder, sessions, _) = db.insert_sessions().await;
    let seen = [Usage::Session { session: sessions[0].id, user: holder.id }];
    for (at, expected) in [(after(7_200), after(7_200)), (after(10), after(10))] {
        db.store.record_usage(&seen, at).await.unwrap();
        let session = db.store.session(sessions[0].id).await.unwrap().unwrap();
        let user = db.store.user(holder.id).await.unwrap().unwrap();
        assert_eq!((session.last_used_at, user.last_seen_at), (expected, Some(expected)));
    }
}

async fn recording_a_use_conflicts_with_no_update(db: &TestStore) {
    let (holder, sessions, _) = db.insert_sessions().await;
    let seen = Usage::Session { session: sessions[0].id, user: holder.id };
    db.store.record_usage(&[seen], after(60)).await.unwrap();
    // The update is based on the version before the use.
    let renamed = User { name: name("Ada"), ..holder.clone() };
    db.apply(Change::new().update_user(holder.clone(), renamed)).await;
    let read = db.store.user(holder.id).await.unwrap().unwrap();
    assert_eq!((read.name, read.last_seen_at), (name("Ada"), Some(after(60))));
}
