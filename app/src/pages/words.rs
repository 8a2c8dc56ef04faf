//! How pages say things.

use guestlist_domain::{Actor, EndReason, Event, EventKind};
use jiff::Timestamp;
use serde_json::Value;

/// A time, for people.
pub fn moment(time: Timestamp) -> String {
    time.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

/// Who did something.
pub fn who(actor: &Actor) -> String {
    match actor {
        Actor::User { name, .. } => name.clone(),
        Actor::Key { name, .. } => format!("The API key {name}"),
        Actor::Cli => "Somebody at a shell".to_owned(),
        Actor::System => "Guestlist".to_owned(),
    }
}

/// What was done, up to whom it was done to, and what follows them.
pub fn deed(event: &Event) -> (&'static str, String) {
    let word = |name| event.detail[name].as_str().unwrap_or_default().replace('_', " ");
    let plain = |words| (words, String::new());
    match event.kind {
        EventKind::Requested => plain("invited"),
        EventKind::Held => ("put off the mail to", because(&word("by"))),
        EventKind::Attempted => ("asked Stytch to send the mail to", attempt(&event.detail)),
        EventKind::Sent => plain("got the mail on its way to"),
        EventKind::Doubtful => plain("does not know whether the mail went out to"),
        EventKind::Visited => plain("saw the link opened of"),
        EventKind::Accepted => plain("accepted the invitation"),
        EventKind::Failed if word("code") == "cancelled" => plain("cancelled the mail to"),
        EventKind::Failed => ("gave up sending to", because(&word("code"))),
        EventKind::Expired => ("closed the invitation of", because("its time ran out")),
        EventKind::Revoked => plain("took back the invitation of"),
        EventKind::Resent => plain("had the invitation sent again to"),
        EventKind::UserAdded => plain("added"),
        EventKind::UserChanged => ("changed", format!(" ({})", listed(&event.detail["fields"]))),
        EventKind::RoleChanged => {
            ("changed the role of", format!(" from {} to {}", word("from"), word("to")))
        }
        EventKind::UserSuspended => plain("suspended"),
        EventKind::UserReactivated => plain("gave access back to"),
        EventKind::UserDeleting => plain("removed"),
        EventKind::UserDeleted => plain("finished removing"),
        EventKind::SessionStarted => plain("came in"),
        EventKind::SessionEnded => ended(EndReason::parse(&raw(event, "reason")), is_own(event)),
        EventKind::LoginRefused => ("had a good link and was refused", because(&word("why"))),
        EventKind::KeyCreated => ("made the API key", format!(" {}", raw(event, "name"))),
        EventKind::KeyRevoked => ("took back the API key", format!(" {}", raw(event, "name"))),
        EventKind::Reconciled => plain("compared everybody with Stytch"),
        EventKind::IdentityForgotten => ("ended all sessions of", because("Stytch forgot them")),
        EventKind::IdentityAdopted => plain("found the identity at Stytch of"),
        EventKind::IdentityDeleted => plain("deleted what Stytch had left of"),
        EventKind::JobRetried => ("had a job run again", because(&raw(event, "kind"))),
        EventKind::JobCancelled => ("withdrew a job", because(&raw(event, "kind"))),
        EventKind::QueuePaused => {
            ("paused the queue", format!(" {}{}", word("queue"), because(&raw(event, "reason"))))
        }
        EventKind::QueueResumed => ("let the queue go on", because(&word("queue"))),
    }
}

/// Whether somebody did it to themselves.
pub fn is_own(event: &Event) -> bool {
    event.user_id.is_some_and(|id| event.actor.id() == Some(id.0))
}

/// Whether the words for it have no place for whom it was done to: nobody does it to others.
pub fn has_no_whom(event: &Event) -> bool {
    match event.kind {
        EventKind::Accepted | EventKind::SessionStarted | EventKind::LoginRefused => true,
        EventKind::SessionEnded => is_own(event),
        _ => event.user_id.is_none(),
    }
}

fn ended(reason: Option<EndReason>, is_own: bool) -> (&'static str, String) {
    let of_theirs = if is_own { "ended a session of their own" } else { "ended a session of" };
    let why = match reason {
        Some(EndReason::LoggedOut) if is_own => return ("logged out", String::new()),
        Some(EndReason::Replaced) if is_own => "the same browser came in again",
        Some(EndReason::Suspended) => "they were suspended",
        Some(EndReason::Demoted) => "they may do less now",
        Some(EndReason::Removed) => "they were removed",
        Some(EndReason::GoneAtProvider) => "Stytch no longer knew it",
        Some(EndReason::LoggedOut | EndReason::Replaced | EndReason::Revoked) | None => "",
    };
    (of_theirs, because(why))
}

/// As it stands, which may hold an underscore of somebody's own.
fn raw(event: &Event, name: &str) -> String {
    event.detail[name].as_str().unwrap_or_default().to_owned()
}

fn because(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(": {why}") }
}

