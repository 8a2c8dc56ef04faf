//! Sessions end individually or together, and concurrent lookups are combined.

use futures::future::join_all;
use guestlist_domain::{
    Change, EndReason, EndSessions, Page, ReadSessions, Session, SessionSelector, User,
};

use crate::support::fixtures::*;
use crate::support::test_database::TestDatabase;
use crate::support::test_store::{TestStore, contract};

contract!(
    one_session_ends,
    all_but_one_end,
    all_end,
    an_ended_session_keeps_its_end,
    a_change_can_end_all_sessions_and_start_one,
    live_sessions_are_listed_newest_first,
    the_session_of_a_deleted_user_is_not_found;
    sql:
    concurrent_lookups_are_few_queries,
);

fn end(user: &User, which: SessionSelector) -> Change {
    let reason = EndReason::Revoked;
    Change::new().end_sessions(EndSessions {
        user_id: user.id,
        sessions: which,
        at: after(9),
        reason,
    })
}

async fn is_ended(db: &TestStore, session: &Session) -> bool {
    let ended = db.store.session(session.id).await.unwrap().unwrap().ended;
    assert!(ended.is_none_or(|ended| ended == (after(9), EndReason::Revoked)));
    ended.is_some()
}

async fn ended(db: &TestStore, sessions: &[Session]) -> Vec<bool> {
    join_all(sessions.iter().map(|session| is_ended(db, session))).await
}

async fn one_session_ends(db: &TestStore) {
    let (user, sessions, other) = db.insert_sessions().await;
    db.apply(end(&user, SessionSelector::One(sessions[1].id))).await;
    assert_eq!(ended(db, &sessions).await, [false, true, false]);
    // A user can't end the session of another user.
    db.apply(end(&user, SessionSelector::One(other.id))).await;
    assert!(!is_ended(db, &other).await);
}

async fn all_but_one_end(db: &TestStore) {
    let (user, sessions, other) = db.insert_sessions().await;
    db.apply(end(&user, SessionSelector::AllBut(sessions[1].id))).await;
    assert_eq!(ended(db, &sessions).await, [true, false, true]);
    assert!(!is_ended(db, &other).await);
}

async fn all_end(db: &TestStore) {
    let (user, sessions, other) = db.insert_sessions().await;
    db.apply(end(&user, SessionSelector::All)).await;
    assert_eq!(ended(db, &sessions).await, [true, true, true]);
    assert!(!is_ended(db, &other).await);
    let (found, _) = db.store.session_by_token(sessions[0].token_hash).await.unwrap().unwrap();
    assert!(!found.is_live(now()));
}

async fn an_ended_session_keeps_its_end(db: &TestStore) {
    let (user, sessions, _) = db.insert_sessions().await;
    db.apply(end(&user, SessionSelector::One(sessions[0].id))).await;
    db.apply(Change::new().end_sessions(EndSessions {
        user_id: user.id,
        sessions: SessionSelector::All,
        at: after(99),
        reason: EndReason::LoggedOut,
    }))
    .await;
    assert!(is_ended(db, &sessions[0]).await);
    let later = db.store.session(sessions[1].id).await.unwrap().unwrap();
    assert_eq!(later.ended, Some((after(99), EndReason::LoggedOut)));
}

async fn a_change_can_end_all_sessions_and_start_one(db: &TestStore) {
    let (user, sessions, _) = db.insert_sessions().await;
    let new = session(&user);
    let mut change = end(&user, SessionSelector::All);
    change.sessions.push(new.clone());
    db.apply(change).await;
    assert_eq!(ended(db, &sessions).await, [true, true, true]);
    assert!(!is_ended(db, &new).await);
}

async fn live_sessions_are_listed_newest_first(db: &TestStore) {
    let (user, sessions, _) = db.insert_sessions().await;
    let mut expired = session(&user);
    expired.expires_at = after(10);
    let mut change = end(&user, SessionSelector::One(sessions[0].id));
    change.sessions.push(expired.clone());
    db.apply(change).await;
    let live = db.store.live_sessions(user.id, after(9)).await.unwrap();
    assert_eq!(live, [expired, sessions[2].clone(), sessions[1].clone()]);
    let live = db.store.live_sessions(user.id, after(10)).await.unwrap();
    assert_eq!(live, [sessions[2].clone(), sessions[1].clone()]);
    let first = Page { after: None, limit: 1 };
    let page = db.store.sessions(user.id, after(10), first).await.unwrap();
    assert_eq!(page, [sessions[2].clone()]);
    let next = Page { after: Some(sessions[2].id), limit: 9 };
    let page = db.store.sessions(user.id, after(10), next).await.unwrap();
    assert_eq!(page, [sessions[1].clone()]);
}

async fn the_session_of_a_deleted_user_is_not_found(db: &TestStore) {
    let (user, sessions, _) = db.insert_sessions().await;
    let mut change = Change::new();
    change.users.delete.push(user);
    db.apply(change).await;
    assert_eq!(db.store.session_by_token(sessions[0].token_hash).await.unwrap(), None);
    assert!(db.store.session(sessions[0].id).await.unwrap().is_some());
}

async fn concurrent_lookups_are_few_queries(db: &TestDatabase) {
    let holders: Vec<User> = (0..10).map(|_| active_user()).collect();
    let sessions: Vec<_> = (0..200).map(|n| session(&holders[n % 10])).collect();
    let mut change = Change::new();
    change.users.insert = holders.clone();
    change.sessions = sessions.clone();
    db.apply(change).await;
    db.take_statements();
    let known = sessions.iter().map(|session| session.token_hash);
    let unknown = (0..50).map(|n| hash(&format!("unknown {n}")));
    // Each token three times, and tokens of no session.
    let tokens: Vec<_> = known.clone().chain(known.clone()).chain(known).chain(unknown).collect();
    let found = join_all(tokens.iter().map(|t| db.store.session_by_token(*t))).await;
    for (n, found) in found.into_iter().enumerate() {
        let expected = (n < 600).then(|| (sessions[n % 200].clone(), holders[n % 10].clone()));
        assert_eq!(found.unwrap(), expected);
    }
    let queries = db.take_statements().len();
    assert!(queries <= 20, "{queries} queries for 650 lookups");
    let ids = sessions.iter().map(|s| db.store.session_by_provider_id(&s.provider_session_id));
    let found = join_all(ids).await;
    assert!(std::iter::zip(found, sessions).all(|(f, s)| f.unwrap().unwrap().0 == s));
}
