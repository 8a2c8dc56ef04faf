//! Who did what to whom: found by whom, to whom and what, newest first, along an index.

use guestlist_database::{AuditFilter, By};
use guestlist_domain::{
    Actor, ApiKeyId, Change, Event, EventId, EventKind, Page, Store, User, Verdict,
};
use jiff::Timestamp;
use uuid::Uuid;

use crate::bed::{Bed, Engine, contract};
use crate::plans::plans;
use crate::samples::*;

contract!(
    what_is_done_by_itself_is_told_only_when_asked_for,
    filters_hold_together,
    pieces_make_the_whole,
    what_was_before_is_left_out,
    where_somebody_called_from_is_read_back,
    no_look_scans_a_table,
);

const ALL: Page<EventId> = Page { after: None, limit: 200 };

async fn apply(bed: &Bed, events: &[Event]) {
    let change = Change { events: events.to_vec(), ..Change::new() };
    assert_eq!(bed.store.apply(change).await.unwrap(), Verdict::Applied);
}

async fn found(bed: &Bed, filter: AuditFilter) -> Vec<EventId> {
    let events = bed.store.audit(&filter, ALL).await.unwrap();
    events.iter().map(|event| event.id).collect()
}

fn done(by: &Actor, kind: EventKind, to: &User) -> Event {
    Event { actor: by.clone(), kind, ..event(to, None) }
}

fn ids(events: &[&Event]) -> Vec<EventId> {
    events.iter().map(|event| event.id).collect()
}

fn any() -> AuditFilter {
    AuditFilter::default()
}

/// Something by everybody, oldest first: a person, a key, the shell, and nobody.
fn by_all(to: &User) -> (User, ApiKeyId, [Event; 4]) {
    let (root, key) = (active_user(), ApiKeyId(id()));
    let by_key = Actor::Key { id: key, name: "ci".to_owned() };
    let events = [
        done(&Actor::of(&root), EventKind::UserSuspended, to),
        done(&by_key, EventKind::UserReactivated, to),
        done(&Actor::Cli, EventKind::UserSuspended, to),
        done(&Actor::System, EventKind::Attempted, to),
    ];
    (root, key, events)
}

async fn what_is_done_by_itself_is_told_only_when_asked_for(bed: &Bed) {
    let ada = active_user();
    let (root, key, events) = by_all(&ada);
    apply(bed, &events).await;
    let [by_root, by_key, by_cli, by_nobody] = &events;

    assert_eq!(found(bed, any()).await, ids(&[by_cli, by_key, by_root]));
    let by = |by| AuditFilter { by: Some(by), ..any() };
    assert_eq!(found(bed, by(By::Id(root.id.0))).await, ids(&[by_root]));
    assert_eq!(found(bed, by(By::Id(key.0))).await, ids(&[by_key]));
    assert_eq!(found(bed, by(By::Cli)).await, ids(&[by_cli]));
    assert_eq!(found(bed, by(By::System)).await, ids(&[by_nobody]));
    let to_ada = AuditFilter { user: Some(ada.id), ..any() };
    assert_eq!(found(bed, to_ada).await, ids(&[by_nobody, by_cli, by_key, by_root]));
    let attempts = AuditFilter { kind: Some(EventKind::Attempted), ..any() };
    assert_eq!(found(bed, attempts).await, ids(&[by_nobody]));
}

async fn filters_hold_together(bed: &Bed) {
    let (ada, bob) = (active_user(), active_user());
    let (root, _, to_ada) = by_all(&ada);
    let by_root = Actor::of(&root);
    let to_bob =
        [EventKind::UserSuspended, EventKind::UserChanged].map(|kind| done(&by_root, kind, &bob));
    apply(bed, &to_ada).await;
    apply(bed, &to_bob).await;

    let mut filter = AuditFilter { kind: Some(EventKind::UserSuspended), ..any() };
    assert_eq!(found(bed, filter).await, ids(&[&to_bob[0], &to_ada[2], &to_ada[0]]));
    filter.by = Some(By::Id(root.id.0));
    assert_eq!(found(bed, filter).await, ids(&[&to_bob[0], &to_ada[0]]));
    filter.user = Some(ada.id);
    assert_eq!(found(bed, filter).await, ids(&[&to_ada[0]]));
    filter.since = Some(after(1));
    assert_eq!(found(bed, filter).await, []);
}