fn attempt(detail: &Value) -> String {
    let number = detail["number"].as_u64().unwrap_or(1);
    match detail["code"].as_str() {
        Some(code) => format!(", attempt {number}: {}", code.replace('_', " ")),
        None if number > 1 => format!(", attempt {number}"),
        None => String::new(),
    }
}

fn listed(fields: &Value) -> String {
    let fields: Vec<_> =
        fields.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    fields.join(" and ")
}

#[cfg(test)]
mod tests {
    use guestlist_domain::{EventId, UserId};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    const ADA: UserId = UserId(Uuid::from_u128(1));
    const BOB: UserId = UserId(Uuid::from_u128(2));

    /// The sentence of what Ada did, to herself or to Bob.
    fn sentence(kind: EventKind, to: Option<UserId>, detail: Value) -> String {
        let event = Event {
            id: EventId(Uuid::nil()),
            kind,
            at: Timestamp::UNIX_EPOCH,
            actor: Actor::User { id: ADA, name: "Ada".into() },
            from_ip: None,
            user_id: to,
            invitation_id: None,
            detail,
        };
        let (did, more) = deed(&event);
        let whom = match to {
            Some(_) if has_no_whom(&event) => "",
            Some(ADA) => " themselves",
            Some(_) => " Bob",
            None => "",
        };
        format!("{} {did}{whom}{more}", who(&event.actor))
    }

    #[test]
    fn what_was_done_is_a_sentence() {
        let reason = |reason: EndReason| json!({ "session": "x", "reason": reason.as_str() });
        for (kind, to, detail, expected) in [
            (EventKind::Requested, Some(BOB), Value::Null, "Ada invited Bob"),
            (
                EventKind::RoleChanged,
                Some(BOB),
                json!({ "from": "member", "to": "admin" }),
                "Ada changed the role of Bob from member to admin",
            ),
            (
                EventKind::UserChanged,
                Some(ADA),
                json!({ "fields": ["name", "metadata"] }),
                "Ada changed themselves (name and metadata)",
            ),
            (EventKind::SessionEnded, Some(ADA), reason(EndReason::LoggedOut), "Ada logged out"),
            (
                EventKind::SessionEnded,
                Some(ADA),
                reason(EndReason::Revoked),
                "Ada ended a session of their own",
            ),
            (
                EventKind::SessionEnded,
                Some(BOB),
                reason(EndReason::Demoted),
                "Ada ended a session of Bob: they may do less now",
            ),
            (
                EventKind::Attempted,
                Some(BOB),
                json!({ "number": 2, "code": "rate_limited" }),
                "Ada asked Stytch to send the mail to Bob, attempt 2: rate limited",
            ),
            (
                EventKind::Failed,
                Some(BOB),
                json!({ "code": "cancelled", "attempts": 1 }),
                "Ada cancelled the mail to Bob",
            ),
            (EventKind::KeyCreated, None, json!({ "name": "a_b" }), "Ada made the API key a_b"),
            (
                EventKind::QueuePaused,
                None,
                json!({ "queue": "login", "reason": "a move" }),
                "Ada paused the queue login: a move",
            ),
        ] {
            assert_eq!(sentence(kind, to, detail), expected);
        }
    }

    #[test]
    fn every_kind_is_a_sentence() {
        let detail = json!({
            "from": "member", "to": "admin", "fields": ["name"], "name": "me", "queue": "login",
            "kind": "sweep", "reason": "revoked", "by": "rate_limit", "code": "timeout",
        });
        for kind in EventKind::ALL {
            for to in [None, Some(ADA), Some(BOB)] {
                let sentence = sentence(*kind, to, detail.clone());
                assert!(sentence.len() > "Ada ".len() && !sentence.contains("  "), "{sentence}");
                assert!(!sentence.ends_with(':') && !sentence.contains('_'), "{sentence}");
            }
        }
    }
}
