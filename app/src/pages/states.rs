//! How the states of users, invitations and jobs are shown.

use guestlist_database::operations::JobStatus;
use guestlist_domain::{HeldBy, Invitation, InvitationStatus, JobState, UserStatus};

use jiff::Timestamp;

use super::components::{StateLabel, Tone};

pub fn user_state(status: UserStatus) -> StateLabel {
    match status {
        UserStatus::Active => StateLabel::new(Tone::Good, "check", "Active"),
        UserStatus::Invited => StateLabel::new(Tone::Info, "mail", "Invited"),
        UserStatus::Suspended => StateLabel::new(Tone::Warn, "lock", "Suspended"),
        UserStatus::Deleting => StateLabel::new(Tone::Warn, "trash", "Removing"),
    }
}

/// `held_by` is what holds the invitation back now.
pub fn invitation_state(invitation: &Invitation, held_by: Option<HeldBy>) -> StateLabel {
    match invitation.status {
        InvitationStatus::Queued if invitation.in_doubt_since.is_some() => {
            StateLabel::new(Tone::Warn, "ask", "Outcome unknown")
        }
        InvitationStatus::Queued if held_by.is_some() => {
            StateLabel::new(Tone::Warn, "pause", "Held")
        }
        InvitationStatus::Queued if invitation.last_error.is_some() => {
            StateLabel::new(Tone::Warn, "retry", "Retrying")
        }
        InvitationStatus::Queued => StateLabel::new(Tone::Off, "clock", "Queued"),
        InvitationStatus::Sent => StateLabel::new(Tone::Info, "sent", "Sent"),
        InvitationStatus::Accepted => StateLabel::new(Tone::Good, "check", "Accepted"),
        InvitationStatus::Failed => StateLabel::new(Tone::Bad, "x", "Failed"),
        InvitationStatus::Expired => StateLabel::new(Tone::Off, "glass", "Expired"),
        InvitationStatus::Revoked => StateLabel::new(Tone::Off, "slash", "Revoked"),
    }
}

/// Returns whether the invitation will probably be sent within seconds.
pub fn is_sent_soon(invitation: &Invitation, held_by: Option<HeldBy>, now: Timestamp) -> bool {
    let next = invitation.next_attempt_at.filter(|at| *at > now);
    let is_soon = next.is_none_or(|at| at.duration_since(now).as_secs() < 10);
    invitation.status == InvitationStatus::Queued && is_soon && held_by.is_none()
}

pub fn job_state(status: JobStatus) -> StateLabel {
    match status {
        JobStatus::Held => StateLabel::new(Tone::Warn, "pause", "Held"),
        JobStatus::In(JobState::Scheduled) => StateLabel::new(Tone::Off, "calendar", "Scheduled"),
        JobStatus::In(JobState::Ready) => StateLabel::new(Tone::Off, "clock", "Ready"),
        JobStatus::In(JobState::Running) => StateLabel::new(Tone::Info, "run", "Running"),
        JobStatus::In(JobState::Retrying) => StateLabel::new(Tone::Warn, "retry", "Retrying"),
        JobStatus::In(JobState::Done) => StateLabel::new(Tone::Good, "check", "Done"),
        JobStatus::In(JobState::Dead) => StateLabel::new(Tone::Bad, "x", "Dead"),
        JobStatus::In(JobState::Cancelled) => StateLabel::new(Tone::Off, "slash", "Cancelled"),
    }
}
