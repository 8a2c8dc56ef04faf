//! Sessions end as they are told to, uses only move forward, and look-ups come together.

use futures::future::join_all;
use guestlist_domain::{
    Change, LinkClaim, EndReason, EndSessions, Page, ReadKeys, ReadSessions, ReadUsers, Usage, Session,
    ExpiredRows, Store, TokenHash, User, Verdict, SessionSelector,
};

use crate::bed::{Bed, contract};
use crate::samples::*;

contract!(
    one_session_ends,
    all_but_one_end,
    all_end,
    an_ended_session_keeps_its_end,
    a_change_may_end_all_and_begin_one,
    live_sessions_are_listed_newest_first,
    a_session_without_a_holder_is_none,
    look_ups_at_once_are_few_queries,
    uses_only_move_forward,
    a_use_noted_by_a_clock_that_was_ahead_is_corrected,
    a_use_does_not_disturb_an_update,
    of_many_claims_of_a_link_one_is_granted,
    a_claim_ends_by_itself_or_is_ended_by_who_has_it,
    a_claim_of_a_clock_that_was_ahead_is_not_held_for_long,
);

async fn apply(bed: &Bed, change: Change) {
    assert_eq!(bed.store.apply(change).await.unwrap(), Verdict::Applied);
}

/// Somebody with three sessions, and somebody else with one.
async fn begin(bed: &Bed) -> (User, Vec<Session>, Session) {
    let (holder, other) = (active_user(), active_user());
    let sessions: Vec<_> = (0..3).map(|_| session(&holder)).collect();
    let others = session(&other);
    let mut change = Change::new().insert_user(holder.clone()).insert_user(other);
    change.sessions = sessions.iter().chain([&others]).cloned().collect();
    apply(bed, change).await;
    (holder, sessions, others)
}

fn end(user: &User, which: SessionSelector) -> Change {
    let reason = EndReason::Revoked;
    Change::new().end_sessions(EndSessions { user_id: user.id, sessions: which, at: after(9), reason })
}

async fn is_ended(bed: &Bed, session: &Session) -> bool {
    let ended = bed.store.session(session.id).await.unwrap().unwrap().ended;
    assert!(ended.is_none_or(|ended| ended == (after(9), EndReason::Revoked)));
    ended.is_some()
}

async fn ended(bed: &Bed, sessions: &[Session]) -> Vec<bool> {
    join_all(sessions.iter().map(|session| is_ended(bed, session))).await
}

async fn one_session_ends(bed: &Bed) {
    let (holder, sessions, others) = begin(bed).await;
    apply(bed, end(&holder, SessionSelector::One(sessions[1].id))).await;
    assert_eq!(ended(bed, &sessions).await, [false, true, false]);
    // Another's can't be ended as one's own.
    apply(bed, end(&holder, SessionSelector::One(others.id))).await;
    assert!(!is_ended(bed, &others).await);
}

async fn all_but_one_end(bed: &Bed) {
    let (holder, sessions, others) = begin(bed).await;
    apply(bed, end(&holder, SessionSelector::AllBut(sessions[1].id))).await;
    assert_eq!(ended(bed, &sessions).await, [true, false, true]);
    assert!(!is_ended(bed, &others).await);
}

async fn all_end(bed: &Bed) {
    let (holder, sessions, others) = begin(bed).await;
    apply(bed, end(&holder, SessionSelector::All)).await;
    assert_eq!(ended(bed, &sessions).await, [true, true, true]);
    assert!(!is_ended(bed, &others).await);
    let (found, _) = bed.store.session_by_token(sessions[0].token_hash).await.unwrap().unwrap();
    assert!(!found.is_live(now()));
}

async fn an_ended_session_keeps_its_end(bed: &Bed) {
    let (holder, sessions, _) = begin(bed).await;
    apply(bed, end(&holder, SessionSelector::One(sessions[0].id))).await;
    apply(
        bed,
        Change::new().end_sessions(EndSessions {
            user_id: holder.id,
            sessions: SessionSelector::All,
            at: after(99),
            reason: EndReason::LoggedOut,
        }),
    )
    .await;
    assert!(is_ended(bed, &sessions[0]).await);
    let later = bed.store.session(sessions[1].id).await.unwrap().unwrap();
    assert_eq!(later.ended, Some((after(99), EndReason::LoggedOut)));
}

