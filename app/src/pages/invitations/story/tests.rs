use guestlist_domain::{Actor, EventId, InvitationStatus, Name, UserId};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::pages::invitations::fixtures;

fn at(second: i64) -> Timestamp {
    let start: Timestamp = "2026-11-29T14:02:11Z".parse().unwrap();
    start + SignedDuration::from_secs(second)
}

fn invitation() -> Invitation {
    let name = Name::parse("Mei Tanaka").unwrap();
    Invitation { name, ..fixtures::invitation(InvitationStatus::Sent) }
}

fn grace() -> Actor {
    Actor::User { id: UserId(Uuid::nil()), name: "Grace".to_owned() }
}

/// Returns events with ascending ids, from kinds, seconds and details.
fn events(events: &[(EventKind, i64, Value)]) -> Vec<Event> {
    let event = |(n, (kind, second, detail)): (usize, &(EventKind, i64, Value))| Event {
        id: EventId(Uuid::from_u128(n as u128)),
        kind: *kind,
        at: at(*second),
        actor: if *kind == EventKind::Requested { grace() } else { Actor::System },
        from_ip: None,
        user_id: None,
        invitation_id: None,
        detail: detail.clone(),
    };
    events.iter().enumerate().map(event).collect()
}

fn attempt(number: u32, end: i64, outcome: &str, error: Option<&str>) -> JobAttempt {
    JobAttempt {
        number,
        worker: Some("worker-2".to_owned()),
        started_at: at(end - 1),
        finished_at: Some(at(end)),
        outcome: outcome.to_owned(),
        error: error.map(|message| ("code".to_owned(), message.to_owned())),
        request_id: None,
    }
}

/// Returns the distance and title of each entry.
fn titles(entries: &[Entry]) -> Vec<String> {
    let title = |entry: &Entry| {
        let Title { actor, text, person } = &entry.title;
        let parts = [Some(&entry.later), actor.as_ref(), Some(text), person.as_ref()];
        let parts = parts.into_iter().flatten().filter(|part| !part.is_empty());
        parts.map(String::as_str).collect::<Vec<_>>().join(" ")
    };
    entries.iter().map(title).collect()
}

#[test]
fn an_outage_has_an_entry_for_each_step() {
    use EventKind::{Accepted, Attempted, Doubtful, Held, Requested, Sent, Visited};
    let events = events(&[
        (Requested, 0, Value::Null),
        (Attempted, 11, json!({ "number": 1, "outcome": "error", "code": "timeout" })),
        (Doubtful, 11, json!({ "number": 1, "code": "timeout" })),
        (Held, 13, json!({ "by": "provider_down" })),
        (
            Attempted,
            387,
            json!({
                "number": 2, "outcome": "ok", "request_id": "request-id-1", "duration_ms": 212,
                "earlier_call": "not_sent",
            }),
        ),
        (Sent, 387, Value::Null),
        (Visited, 390, json!({ "by": "scanner" })),
        (Visited, 90_000, json!({ "by": "browser" })),
        (Accepted, 90_003, Value::Null),
    ]);
    let attempts = [attempt(1, 11, "retry", Some("too slow")), attempt(2, 387, "done", None)];
    let invitation = invitation();
    let entries =
        story_of(&Sources { invitation: &invitation, events: &events, attempts: &attempts });
    assert_eq!(
        titles(&entries),
        [
            "Grace invited Mei Tanaka",
            "+11 s Attempt 1: no answer from Stytch",
            "+2 s Held for 6 min 14 s: Stytch was down",
            "+6 min 14 s Attempt 2: sent",
            "+3 s Opened, probably by a mail scanner",
            "30 Nov Opened",
            "+3 s Mei Tanaka accepted",
        ]
    );
    let fact = |label, value: &str, is_code| Fact { label, value: value.to_owned(), is_code };
    assert_eq!(entries[1].quote, None);
    assert_eq!(
        entries[1].facts,
        [
            fact("Error", "timeout", true),
            fact("Message", "too slow", false),
            fact("Worker", "worker-2", true),
            fact("Stytch request ID", "none", false),
        ]
    );
    assert_eq!(
        entries[3].text,
        "Stytch accepted the mail, 6 min 27 s after the request. Before that, Stytch was asked: \
         the earlier attempt had sent nothing."
    );
    assert_eq!(
        entries[3].facts,
        [
            fact("Took", "212 ms", false),
            fact("Worker", "worker-2", true),
            fact("Stytch request ID", "request-id-1", true),
        ]
    );
    assert!(entries[4].text.contains("3 s after it was sent, faster"), "{}", entries[4].text);
}

#[test]
fn a_rejection_quotes_stytch() {
    use EventKind::{Attempted, Failed, Requested};
    let code = "invalid_email";
    let events = events(&[
        (Requested, 0, Value::Null),
        (
            Attempted,
            1,
            json!({
                "number": 1, "outcome": "error", "code": code, "request_id": "request-id-1",
            }),
        ),
        (Failed, 1, json!({ "code": code, "attempts": 1 })),
    ]);
    let long = "x".repeat(501);
    let attempts = [attempt(1, 1, "dead", Some(&long))];
    let invitation = invitation();
    let entries =
        story_of(&Sources { invitation: &invitation, events: &events, attempts: &attempts });
    assert_eq!(titles(&entries)[1..], ["+1 s Attempt 1: failed for good"]);
    assert_eq!(entries[1].quote.as_deref(), Some(format!("{}…", "x".repeat(500)).as_str()));
}

#[test]
fn a_late_program_is_distinguished_from_a_quick_scanner() {
    use EventKind::{Sent, Visited};
    let entries_of = |second| {
        let events =
            events(&[(Sent, 0, Value::Null), (Visited, second, json!({ "by": "scanner" }))]);
        let invitation = invitation();
        story_of(&Sources { invitation: &invitation, events: &events, attempts: &[] })
            .pop()
            .unwrap()
            .text
    };
    assert!(entries_of(29).contains("faster than people read mail"));
    assert!(entries_of(30).contains("a program that is no browser"));
}
