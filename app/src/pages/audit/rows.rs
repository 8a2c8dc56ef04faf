//! The rows of the audit log: one event each, by day.

use std::collections::HashMap;

use askama::Template;
use askama::filters::HtmlSafe;
use guestlist_domain::{Actor, Event, EventKind, User, UserId};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::pages::components::Clock;
use crate::pages::labels::{EventLabel, actor_name, event_label, is_own};

/// The events of one day, in UTC.
#[derive(Debug)]
pub struct Day {
    /// `Today, 29 November`.
    pub name: String,
    pub rows: Vec<Row>,
}

/// An event. It is printed as a sentence.
#[derive(Debug, Template)]
#[template(path = "event.html")]
pub struct Row {
    pub event: Event,
    pub label: EventLabel,
    pub user: Option<RowUser>,
    /// A symbol of `icons.html`.
    pub icon: &'static str,
}

impl HtmlSafe for Row {}

/// The user that an event concerns.
#[derive(Debug)]
pub enum RowUser {
    /// The actor.
    Actor,
    Existing(UserId, String),
    Removed {
        id: UserId,
        /// What the user is called, since their address is gone.
        name: &'static str,
    },
}

impl Day {
    /// Groups events, which are in the order of the list.
    pub fn group(events: Vec<Event>, users: &HashMap<UserId, User>, now: Timestamp) -> Vec<Self> {
        let mut days = Vec::<(Date, Self)>::new();
        for event in events {
            let date = date(event.at);
            let row = Row::new(event, users);
            match days.last_mut() {
                Some((last, day)) if *last == date => day.rows.push(row),
                _ => days.push((date, Self { name: day_name(date, now), rows: vec![row] })),
            }
        }
        days.into_iter().map(|(_, day)| day).collect()
    }
}

fn date(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}

fn day_name(day: Date, now: Timestamp) -> String {
    let today = date(now);
    let full = if day.year() == today.year() { "%-d %B" } else { "%-d %B %Y" };
    let full = day.strftime(full);
    match day {
        _ if day == today => format!("Today, {full}"),
        _ if day.checked_add(1.day()).is_ok_and(|next| next == today) => {
            format!("Yesterday, {full}")
        }
        _ => full.to_string(),
    }
}

impl Row {
    pub fn new(event: Event, users: &HashMap<UserId, User>) -> Self {
        let label = event_label(&event);
        let user = event.user_id.filter(|_| label.has_user).map(|id| match users.get(&id) {
            _ if is_own(&event) => RowUser::Actor,
            Some(user) => RowUser::Existing(id, user.email.as_str().to_owned()),
            None => RowUser::Removed { id, name: removed_user(event.kind) },
        });
        Self { icon: icon(event.kind), event, label, user }
    }

    pub fn clock(&self) -> Clock {
        Clock::without_date(self.event.at)
    }
}

/// Returns an actor's id or type, to filter by.
fn actor_filter(actor: &Actor) -> String {
    actor.id().map_or_else(|| actor.kind().to_owned(), |id| id.to_string())
}

/// Returns what a removed user is called. That they are removed is what these events say.
fn removed_user(kind: EventKind) -> &'static str {
    match kind {
        EventKind::UserDeleting | EventKind::UserDeleted => "a user",
        _ => "a removed user",
    }
}

fn icon(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Requested | EventKind::Resent => "mail",
        EventKind::Attempted | EventKind::Sent => "sent",
        EventKind::Held | EventKind::QueuePaused => "pause",
        EventKind::Doubtful => "ask",
        EventKind::Visited => "eye",
        EventKind::Accepted | EventKind::SessionStarted => "check",
        EventKind::Failed => "x",
        EventKind::Expired => "glass",
        EventKind::Revoked | EventKind::LoginRefused | EventKind::JobCancelled => "slash",
        EventKind::UserAdded => "plus",
        EventKind::UserChanged | EventKind::UserReactivated => "user",
        EventKind::RoleChanged => "gear",
        EventKind::UserSuspended => "lock",
        EventKind::UserDeleting | EventKind::UserDeleted | EventKind::IdentityDeleted => "trash",
        EventKind::SessionEnded | EventKind::IdentityForgotten => "out",
        EventKind::KeyCreated | EventKind::KeyRevoked => "key",
        EventKind::Reconciled => "list",
        EventKind::IdentityLinked => "link",
        EventKind::JobRetried => "retry",
        EventKind::QueueResumed => "run",
    }
}

#[cfg(test)]
mod tests {
    use guestlist_domain::EventId;
    use jiff::SignedDuration;
    use serde_json::Value;
    use uuid::Uuid;

    use super::*;

    fn event(kind: EventKind, at: Timestamp) -> Event {
        Event {
            id: EventId(Uuid::nil()),
            kind,
            at,
            actor: Actor::Cli,
            from_ip: None,
            user_id: Some(UserId(Uuid::nil())),
            invitation_id: None,
            detail: Value::Null,
        }
    }

    #[test]
    fn the_removal_of_a_user_does_not_call_them_removed() {
        let name = |kind| {
            let event = event(kind, Timestamp::UNIX_EPOCH);
            match Row::new(event, &HashMap::new()).user {
                Some(RowUser::Removed { name, .. }) => name,
                _ => panic!("{kind:?} concerns a user"),
            }
        };
        assert_eq!(name(EventKind::UserDeleting), "a user");
        assert_eq!(name(EventKind::UserDeleted), "a user");
        assert_eq!(name(EventKind::Requested), "a removed user");
    }

    #[test]
    fn events_are_grouped_by_day_in_utc() {
        let now: Timestamp = "2026-03-01T00:30:00Z".parse().unwrap();
        let before = |hours| event(EventKind::Sent, now - SignedDuration::from_hours(hours));
        let events = [0, 1, 2, 48, 24 * 365].map(before);
        let days = Day::group(events.into(), &HashMap::new(), now);
        let days: Vec<_> = days.iter().map(|day| (day.name.as_str(), day.rows.len())).collect();
        let expected = [
            ("Today, 1 March", 1),
            ("Yesterday, 28 February", 2),
            ("27 February", 1),
            ("1 March 2025", 1),
        ];
        assert_eq!(days, expected);
    }
}
