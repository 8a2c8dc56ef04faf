//! Whether an invitation's link was opened, and by whom.

use guestlist_domain::{Event, EventKind, Visitor};
use jiff::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// The current link was not opened, as far as is known.
    None,
    /// Probably only a mail scanner has opened it.
    Scanner(Timestamp),
    /// When a browser first opened it.
    Person(Timestamp),
}

impl Opening {
    /// Finds the opening of the current link in the invitation's events, oldest first. A link
    /// whose invitation was accepted has been opened by a person, however quickly.
    pub fn of<'a>(events: impl DoubleEndedIterator<Item = &'a Event>) -> Self {
        let mut opening = Self::None;
        let mut is_accepted = false;
        for event in events.rev().take_while(|event| event.kind != EventKind::Resent) {
            is_accepted |= event.kind == EventKind::Accepted;
            if event.kind == EventKind::Visited {
                opening = match opening {
                    Self::Person(_) if is_scanner(event) => opening,
                    _ if is_scanner(event) && !is_accepted => Self::Scanner(event.at),
                    _ => Self::Person(event.at),
                };
            }
        }
        opening
    }
}

/// Returns whether a visit was probably by a mail scanner.
pub fn is_scanner(visit: &Event) -> bool {
    visit.detail["by"].as_str() == Some(Visitor::Scanner.as_str())
}

#[cfg(test)]
mod tests {
    use guestlist_domain::{Actor, EventId};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn opening(events: &[(EventKind, &str)]) -> Opening {
        let event = |(n, (kind, by)): (usize, &(EventKind, &str))| Event {
            id: EventId(Uuid::nil()),
            kind: *kind,
            at: at(i64::try_from(n).unwrap()),
            actor: Actor::System,
            from_ip: None,
            user_id: None,
            invitation_id: None,
            detail: json!({ "by": by }),
        };
        let events: Vec<_> = events.iter().enumerate().map(event).collect();
        Opening::of(events.iter())
    }

    #[test]
    fn the_first_opening_by_a_person_counts() {
        use EventKind::{Accepted, Resent, Sent, Visited};
        let (sent, scanner, browser) = ((Sent, ""), (Visited, "scanner"), (Visited, "browser"));
        assert_eq!(opening(&[sent]), Opening::None);
        assert_eq!(opening(&[sent, scanner]), Opening::Scanner(at(1)));
        assert_eq!(opening(&[sent, scanner, browser]), Opening::Person(at(2)));
        assert_eq!(opening(&[sent, (Visited, "unknown")]), Opening::Person(at(1)));
        assert_eq!(opening(&[sent, browser, (Resent, ""), sent]), Opening::None);
        assert_eq!(opening(&[sent, scanner, (Accepted, "")]), Opening::Person(at(1)));
        assert_eq!(opening(&[sent, scanner, browser, (Accepted, "")]), Opening::Person(at(2)));
    }
}