async fn pieces_make_the_whole(bed: &Bed) {
    let ada = active_user();
    let events: Vec<Event> = (0..10).flat_map(|_| by_all(&ada).2).collect();
    apply(bed, &events).await;
    let told = events.iter().rev().filter(|event| event.actor != Actor::System);
    let expected: Vec<_> = told.map(|event| event.id).collect();
    for limit in [1, 7, 30] {
        let mut page = Page { after: None, limit };
        let mut seen = Vec::new();
        loop {
            let piece = bed.store.audit(&any(), page).await.unwrap();
            assert!(piece.len() <= usize::try_from(limit).unwrap());
            let Some(last) = piece.last() else { break };
            page.after = Some(last.id);
            seen.extend(piece.iter().map(|event| event.id));
        }
        assert_eq!(seen, expected);
    }
}

/// An event at that time, with an id of that time.
fn at(time: Timestamp) -> Event {
    let noise = *id().as_bytes().last_chunk().unwrap();
    let millis = u64::try_from(time.as_millisecond()).unwrap();
    let id: Uuid = uuid::Builder::from_unix_timestamp_millis(millis, &noise).into_uuid();
    Event { id: EventId(id), at: time, actor: Actor::Cli, ..event(&active_user(), None) }
}

async fn what_was_before_is_left_out(bed: &Bed) {
    let events = [at(before(90)), at(before(1)), at(now()), at(after(90))];
    apply(bed, &events).await;
    let since = |time| AuditFilter { since: Some(time), ..any() };
    assert_eq!(found(bed, since(now())).await, ids(&[&events[3], &events[2]]));
    assert_eq!(found(bed, since(before(1))).await.len(), 3);
    assert_eq!(found(bed, since(Timestamp::MIN)).await.len(), 4);
    assert_eq!(found(bed, since(Timestamp::MAX)).await, []);
}

async fn where_somebody_called_from_is_read_back(bed: &Bed) {
    for ip in ["203.0.113.7", "2001:db8:1111:2222:3333:4444:5555:6666"] {
        let from_ip = Some(ip.parse().unwrap());
        let event = Event { from_ip, ..done(&Actor::Cli, EventKind::KeyCreated, &user()) };
        apply(bed, std::slice::from_ref(&event)).await;
        let newest = bed.store.audit(&any(), Page { after: None, limit: 1 }).await.unwrap();
        assert_eq!(newest, [event]);
    }
}

async fn no_look_scans_a_table(bed: &Bed) {
    if bed.engine != Engine::Sqlite {
        return; // MySQL's plans depend on what is in the tables.
    }
    bed.forget_statements();
    let page = Page { after: Some(EventId(id())), limit: 9 };
    for filter in [
        any(),
        AuditFilter { by: Some(By::Id(id())), ..any() },
        AuditFilter { by: Some(By::System), ..any() },
        AuditFilter { user: Some(user().id), ..any() },
        AuditFilter { kind: Some(EventKind::KeyCreated), ..any() },
        AuditFilter { since: Some(now()), ..any() },
    ] {
        bed.store.audit(&filter, page).await.unwrap();
    }
    let plans = plans(bed).await;
    assert_eq!(plans.len(), 10);
    let bounded = plans.iter().filter(|(step, _)| step.contains("id>? AND id<?"));
    assert_eq!(bounded.count(), 3, "what was before is not read to be left out: {plans:?}");
    for (step, statement) in plans {
        assert!(
            step.starts_with("SEARCH") && step.contains("INDEX events_"),
            "{step}: {statement}"
        );
    }
}
