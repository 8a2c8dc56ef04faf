//! A row of the list: an invitation's state, why it is in that state, and what can be done.

use askama::Template;
use askama::filters::HtmlSafe;
use guestlist_domain::{Event, EventKind, HeldBy, Invitation, InvitationStatus};
use guestlist_stytch::refuses_address;
use jiff::Timestamp;

use super::opening::Opening;
use super::texts::{error_reason, hold_reason, two_units};
use crate::pages::components::{StateLabel, When};
use crate::pages::labels::actor_name;
use crate::pages::states::{invitation_state, is_sent_soon};

pub struct Row {
    pub state: StateLabel,
    pub why: Why,
    pub action: Action,
    /// Whether the row is expected to change within seconds.
    pub is_changing: bool,
    pub invitation: Invitation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    None,
    Resend,
    /// Correct the address, on the invitation's page.
    Correct,
}

/// What a row needs to know besides its invitation.
pub struct RowContext<'a> {
    pub held_by: Option<HeldBy>,
    /// Whether the invitee has no newer invitation. Only the newest can be resent.
    pub is_latest: bool,
    /// The invitation's events, if it was opened or revoked.
    pub events: &'a [Event],
    /// Whether links name their invitation, so that it is known whether they are opened.
    pub links_carry_id: bool,
    pub now: Timestamp,
}

/// The reason for a state: text, code, actor and time, in this order.
#[derive(Default, Template)]
#[template(path = "invitations/why.html")]
pub struct Why {
    text: String,
    code: Option<String>,
    actor: Option<String>,
    at: Option<When>,
    /// Follows the time, with its punctuation.
    tail: &'static str,
}

impl HtmlSafe for Why {}

impl Row {
    pub fn new(invitation: Invitation, context: &RowContext<'_>) -> Self {
        Self {
            state: invitation_state(&invitation, context.held_by),
            why: why(&invitation, context),
            action: if context.is_latest { action(&invitation) } else { Action::None },
            is_changing: is_sent_soon(&invitation, context.held_by, context.now),
            invitation,
        }
    }
}

fn action(invitation: &Invitation) -> Action {
    match invitation.status {
        InvitationStatus::Failed if is_address_refused(invitation) => Action::Correct,
        InvitationStatus::Sent | InvitationStatus::Failed | InvitationStatus::Expired => {
            Action::Resend
        }
        InvitationStatus::Queued | InvitationStatus::Accepted | InvitationStatus::Revoked => {
            Action::None
        }
    }
}

/// Returns whether the invitation failed because of its address.
pub fn is_address_refused(invitation: &Invitation) -> bool {
    let has_failed = invitation.status == InvitationStatus::Failed;
    has_failed && invitation.last_error.as_ref().is_some_and(|error| refuses_address(&error.code))
}

fn why(invitation: &Invitation, context: &RowContext<'_>) -> Why {
    let text = |text: &str| Why { text: text.to_owned(), ..Why::default() };
    let when = |at| Some(When { at, now: context.now });
    let opening = Opening::of(context.events.iter());
    match invitation.status {
        InvitationStatus::Queued => queued(invitation, context),
        InvitationStatus::Sent => match opening {
            Opening::Person(at) => {
                Why { at: when(at), tail: ", not accepted yet", ..text("opened") }
            }
            Opening::Scanner(_) => text("opened, probably by a mail scanner"),
            Opening::None if context.links_carry_id => text("not opened yet"),
            Opening::None => text("not accepted yet"),
        },
        InvitationStatus::Accepted => match (invitation.sent_at, invitation.accepted_at) {
            (Some(sent), Some(accepted)) if accepted > sent => {
                text(&format!("{} after it was sent", two_units(accepted.duration_since(sent))))
            }
            _ => Why::default(),
        },
        InvitationStatus::Failed => failed(invitation),
        InvitationStatus::Expired => match opening {
            Opening::Person(_) => text("opened, not accepted"),
            Opening::Scanner(_) | Opening::None if context.links_carry_id => text("never opened"),
            Opening::Scanner(_) | Opening::None => text("never accepted"),
        },
        InvitationStatus::Revoked => {
            let revoked = context.events.iter().rfind(|event| event.kind == EventKind::Revoked);
            revoked.map_or_else(Why::default, |event| Why {
                actor: Some(actor_name(&event.actor)),
                at: when(event.at),
                ..text("by")
            })
        }
    }
}

fn queued(invitation: &Invitation, context: &RowContext<'_>) -> Why {
    let next = invitation.next_attempt_at.filter(|at| *at > context.now);
    let at = next.map(|at| When { at, now: context.now });
    let number = invitation.attempts + 1;
    let error = invitation.last_error.as_ref().map(|error| error_reason(&error.code));
    let text = match (context.held_by, error) {
        _ if invitation.in_doubt_since.is_some() => {
            let error = error.unwrap_or("The answer was lost");
            format!("{error}; Guestlist looks for the mail at Stytch")
        }
        (Some(HeldBy::Misconfigured), _) => {
            return Why {
                text: format!("{}; see Operations", hold_reason(HeldBy::Misconfigured)),
                ..Why::default()
            };
        }
        (Some(HeldBy::Paused), _) => {
            return Why {
                text: format!("{}; see Operations", hold_reason(HeldBy::Paused)),
                ..Why::default()
            };
        }
        (Some(by), _) if at.is_some() => format!("{}, next try", hold_reason(by)),
        (Some(by), _) => format!("{}; continues by itself", hold_reason(by)),
        (None, Some(error)) if at.is_some() => format!("{error}; attempt {number}"),
        (None, Some(error)) => format!("{error}; attempt {number} is due"),
        (None, None) if at.is_some() => "starts".to_owned(),
        (None, None) => "waits for a worker".to_owned(),
    };
    Why { text, at, ..Why::default() }
}