async fn a_change_may_end_all_and_begin_one(bed: &Bed) {
    let (holder, sessions, _) = begin(bed).await;
    let new = session(&holder);
    let mut change = end(&holder, SessionSelector::All);
    change.sessions.push(new.clone());
    apply(bed, change).await;
    assert_eq!(ended(bed, &sessions).await, [true, true, true]);
    assert!(!is_ended(bed, &new).await);
}

async fn live_sessions_are_listed_newest_first(bed: &Bed) {
    let (holder, sessions, _) = begin(bed).await;
    let mut expired = session(&holder);
    expired.expires_at = after(10);
    let mut change = end(&holder, SessionSelector::One(sessions[0].id));
    change.sessions.push(expired.clone());
    apply(bed, change).await;
    let live = bed.store.live_sessions(holder.id, after(9)).await.unwrap();
    assert_eq!(live, [expired, sessions[2].clone(), sessions[1].clone()]);
    let live = bed.store.live_sessions(holder.id, after(10)).await.unwrap();
    assert_eq!(live, [sessions[2].clone(), sessions[1].clone()]);
    let first = Page { after: None, limit: 1 };
    let piece = bed.store.sessions(holder.id, after(10), first).await.unwrap();
    assert_eq!(piece, [sessions[2].clone()]);
    let next = Page { after: Some(sessions[2].id), limit: 9 };
    let piece = bed.store.sessions(holder.id, after(10), next).await.unwrap();
    assert_eq!(piece, [sessions[1].clone()]);
}

async fn a_session_without_a_holder_is_none(bed: &Bed) {
    let (holder, sessions, _) = begin(bed).await;
    let mut change = Change::new();
    change.users.delete.push(holder);
    apply(bed, change).await;
    assert_eq!(bed.store.session_by_token(sessions[0].token_hash).await.unwrap(), None);
    assert!(bed.store.session(sessions[0].id).await.unwrap().is_some());
}

async fn look_ups_at_once_are_few_queries(bed: &Bed) {
    let holders: Vec<User> = (0..10).map(|_| active_user()).collect();
    let sessions: Vec<_> = (0..200).map(|n| session(&holders[n % 10])).collect();
    let mut change = Change::new();
    change.users.insert = holders.clone();
    change.sessions = sessions.clone();
    apply(bed, change).await;
    bed.take_statements();
    let known = sessions.iter().map(|session| session.token_hash);
    let unknown = (0..50).map(|n| hash(&format!("unknown {n}")));
    // Each three times, and some that are nobody's.
    let tokens: Vec<_> = known.clone().chain(known.clone()).chain(known).chain(unknown).collect();
    let found = join_all(tokens.iter().map(|t| bed.store.session_by_token(*t))).await;
    for (n, found) in found.into_iter().enumerate() {
        let expected = (n < 600).then(|| (sessions[n % 200].clone(), holders[n % 10].clone()));
        assert_eq!(found.unwrap(), expected);
    }
    let queries = bed.take_statements().len();
    assert!(queries <= 20, "{queries} queries for 650 look-ups");
    let ids = sessions.iter().map(|s| bed.store.session_by_provider_id(&s.provider_session_id));
    let found = join_all(ids).await;
    assert!(std::iter::zip(found, sessions).all(|(f, s)| f.unwrap().unwrap().0 == s));
}

async fn uses_only_move_forward(bed: &Bed) {
    let (holder, sessions, others) = begin(bed).await;
    let key = api_key();
    let mut change = Change::new();
    change.api_keys.insert.push(key.clone());
    apply(bed, change).await;
    let seen = [
        Usage::Session { session: sessions[0].id, user: holder.id },
        Usage::Session { session: sessions[1].id, user: holder.id },
        Usage::Session { session: sessions[1].id, user: holder.id },
        Usage::Key(key.id),
        Usage::Session { session: session(&holder).id, user: user().id },
    ];
    for (at, expected) in [(before(5), None), (after(60), Some(60)), (after(30), Some(60))] {
        bed.store.record_usage(&seen, at).await.unwrap();
        let session = bed.store.session(sessions[1].id).await.unwrap().unwrap();
        // A session begins with a use; a user and a key may have none.
        assert_eq!(session.last_used_at, expected.map_or(now(), after));
        let user = bed.store.user(holder.id).await.unwrap().unwrap();
        let key = bed.store.api_key(key.id).await.unwrap().unwrap();
        let expected = Some(expected.map_or(before(5), after));
        assert_eq!((user.last_seen_at, key.last_used_at), (expected, expected));
        assert_eq!((user.version, key.version), (1, 1));
    }
    let other = bed.store.session(others.id).await.unwrap();
    assert_eq!(other, Some(others));
    bed.store.record_usage(&[], now()).await.unwrap();
    let many: Vec<_> =
        (0..3_000).map(|_| Usage::Session { session: sessions[0].id, user: user().id }).collect();
    bed.store.record_usage(&many, after(70)).await.unwrap();
}

