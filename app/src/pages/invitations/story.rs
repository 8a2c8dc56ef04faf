//! The timeline of an invitation, as the entries that the page shows.

mod attempt;
#[cfg(test)]
mod tests;

use std::iter::Peekable;
use std::slice::Iter;

use guestlist_database::operations::JobAttempt;
use guestlist_domain::{Event, EventKind, HeldBy, Invitation, Visitor};
use jiff::{SignedDuration, Timestamp};

use super::opening::is_scanner;
use super::texts::{invitee, past_hold_reason, two_units};
use crate::pages::components::{Clock, Icon, icon, is_same_day};
use crate::pages::labels::actor_name;

/// An entry of the story.
#[derive(Debug)]
pub struct Entry {
    at: Timestamp,
    /// The class in the stylesheet; empty for an ordinary entry.
    pub class: &'static str,
    pub icon: Icon,
    pub title: Title,
    pub text: String,
    /// What Stytch said.
    pub quote: Option<String>,
    pub facts: Vec<Fact>,
    /// The time since the previous entry, or its date if that is another.
    pub later: String,
}

/// A sentence that may begin or end with a name.
#[derive(Debug, Default)]
pub struct Title {
    pub actor: Option<String>,
    pub text: String,
    pub person: Option<String>,
}

/// A detail of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub struct Fact {
    pub label: &'static str,
    pub value: String,
    pub is_code: bool,
}

/// What the entries are made from.
pub struct Sources<'a> {
    pub invitation: &'a Invitation,
    /// All events, oldest first.
    pub events: &'a [Event],
    /// The attempts at the newest deliveries.
    pub attempts: &'a [JobAttempt],
}

impl Entry {
    fn new(event: &Event, class: &'static str, symbol: &'static str, title: Title) -> Self {
        Self {
            at: event.at,
            class,
            icon: icon(symbol),
            title,
            text: String::new(),
            quote: None,
            facts: Vec::new(),
            later: String::new(),
        }
    }

    fn with_text(self, text: impl Into<String>) -> Self {
        Self { text: text.into(), ..self }
    }

    pub fn clock(&self) -> Clock {
        Clock::without_date(self.at)
    }
}

impl Title {
    fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    fn by(event: &Event, text: &str) -> Self {
        Self { actor: Some(actor_name(&event.actor)), ..Self::text(text) }
    }
}

/// Returns the entries, oldest first.
pub fn story_of(sources: &Sources<'_>) -> Vec<Entry> {
    let mut events = sources.events.iter().peekable();
    let mut entries: Vec<Entry> = Vec::new();
    let mut sent_at = None;
    while let Some(event) = events.next() {
        let entry = if event.kind == EventKind::Attempted {
            let results = results_of(event, &mut events);
            let sent = results.iter().find(|result| result.kind == EventKind::Sent);
            sent_at = sent.map(|sent| sent.at).or(sent_at);
            attempt::entry(sources, event, &results)
        } else {
            entry(sources, event, events.clone(), sent_at)
        };
        if event.kind == EventKind::Sent {
            sent_at = Some(event.at);
        }
        let later = entries.last().map(|previous| later(previous.at, entry.at));
        entries.push(Entry { later: later.unwrap_or_default(), ..entry });
    }
    entries
}

/// Takes the events that record the result of an attempt, which directly follow its own.
fn results_of<'a>(attempted: &Event, events: &mut Peekable<Iter<'a, Event>>) -> Vec<&'a Event> {
    let mut results = Vec::new();
    let is_result = |event: &&Event| {
        let is_kind =
            matches!(event.kind, EventKind::Sent | EventKind::Doubtful | EventKind::Failed);
        is_kind && event.at.duration_since(attempted.at).abs() < SignedDuration::from_secs(1)
    };
    while let Some(event) = events.next_if(is_result) {
        results.push(event);
    }
    results
}

fn later(previous: Timestamp, at: Timestamp) -> String {
    if !is_same_day(previous, at) {
        return at.strftime("%-d %b").to_string();
    }
    let passed = at.duration_since(previous);
    if passed < SignedDuration::from_secs(1) {
        String::new()
    } else {
        format!("+{}", two_units(passed))
    }
}

