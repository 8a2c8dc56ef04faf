//! The audit log is filtered by actor, user, kind and time, newest first, along an index.

use guestlist_database::operations::{AuditActor, AuditFilter};
use guestlist_domain::{Actor, ApiKeyId, Change, Event, EventId, EventKind, Page, User};
use jiff::Timestamp;
use uuid::Uuid;

use crate::support::fixtures::*;
use crate::support::query_plan::{assert_indexed, fill, plans};
use crate::support::test_database::TestDatabase;
use crate::support::test_store::contract;

contract!(; sql:
    events_of_the_system_are_returned_only_on_request,
    filters_are_combined,
    pages_add_up_to_the_whole_list,
    earlier_events_are_omitted,
    the_ip_address_is_read_back,
    filters_neither_scan_nor_sort_a_table;
    sqlite:
    a_start_time_bounds_the_range_of_the_index,
);

const ALL: Page<EventId> = Page { after: None, limit: 200 };

async fn apply(db: &TestDatabase, events: &[Event]) {
    let change = Change { events: events.to_vec(), ..Change::new() };
    db.apply(change).await;
}

async fn found(db: &TestDatabase, filter: AuditFilter) -> Vec<EventId> {
    let events = db.store.audit(&filter, ALL).await.unwrap();
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

/// Returns events by a user, an API key, the command line and the system, oldest first.
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

async fn events_of_the_system_are_returned_only_on_request(db: &TestDatabase) {
    let ada = active_user();
    let (root, key, events) = by_all(&ada);
    apply(db, &events).await;
    let [by_root, by_key, by_cli, by_system] = &events;

    assert_eq!(found(db, any()).await, ids(&[by_cli, by_key, by_root]));
    let by = |by| AuditFilter { actor: Some(by), ..any() };
    assert_eq!(found(db, by(AuditActor::Id(root.id.0))).await, ids(&[by_root]));
    assert_eq!(found(db, by(AuditActor::Id(key.0))).await, ids(&[by_key]));
    assert_eq!(found(db, by(AuditActor::Cli)).await, ids(&[by_cli]));
    assert_eq!(found(db, by(AuditActor::System)).await, ids(&[by_system]));
    let to_ada = AuditFilter { user: Some(ada.id), ..any() };
    assert_eq!(found(db, to_ada).await, ids(&[by_system, by_cli, by_key, by_root]));
    let attempts = AuditFilter { kind: Some(EventKind::Attempted), ..any() };
    assert_eq!(found(db, attempts).await, ids(&[by_system]));
}

async fn filters_are_combined(db: &TestDatabase) {
    let (ada, bob) = (active_user(), active_user());
    let (root, _, to_ada) = by_all(&ada);
    let by_root = Actor::of(&root);
    let to_bob =
        [EventKind::UserSuspended, EventKind::UserChanged].map(|kind| done(&by_root, kind, &bob));
    apply(db, &to_ada).await;
    apply(db, &to_bob).await;

    let mut filter = AuditFilter { kind: Some(EventKind::UserSuspended), ..any() };
    assert_eq!(found(db, filter).await, ids(&[&to_bob[0], &to_ada[2], &to_ada[0]]));
    filter.actor = Some(AuditActor::Id(root.id.0));
    assert_eq!(found(db, filter).await, ids(&[&to_bob[0], &to_ada[0]]));
    filter.user = Some(ada.id);
    assert_eq!(found(db, filter).await, ids(&[&to_ada[0]]));
    filter.since = Some(after(1));
    assert_eq!(found(db, filter).await, []);
}

async fn pages_add_up_to_the_whole_list(db: &TestDatabase) {
    let ada = active_user();
    let events: Vec<Event> = (0..10).flat_map(|_| by_all(&ada).2).collect();
    apply(db, &events).await;
    let returned = events.iter().rev().filter(|event| event.actor != Actor::System);
    let expected: Vec<_> = returned.map(|event| event.id).collect();
    for limit in [1, 7, 30] {
        let mut page = Page { after: None, limit };
        let mut seen = Vec::new();
        loop {
            let events = db.store.audit(&any(), page).await.unwrap();
            assert!(events.len() <= usize::try_from(limit).unwrap());
            let Some(last) = events.last() else { break };
            page.after = Some(last.id);
            seen.extend(events.iter().map(|event| event.id));
        }
        assert_eq!(seen, expected);
    }
}

/// Returns an event at a time, with an id of that time.
fn at(time: Timestamp) -> Event {
    let random = *id().as_bytes().last_chunk().unwrap();
    let millis = u64::try_from(time.as_millisecond()).unwrap();
    let id: Uuid = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    Event { id: EventId(id), at: time, actor: Actor::Cli, ..event(&active_user(), None) }
}

async fn earlier_events_are_omitted(db: &TestDatabase) {
    let events = [at(before(90)), at(before(1)), at(now()), at(after(90))];
    apply(db, &events).await;
    let since = |time| AuditFilter { since: Some(time), ..any() };
    assert_eq!(found(db, since(now())).await, ids(&[&events[3], &events[2]]));
    assert_eq!(found(db, since(before(1))).await.len(), 3);
    assert_eq!(found(db, since(Timestamp::MIN)).await.len(), 4);
    assert_eq!(found(db, since(Timestamp::MAX)).await, []);
}

async fn the_ip_address_is_read_back(db: &TestDatabase) {
    for ip in ["203.0.113.7", "2001:db8:1111:2222:3333:4444:5555:6666"] {
        let from_ip = Some(ip.parse().unwrap());
        let event = Event { from_ip, ..done(&Actor::Cli, EventKind::KeyCreated, &user()) };
        apply(db, std::slice::from_ref(&event)).await;
        let newest = db.store.audit(&any(), Page { after: None, limit: 1 }).await.unwrap();
        assert_eq!(newest, [event]);
    }
}

async fn filters_neither_scan_nor_sort_a_table(db: &TestDatabase) {
    let users = fill(db).await;
    let page = Page { after: Some(EventId(id())), limit: 9 };
    for filter in all_filters(&users[1_000]) {
        db.store.audit(&filter, page).await.unwrap();
    }
    let steps = assert_indexed(db).await;
    assert_eq!(steps.len(), 10);
    // All events are the system's, so an optimizer may read those along the primary key.
    let by_secondary_index = steps.iter().filter(|step| step.text.contains("events_"));
    assert!(by_secondary_index.count() >= 9, "{steps:?}");
}

async fn a_start_time_bounds_the_range_of_the_index(db: &TestDatabase) {
    db.clear_statements();
    let page = Page { after: Some(EventId(id())), limit: 9 };
    for filter in all_filters(&user()) {
        db.store.audit(&filter, page).await.unwrap();
    }
    let steps = plans(db).await;
    assert_eq!(steps.len(), 10);
    let bounded = steps.iter().filter(|step| step.text.contains("id>? AND id<?"));
    assert_eq!(bounded.count(), 3, "{steps:?}");
    assert!(steps.iter().all(|step| step.text.contains("INDEX events_")), "{steps:?}");
}

/// Filters of which two, without a condition but the time, run a query for each of three actors.
fn all_filters(user: &User) -> [AuditFilter; 6] {
    [
        any(),
        AuditFilter { actor: Some(AuditActor::Id(id())), ..any() },
        AuditFilter { actor: Some(AuditActor::System), ..any() },
        AuditFilter { user: Some(user.id), ..any() },
        AuditFilter { kind: Some(EventKind::KeyCreated), ..any() },
        AuditFilter { since: Some(now()), ..any() },
    ]
}