async fn a_use_noted_by_a_clock_that_was_ahead_is_corrected(bed: &Bed) {
    let (holder, sessions, _) = begin(bed).await;
    let seen = [Usage::Session { session: sessions[0].id, user: holder.id }];
    for (at, expected) in [(after(7_200), after(7_200)), (after(10), after(10))] {
        bed.store.record_usage(&seen, at).await.unwrap();
        let session = bed.store.session(sessions[0].id).await.unwrap().unwrap();
        let user = bed.store.user(holder.id).await.unwrap().unwrap();
        assert_eq!((session.last_used_at, user.last_seen_at), (expected, Some(expected)));
    }
}

async fn a_use_does_not_disturb_an_update(bed: &Bed) {
    let (holder, sessions, _) = begin(bed).await;
    let seen = Usage::Session { session: sessions[0].id, user: holder.id };
    bed.store.record_usage(&[seen], after(60)).await.unwrap();
    // Decided on what was read before the use.
    apply(bed, Change::new().update_user(User { name: name("Ada"), ..holder.clone() })).await;
    let read = bed.store.user(holder.id).await.unwrap().unwrap();
    assert_eq!((read.name, read.last_seen_at), (name("Ada"), Some(after(60))));
}

fn some_token() -> TokenHash {
    TokenHash::of(some_email().as_str())
}

async fn of_many_claims_of_a_link_one_is_granted(bed: &Bed) {
    let token = some_token();
    for round in [LinkClaim::Granted, LinkClaim::TakenOver] {
        let now = if round == LinkClaim::Granted { after(0) } else { after(30) };
        let claims = (0..32).map(|n| {
            let until = now + std::time::Duration::from_micros(30_000_000 - n);
            bed.store.claim_link(token, now, until)
        });
        let claims = join_all(claims).await.into_iter().map(Result::unwrap);
        let (granted, held): (Vec<_>, Vec<_>) = claims.partition(|claim| *claim == round);
        assert_eq!(granted.len(), 1, "{granted:?} {held:?}");
        assert!(held.iter().all(|claim| *claim == LinkClaim::Held), "{held:?}");
    }
}

async fn a_claim_ends_by_itself_or_is_ended_by_who_has_it(bed: &Bed) {
    let (token, other) = (some_token(), some_token());
    let claim = |now: u64| bed.store.claim_link(token, after(now), after(now + 30));
    assert_eq!(claim(0).await.unwrap(), LinkClaim::Granted);
    assert_eq!(claim(29).await.unwrap(), LinkClaim::Held);
    let others = bed.store.claim_link(other, after(29), after(59)).await.unwrap();
    assert_eq!(others, LinkClaim::Granted);
    assert_eq!(claim(30).await.unwrap(), LinkClaim::TakenOver);
    bed.store.release_link(token, after(30)).await.unwrap();
    assert_eq!(claim(31).await.unwrap(), LinkClaim::Held, "who has lost it cannot end it");
    bed.store.release_link(token, after(60)).await.unwrap();
    bed.store.release_link(token, after(60)).await.unwrap();
    assert_eq!(claim(31).await.unwrap(), LinkClaim::Granted);
    assert_eq!(bed.store.delete_expired(ExpiredRows::LinkClaims, after(60), 10).await.unwrap(), 1);
    assert_eq!(claim(32).await.unwrap(), LinkClaim::Held, "of the other it was");
}

async fn a_claim_of_a_clock_that_was_ahead_is_not_held_for_long(bed: &Bed) {
    let token = some_token();
    let ahead = bed.store.claim_link(token, after(7200), after(7230)).await.unwrap();
    assert_eq!(ahead, LinkClaim::Granted);
    let claim = bed.store.claim_link(token, after(0), after(30)).await.unwrap();
    assert_eq!(claim, LinkClaim::TakenOver);
}
