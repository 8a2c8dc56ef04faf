//! Texts for actors and events.

use guestlist_domain::{Actor, EndReason, Event, EventKind};
use serde_json::Value;

pub fn actor_name(actor: &Actor) -> String {
    match actor {
        Actor::User { name, .. } => name.clone(),
        Actor::Key { name, .. } => format!("API key {name}"),
        Actor::Cli => "Command line".to_owned(),
        Actor::System => "Guestlist".to_owned(),
    }
}

/// Returns the name of a kind of event.
pub fn event_name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Requested => "invited",
        EventKind::Held => "invitation postponed",
        EventKind::Attempted => "tried to send an invitation",
        EventKind::Sent => "invitation sent",
        EventKind::Doubtful => "could not confirm that an invitation was sent",
        EventKind::Visited => "link opened",
        EventKind::Accepted => "invitation accepted",
        EventKind::Failed => "invitation failed",
        EventKind::Expired => "invitation expired",
        EventKind::Revoked => "invitation revoked",
        EventKind::Resent => "invitation resent",
        EventKind::UserAdded => "user added",
        EventKind::UserChanged => "user changed",
        EventKind::RoleChanged => "role changed",
        EventKind::UserSuspended => "user suspended",
        EventKind::UserReactivated => "user reactivated",
        EventKind::UserDeleting => "user removed",
        EventKind::UserDeleted => "removal of a user finished",
        EventKind::SessionStarted => "logged in",
        EventKind::SessionEnded => "session ended",
        EventKind::LoginRefused => "login refused",
        EventKind::KeyCreated => "API key created",
        EventKind::KeyRevoked => "API key revoked",
        EventKind::Reconciled => "users compared with Stytch",
        EventKind::IdentityForgotten => "user deleted at Stytch",
        EventKind::IdentityLinked => "Stytch identity linked",
        EventKind::IdentityDeleted => "leftover Stytch identity deleted",
        EventKind::JobRetried => "job retried",
        EventKind::JobCancelled => "job cancelled",
        EventKind::QueuePaused => "queue paused",
        EventKind::QueueResumed => "queue resumed",
    }
}

/// An event as a sentence: the actor, a verb, the user concerned, and details.
#[derive(Debug)]
pub struct EventLabel {
    /// Whether the sentence begins with the actor.
    pub has_actor: bool,
    pub verb: &'static str,
    /// Whether the user concerned follows the verb.
    pub has_user: bool,
    /// Text that follows, with its leading space or punctuation.
    pub details: String,
}

/// Returns the sentence for an event.
pub fn event_label(event: &Event) -> EventLabel {
    let (verb, details) = verb_and_details(event);
    let has_user = match event.kind {
        EventKind::Accepted | EventKind::SessionStarted | EventKind::LoginRefused => false,
        EventKind::SessionEnded if is_own(event) => false,
        _ => event.user_id.is_some(),
    };
    EventLabel { has_actor: event.kind != EventKind::Visited, verb, has_user, details }
}

/// Returns whether the actor is the user concerned.
pub fn is_own(event: &Event) -> bool {
    event.user_id.is_some_and(|id| event.actor.id() == Some(id.0))
}

fn verb_and_details(event: &Event) -> (&'static str, String) {
    let text = |name| event.detail[name].as_str().unwrap_or_default().to_owned();
    let words = |name| text(name).replace('_', " ");
    let plain = |verb| (verb, String::new());
    let is_alone = event.user_id.is_none();
    match event.kind {
        EventKind::Requested => plain("invited"),
        EventKind::Held => ("postponed the invitation to", reason(&words("by"))),
        EventKind::Attempted => ("tried to send the invitation to", attempt(&event.detail)),
        EventKind::Sent => plain("sent the invitation to"),
        EventKind::Doubtful => plain("could not confirm that the invitation was sent to"),
        EventKind::Visited if is_alone => plain("The link was opened"),
        EventKind::Visited => plain("The link was opened:"),
        EventKind::Accepted => plain("accepted the invitation"),
        EventKind::Failed if text("code") == "cancelled" => plain("cancelled the invitation to"),
        EventKind::Failed => ("failed to send the invitation to", reason(&words("code"))),
        EventKind::Expired => plain("closed the expired invitation to"),
        EventKind::Revoked => plain("revoked the invitation to"),
        EventKind::Resent => plain("resent the invitation to"),
        EventKind::UserAdded => plain("added"),
        EventKind::UserChanged => {
            ("changed", format!(" ({})", join_fields(&event.detail["fields"])))
        }
        EventKind::RoleChanged => {
            ("changed the role of", format!(" from {} to {}", words("from"), words("to")))
        }
        EventKind::UserSuspended => plain("suspended"),
        EventKind::UserReactivated => plain("reactivated"),
        EventKind::UserDeleting => plain("removed"),
        EventKind::UserDeleted => plain("finished the removal of"),
        EventKind::SessionStarted => plain("logged in"),
        EventKind::SessionEnded => session_ended(EndReason::parse(&text("reason")), is_own(event)),
        EventKind::LoginRefused => ("was refused", reason(&words("why"))),
        EventKind::KeyCreated => ("created the API key", format!(" {}", text("name"))),
        EventKind::KeyRevoked => ("revoked the API key", format!(" {}", text("name"))),
        EventKind::Reconciled => plain("compared all users with Stytch"),
        EventKind::IdentityForgotten => ("ended all sessions of", reason("deleted at Stytch")),
        EventKind::IdentityLinked => plain("linked the Stytch identity of"),
        EventKind::IdentityDeleted => plain("deleted the leftover Stytch identity of"),
        EventKind::JobRetried if is_alone => ("retried a job", reason(&text("kind"))),
        EventKind::JobRetried => ("retried a job for", reason(&text("kind"))),
        EventKind::JobCancelled if is_alone => ("cancelled a job", reason(&text("kind"))),
        EventKind::JobCancelled => ("cancelled a job for", reason(&text("kind"))),
        EventKind::QueuePaused => {
            ("paused the queue", format!(" {}{}", text("queue"), reason(&text("reason"))))
        }
        EventKind::QueueResumed => ("resumed the queue", format!(" {}", text("queue"))),
    }
}

