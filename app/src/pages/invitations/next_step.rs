//! What an invitation waits for, or what an administrator can do about it.

use askama::Template;
use askama::filters::HtmlSafe;
use guestlist_domain::{HeldBy, Invitation, InvitationId, InvitationStatus, UserStatus};
use jiff::Timestamp;

use super::form::lifetime_minutes;
use super::opening::Opening;
use super::row::is_address_refused;
use super::texts::{error_reason, hold_reason, invitee};
use crate::pages::components::When;
use crate::pages::shell::Shell;

/// The next step, as one sentence with an explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// A newer invitation has taken its place.
    Replaced(InvitationId),
    /// The person was removed.
    Removed,
    /// The invitee logged in in another way.
    Member,
    Held(HeldBy),
    /// The outcome of an attempt is unknown.
    InDoubt,
    Retry,
    Queued,
    Waiting(Opening),
    Accepted,
    /// Stytch does not mail to the address.
    CorrectAddress,
    Cancelled,
    Failed,
    Expired,
    Revoked,
}

/// What the next step is derived from.
pub struct NextContext {
    pub held_by: Option<HeldBy>,
    pub opening: Opening,
    /// The status of the person; `None` if they were removed.
    pub user: Option<UserStatus>,
    /// The person's newest invitation, if it is another.
    pub newer: Option<InvitationId>,
    pub now: Timestamp,
}

impl NextStep {
    pub fn of(invitation: &Invitation, context: &NextContext) -> Self {
        match (invitation.status, context) {
            (_, NextContext { user: None | Some(UserStatus::Deleting), .. }) => Self::Removed,
            (InvitationStatus::Accepted, _) => Self::Accepted,
            (_, NextContext { newer: Some(id), .. }) => Self::Replaced(*id),
            (_, NextContext { user: Some(UserStatus::Active | UserStatus::Suspended), .. }) => {
                Self::Member
            }
            (status, _) if status.is_open() && !invitation.can_be_accepted(context.now) => {
                Self::Expired
            }
            (InvitationStatus::Queued, _) => Self::of_queued(invitation, context.held_by),
            (InvitationStatus::Sent, _) => Self::Waiting(context.opening),
            (InvitationStatus::Failed, _) if is_address_refused(invitation) => Self::CorrectAddress,
            (InvitationStatus::Failed, _) if invitation.is_cancelled() => Self::Cancelled,
            (InvitationStatus::Failed, _) => Self::Failed,
            (InvitationStatus::Expired, _) => Self::Expired,
            (InvitationStatus::Revoked, _) => Self::Revoked,
        }
    }

    fn of_queued(invitation: &Invitation, held_by: Option<HeldBy>) -> Self {
        match held_by {
            Some(by @ (HeldBy::Paused | HeldBy::Misconfigured)) => Self::Held(by),
            _ if invitation.in_doubt_since.is_some() => Self::InDoubt,
            Some(by) => Self::Held(by),
            None if invitation.last_error.is_some() => Self::Retry,
            None => Self::Queued,
        }
    }

    /// Returns whether the panel of the step has the button to resend.
    pub fn offers_resend(self) -> bool {
        matches!(self, Self::Expired | Self::Failed | Self::Cancelled)
    }

    /// Returns whether the invitation can be resent.
    pub fn allows_resend(self) -> bool {
        self.offers_resend() || matches!(self, Self::Waiting(_) | Self::CorrectAddress)
    }
}

/// The panel that shows the next step.
#[derive(Template)]
#[template(path = "invitations/next.html")]
pub struct NextPanel<'a> {
    pub shell: &'a Shell<'a>,
    pub invitation: &'a Invitation,
    pub step: NextStep,
    /// How long until the invitation can be resent, in seconds; 0 if it can be now.
    pub resend_wait: u64,
}

impl HtmlSafe for NextPanel<'_> {}

impl NextPanel<'_> {
    /// Returns the time of the next attempt, if it is not due yet.
    fn next(&self) -> Option<When> {
        let is_ahead = |at: &Timestamp| *at > self.shell.now;
        self.invitation.next_attempt_at.filter(is_ahead).map(|at| self.shell.when(at))
    }

    fn error_code(&self) -> &str {
        self.invitation.last_error.as_ref().map_or("", |error| error.code.as_str())
    }

    fn error_reason(&self) -> &'static str {
        self.invitation.last_error.as_ref().map_or("", |error| error_reason(&error.code))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::pages::invitations::fixtures::{ago, invitation, now, with_error};

    fn context() -> NextContext {
        let user = Some(UserStatus::Invited);
        NextContext { held_by: None, opening: Opening::None, user, newer: None, now: now() }
    }

    #[test]
    fn the_next_step_follows_from_the_state() {
        use InvitationStatus::{Accepted, Expired, Failed, Queued, Revoked, Sent};
        let in_doubt = Invitation { in_doubt_since: Some(ago(9)), ..invitation(Queued) };
        for (invitation, expected) in [
            (invitation(Queued), NextStep::Queued),
            (with_error(invitation(Queued), "timeout", 1), NextStep::Retry),
            (in_doubt, NextStep::InDoubt),
            (invitation(Sent), NextStep::Waiting(Opening::None)),
            (Invitation { expires_at: ago(1), ..invitation(Sent) }, NextStep::Expired),
            (invitation(Accepted), NextStep::Accepted),
            (with_error(invitation(Failed), "invalid_email", 1), NextStep::CorrectAddress),
            (with_error(invitation(Failed), "cancelled", 1), NextStep::Cancelled),
            (with_error(invitation(Failed), "timeout", 20), NextStep::Failed),
            (invitation(Expired), NextStep::Expired),
            (invitation(Revoked), NextStep::Revoked),
        ] {
            assert_eq!(NextStep::of(&invitation, &context()), expected);
        }
    }

    #[test]
    fn what_happened_to_the_person_takes_precedence() {
        let sent = invitation(InvitationStatus::Sent);
        let step = |context| NextStep::of(&sent, &context);
        let newer = InvitationId(Uuid::max());
        let replaced = NextContext { newer: Some(newer), ..context() };
        assert_eq!(step(replaced), NextStep::Replaced(newer));
        assert_eq!(step(NextContext { user: None, ..context() }), NextStep::Removed);
        let member = Some(UserStatus::Active);
        assert_eq!(step(NextContext { user: member, ..context() }), NextStep::Member);
    }

    #[test]
    fn a_hold_takes_precedence_over_earlier_errors() {
        let queued = with_error(invitation(InvitationStatus::Queued), "timeout", 1);
        for by in HeldBy::ALL {
            let held = NextContext { held_by: Some(*by), ..context() };
            assert_eq!(NextStep::of(&queued, &held), NextStep::Held(*by));
        }
    }
}