fn failed(invitation: &Invitation) -> Why {
    let code = invitation.last_error.as_ref().map(|error| error.code.clone());
    let text = if invitation.is_cancelled() {
        return Why { text: "cancelled by an operator".to_owned(), ..Why::default() };
    } else if is_address_refused(invitation) {
        "Stytch refused the address:".to_owned()
    } else if invitation.attempts > 1 {
        format!("gave up after {} attempts:", invitation.attempts)
    } else {
        "refused:".to_owned()
    };
    Why { text, code, ..Why::default() }
}

#[cfg(test)]
mod tests {
    use guestlist_domain::{Actor, UserId};
    use serde_json::Value;
    use uuid::Uuid;

    use super::*;
    use crate::pages::invitations::fixtures::{ago, invitation, now, with_error};

    /// Returns the reason as text, without markup.
    fn why_of(invitation: Invitation, held_by: Option<HeldBy>) -> String {
        let context =
            RowContext { held_by, is_latest: true, events: &[], links_carry_id: true, now: now() };
        let html = Row::new(invitation, &context).why.render().unwrap();
        let mut is_text = true;
        let text = html.chars().filter(|c| {
            is_text = if *c == '<' { false } else { is_text };
            let keep = is_text;
            is_text |= *c == '>';
            keep
        });
        text.collect::<String>().trim().to_owned()
    }

    #[test]
    fn a_queued_invitation_says_what_it_waits_for() {
        let queued = invitation(InvitationStatus::Queued);
        let next_attempt_at = Some(ago(-40));
        let later = Invitation { next_attempt_at, ..queued.clone() };
        let failed_once = with_error(later.clone(), "timeout", 1);
        let in_doubt = Invitation { in_doubt_since: Some(ago(9)), ..failed_once.clone() };
        for (invitation, held_by, expected) in [
            (&queued, None, "waits for a worker"),
            (&later, None, "starts in 40 s"),
            (&queued, Some(HeldBy::ProviderDown), "Stytch is down; continues by itself"),
            (&later, Some(HeldBy::ProviderDown), "Stytch is down, next try in 40 s"),
            (&later, Some(HeldBy::RateLimit), "Stytch asked to wait, next try in 40 s"),
            (&later, Some(HeldBy::Paused), "The queue is paused; see Operations"),
            (&failed_once, None, "Stytch did not answer in time; attempt 2 in 40 s"),
            (
                &in_doubt,
                None,
                "Stytch did not answer in time; Guestlist looks for the mail at Stytch in 40 s",
            ),
        ] {
            assert_eq!(why_of(invitation.clone(), held_by), expected);
        }
    }

    #[test]
    fn a_failed_invitation_offers_what_can_help() {
        let failed =
            |code, attempts| with_error(invitation(InvitationStatus::Failed), code, attempts);
        for (code, attempts, expected, helps) in [
            ("invalid_email", 1, "Stytch refused the address: invalid_email", Action::Correct),
            ("timeout", 20, "gave up after 20 attempts: timeout", Action::Resend),
            ("bad_request", 1, "refused: bad_request", Action::Resend),
            ("cancelled", 3, "cancelled by an operator", Action::Resend),
        ] {
            assert_eq!(why_of(failed(code, attempts), None), expected);
            assert_eq!(action(&failed(code, attempts)), helps);
        }
    }

    #[test]
    fn an_invitation_with_a_successor_cannot_be_resent() {
        let offered = |is_latest| {
            let events = &[];
            let context =
                RowContext { held_by: None, is_latest, events, links_carry_id: true, now: now() };
            Row::new(invitation(InvitationStatus::Expired), &context).action
        };
        assert_eq!((offered(true), offered(false)), (Action::Resend, Action::None));
    }

    #[test]
    fn a_revoked_invitation_names_who_revoked_it() {
        let event = Event {
            id: guestlist_domain::EventId(Uuid::nil()),
            kind: EventKind::Revoked,
            at: ago(120),
            actor: Actor::User { id: UserId(Uuid::nil()), name: "<Grace>".to_owned() },
            from_ip: None,
            user_id: None,
            invitation_id: None,
            detail: Value::Null,
        };
        let context = RowContext {
            held_by: None,
            is_latest: true,
            events: &[event],
            links_carry_id: true,
            now: now(),
        };
        let row = Row::new(invitation(InvitationStatus::Revoked), &context);
        let html = row.why.render().unwrap();
        assert!(html.contains("by <bdi>&#60;Grace&#62;</bdi> <time"), "{html}");
        assert!(html.contains("2 min ago"), "{html}");
    }
}