fn session_ended(end_reason: Option<EndReason>, is_own: bool) -> (&'static str, String) {
    let details = match end_reason {
        Some(EndReason::LoggedOut) if is_own => return ("logged out", String::new()),
        Some(EndReason::Replaced) if is_own => "new login in the same browser",
        Some(EndReason::Suspended) => "suspended",
        Some(EndReason::Demoted) => "role changed",
        Some(EndReason::Removed) => "removed",
        Some(EndReason::GoneAtProvider) => "ended at Stytch",
        Some(EndReason::LoggedOut | EndReason::Replaced | EndReason::Revoked) | None => "",
    };
    let verb = if is_own { "ended one of their sessions" } else { "ended a session of" };
    (verb, reason(details))
}

fn reason(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

fn attempt(detail: &Value) -> String {
    let number = detail["number"].as_u64().unwrap_or(1);
    match detail["code"].as_str() {
        Some(code) => format!(", attempt {number}: {}", code.replace('_', " ")),
        None if number > 1 => format!(", attempt {number}"),
        None => String::new(),
    }
}

fn join_fields(fields: &Value) -> String {
    let fields: Vec<_> =
        fields.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    fields.join(" and ")
}

#[cfg(test)]
mod tests {
    use guestlist_domain::{EventId, UserId};
    use jiff::Timestamp;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    const ADA: UserId = UserId(Uuid::from_u128(1));
    const BOB: UserId = UserId(Uuid::from_u128(2));

    /// The sentence for an event by Ada that concerns `user`.
    fn sentence(kind: EventKind, user: Option<UserId>, detail: Value) -> String {
        let event = Event {
            id: EventId(Uuid::nil()),
            kind,
            at: Timestamp::UNIX_EPOCH,
            actor: Actor::User { id: ADA, name: "Ada".into() },
            from_ip: None,
            user_id: user,
            invitation_id: None,
            detail,
        };
        let label = event_label(&event);
        let actor = if label.has_actor { "Ada " } else { "" };
        let user = match user {
            Some(ADA) if label.has_user => " themselves",
            Some(_) if label.has_user => " Bob",
            _ => "",
        };
        format!("{actor}{}{user}{}", label.verb, label.details)
    }

    #[test]
    fn an_event_is_a_sentence() {
        let reason = |reason: EndReason| json!({ "session": "x", "reason": reason.as_str() });
        for (kind, user, detail, expected) in [
            (EventKind::Requested, Some(BOB), Value::Null, "Ada invited Bob"),
            (EventKind::Visited, Some(BOB), Value::Null, "The link was opened: Bob"),
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
                "Ada ended one of their sessions",
            ),
            (
                EventKind::SessionEnded,
                Some(BOB),
                reason(EndReason::Demoted),
                "Ada ended a session of Bob: role changed",
            ),
            (
                EventKind::Attempted,
                Some(BOB),
                json!({ "number": 2, "code": "rate_limited" }),
                "Ada tried to send the invitation to Bob, attempt 2: rate limited",
            ),
            (
                EventKind::Failed,
                Some(BOB),
                json!({ "code": "cancelled", "attempts": 1 }),
                "Ada cancelled the invitation to Bob",
            ),
            (EventKind::KeyCreated, None, json!({ "name": "a_b" }), "Ada created the API key a_b"),
            (
                EventKind::QueuePaused,
                None,
                json!({ "queue": "login", "reason": "a move" }),
                "Ada paused the queue login: a move",
            ),
        ] {
            assert_eq!(sentence(kind, user, detail), expected);
        }
    }

    #[test]
    fn every_kind_of_event_is_a_sentence() {
        let detail = json!({
            "from": "member", "to": "admin", "fields": ["name"], "name": "me", "queue": "login",
            "kind": "sweep", "reason": "revoked", "by": "rate_limit", "code": "timeout",
        });
        for kind in EventKind::ALL {
            for user in [None, Some(ADA), Some(BOB)] {
                let sentence = sentence(*kind, user, detail.clone());
                assert!(sentence.len() > "Ada ".len() && !sentence.contains("  "), "{sentence}");
                assert!(!sentence.ends_with(':') && !sentence.contains('_'), "{sentence}");
            }
        }
    }
}