/// Returns the entry of an event that is no attempt. `rest` are the events after it.
fn entry(
    sources: &Sources<'_>,
    event: &Event,
    rest: Peekable<Iter<'_, Event>>,
    sent_at: Option<Timestamp>,
) -> Entry {
    let invitation = sources.invitation;
    let person = || Some(invitee(invitation).to_owned());
    let new_link = "The new mail has a new link; the old one no longer works.";
    match event.kind {
        EventKind::Requested => {
            let from = event.from_ip.map(|ip| format!(", from {ip}")).unwrap_or_default();
            let title = Title { person: person(), ..Title::by(event, "invited") };
            let text = format!("As {}{from}.", invitation.role);
            Entry::new(event, "", "mail", title).with_text(text)
        }
        EventKind::Held => held(event, rest),
        EventKind::Sent => sent(event),
        EventKind::Doubtful => {
            Entry::new(event, "warn", "ask", Title::text("The answer of Stytch was lost"))
        }
        EventKind::Visited => visited(event, rest, sent_at),
        EventKind::Accepted => {
            let title = Title { actor: person(), ..Title::text("accepted") };
            let text = format!("They are a user now, as {}.", invitation.role);
            Entry::new(event, "good", "check", title).with_text(text)
        }
        EventKind::Failed => failed(event),
        EventKind::Expired => Entry::new(event, "", "glass", Title::text("The link expired")),
        EventKind::Revoked => {
            let title = Title::by(event, "revoked the invitation");
            Entry::new(event, "", "slash", title).with_text("The link no longer works.")
        }
        EventKind::Resent => {
            Entry::new(event, "", "retry", Title::by(event, "resent the invitation"))
                .with_text(new_link)
        }
        kind => Entry::new(event, "", "info", Title::text(kind.as_str().replace('_', " "))),
    }
}

fn sent(event: &Event) -> Entry {
    let entry = Entry::new(event, "good", "sent", Title::text("Sent"));
    if event.detail["found"] == true {
        return entry
            .with_text("Stytch knows the address, so an earlier attempt did send the mail.");
    }
    entry
}

fn failed(event: &Event) -> Entry {
    let title = match event.detail["code"].as_str() {
        Some(Invitation::CANCELLED) => Title::by(event, "cancelled the delivery"),
        _ => Title::text("The delivery failed"),
    };
    Entry::new(event, "bad", "x", title)
}

/// A hold lasts until its stated end, or until the next event.
fn held(event: &Event, mut rest: Peekable<Iter<'_, Event>>) -> Entry {
    let by = event.detail["by"].as_str().and_then(HeldBy::parse);
    let reason = by.map_or("sending was held", past_hold_reason);
    let stated = event.detail["until"].as_str().and_then(|until| until.parse().ok());
    let end: Option<Timestamp> = stated.or_else(|| rest.peek().map(|next| next.at));
    let length = end.map(|end| end.duration_since(event.at));
    let title = match length.filter(|length| *length >= SignedDuration::from_secs(1)) {
        Some(length) => format!("Held for {}: {reason}", two_units(length)),
        None => format!("Held: {reason}"),
    };
    Entry::new(event, "warn", "pause", Title::text(title))
        .with_text("Waiting does not count as an attempt.")
}

fn visited(
    event: &Event,
    mut rest: Peekable<Iter<'_, Event>>,
    sent_at: Option<Timestamp>,
) -> Entry {
    let since_sent = sent_at.map(|sent_at| event.at.duration_since(sent_at));
    let after = since_sent.map(|time| match time.as_secs() {
        ..1 => "less than a second after it was sent".to_owned(),
        _ => format!("{} after it was sent", two_units(time)),
    });
    let is_accepted = rest.peek().is_some_and(|next| next.kind == EventKind::Accepted);
    if !is_scanner(event) || is_accepted {
        let text = after.map(|after| format!("The link was opened {after}.")).unwrap_or_default();
        return Entry::new(event, "info", "eye", Title::text("Opened")).with_text(text);
    }
    let is_quick = since_sent.is_none_or(|time| time < Visitor::SCAN_TIME);
    let reason = match after.filter(|_| is_quick) {
        Some(after) => format!("The link was opened {after}, faster than people read mail."),
        None if is_quick => "The link was opened before the mail was recorded as sent.".to_owned(),
        None => "The link was opened by a program that is no browser.".to_owned(),
    };
    let title = Title::text("Opened, probably by a mail scanner");
    let text = format!("{reason} Opening a link does not use it up.");
    Entry::new(event, "info", "robot", title).with_text(text)
}
