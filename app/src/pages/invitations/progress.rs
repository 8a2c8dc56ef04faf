//! The four steps of an invitation at the top of its page: requested, sent, opened, accepted.

use guestlist_domain::{Event, EventKind, Invitation, InvitationStatus};
use jiff::Timestamp;

use super::opening::Opening;
use crate::pages::components::Clock;
use crate::pages::components::{Icon, icon};

/// A step, done or not.
#[derive(Debug)]
pub struct Step {
    /// The class in the stylesheet; empty for a step that is neither good nor bad.
    pub class: &'static str,
    pub icon: Icon,
    pub word: &'static str,
    pub at: Option<Clock>,
    /// Follows the time, with its punctuation.
    pub text: String,
}

/// What the steps are derived from.
pub struct ProgressContext<'a> {
    pub invitation: &'a Invitation,
    pub events: &'a [Event],
    pub opening: Opening,
    /// Whether links name their invitation, so that it is known whether they are opened.
    pub links_carry_id: bool,
    pub now: Timestamp,
}

impl Step {
    fn new(class: &'static str, symbol: &'static str, word: &'static str) -> Self {
        Self { class, icon: icon(symbol), word, at: None, text: String::new() }
    }

    fn todo(word: &'static str) -> Self {
        Self::new("todo", "next", word)
    }

    fn at(self, at: impl Into<Option<Timestamp>>, now: Timestamp) -> Self {
        Self { at: at.into().map(|at| Clock::to_minute(at, now)), ..self }
    }

    fn with_text(self, text: impl Into<String>) -> Self {
        Self { text: text.into(), ..self }
    }
}

/// Returns the steps. Without the ids of invitations in links, openings are not known.
pub fn steps(context: &ProgressContext<'_>) -> Vec<Step> {
    let mut steps = vec![requested(context), sent(context)];
    steps.extend(opened(context));
    steps.push(ended(context));
    steps
}

fn requested(context: &ProgressContext<'_>) -> Step {
    let invitation = context.invitation;
    match invitation.resent_at {
        Some(at) => Step::new("good", "check", "Resent").at(at, context.now),
        None => Step::new("good", "check", "Requested").at(invitation.created_at, context.now),
    }
}

fn sent(context: &ProgressContext<'_>) -> Step {
    let invitation = context.invitation;
    let on_attempt = match invitation.attempts {
        0 | 1 => String::new(),
        attempts => format!(", on attempt {attempts}"),
    };
    match (invitation.sent_at, invitation.status) {
        (Some(at), _) => {
            Step::new("good", "check", "Sent").at(at, context.now).with_text(on_attempt)
        }
        (None, InvitationStatus::Queued) => Step::todo("Sent").with_text("not yet"),
        (None, InvitationStatus::Failed) => {
            let at = invitation.last_error.as_ref().map(|error| error.at);
            Step::new("bad", "x", "Failed").at(at, context.now).with_text(on_attempt)
        }
        // The invitee was faster than the worker that records the mail.
        (None, InvitationStatus::Accepted) => Step::new("good", "check", "Sent"),
        (None, _) => Step::todo("Sent").with_text("never"),
    }
}

fn opened(context: &ProgressContext<'_>) -> Option<Step> {
    match context.opening {
        Opening::Person(at) => Some(Step::new("good", "eye", "Opened").at(at, context.now)),
        Opening::Scanner(at) => {
            let step = Step::new("", "robot", "Opened").at(at, context.now);
            Some(step.with_text(", probably by a scanner"))
        }
        Opening::None if !context.links_carry_id => None,
        Opening::None => match context.invitation.status {
            InvitationStatus::Accepted => None,
            InvitationStatus::Queued | InvitationStatus::Sent => {
                Some(Step::todo("Opened").with_text("not yet"))
            }
            _ => Some(Step::todo("Opened").with_text("never")),
        },
    }
}

fn ended(context: &ProgressContext<'_>) -> Step {
    let (invitation, now) = (context.invitation, context.now);
    match invitation.status {
        InvitationStatus::Queued | InvitationStatus::Sent => {
            Step::todo("Accepted").with_text("not yet")
        }
        InvitationStatus::Failed => Step::todo("Accepted"),
        InvitationStatus::Accepted => {
            Step::new("good", "check", "Accepted").at(invitation.accepted_at, now)
        }
        InvitationStatus::Expired => {
            Step::new("", "glass", "Expired").at(invitation.expires_at, now)
        }
        InvitationStatus::Revoked => {
            let revoked = context.events.iter().rfind(|event| event.kind == EventKind::Revoked);
            Step::new("", "slash", "Revoked").at(revoked.map(|event| event.at), now)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::invitations::fixtures::{ago, invitation, now, with_error};

    /// Returns class, word and text of each step.
    fn texts_of(invitation: &Invitation, opening: Opening, links_carry_id: bool) -> Vec<String> {
        let context =
            ProgressContext { invitation, events: &[], opening, links_carry_id, now: now() };
        let step = |step: &Step| format!("{} {}{}", step.class, step.word, step.text);
        steps(&context).iter().map(step).collect()
    }

    #[test]
    fn steps_are_done_failed_or_ahead() {
        use InvitationStatus::{Accepted, Failed, Queued, Sent};
        let sent = Invitation { sent_at: Some(ago(60)), attempts: 2, ..invitation(Sent) };
        let scanned = Opening::Scanner(ago(58));
        assert_eq!(
            texts_of(&sent, scanned, true),
            [
                "good Requested",
                "good Sent, on attempt 2",
                " Opened, probably by a scanner",
                "todo Acceptednot yet"
            ]
        );
        let failed = with_error(invitation(Failed), "invalid_email", 1);
        assert_eq!(
            texts_of(&failed, Opening::None, true),
            ["good Requested", "bad Failed", "todo Openednever", "todo Accepted"]
        );
        assert_eq!(
            texts_of(&invitation(Queued), Opening::None, false),
            ["good Requested", "todo Sentnot yet", "todo Acceptednot yet"]
        );
        assert_eq!(
            texts_of(&invitation(Accepted), Opening::None, true),
            ["good Requested", "good Sent", "good Accepted"]
        );
    }
}
