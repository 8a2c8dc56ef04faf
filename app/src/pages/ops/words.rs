//! How queues, jobs, attempts and differences are explained to operators.

use guestlist_domain::jobs::{
    CheckIdentity, DeleteIdentity, Reconcile, RevokeInvitation, RevokeSession, SendInvitation,
    SendLoginLink, Sweep,
};
use guestlist_domain::{Drift, HeldBy, Job, QueueName};

use crate::pages::components::{StateLabel, Tone};

pub fn queue_purpose(queue: QueueName) -> &'static str {
    match queue {
        QueueName::Login => "login links, before all others",
        QueueName::Invitation => "invitation mails",
        QueueName::Provider => "revocations and deletions at Stytch",
        QueueName::Webhook => "outgoing webhooks",
        QueueName::Maintenance => "expiry sweeps, comparison with Stytch",
    }
}

/// Returns what pausing a queue means for people.
pub fn pause_hint(queue: QueueName) -> &'static str {
    match queue {
        QueueName::Login => "Nobody can log in by mail until you resume it. Jobs wait; none fail.",
        QueueName::Invitation => {
            "Invitations stay queued until you resume it. Links already sent keep working."
        }
        QueueName::Provider => {
            "Removed people remain at Stytch until you resume it. They are still refused here."
        }
        QueueName::Webhook => "Events wait until you resume it; none are lost.",
        QueueName::Maintenance => {
            "Expired sessions and invitations are still refused, but their rows stay."
        }
    }
}

pub fn hold_reason(held_by: HeldBy) -> &'static str {
    match held_by {
        HeldBy::Paused => "the queue is paused",
        HeldBy::ProviderDown => "Stytch does not respond",
        HeldBy::Misconfigured => "Stytch refuses our settings",
        HeldBy::RateLimit => "Stytch limits the rate",
    }
}

/// Returns what a kind of job does.
pub fn kind_purpose(kind: &str) -> &'static str {
    match kind {
        SendInvitation::KIND => "sends an invitation",
        SendLoginLink::KIND => "sends a login link",
        RevokeInvitation::KIND => "revokes an invitation’s link at Stytch",
        RevokeSession::KIND => "ends a session at Stytch",
        DeleteIdentity::KIND => "deletes a removed person at Stytch",
        CheckIdentity::KIND => "asks Stytch about a person after a webhook",
        Sweep::KIND => "ends expired sessions and invitations",
        Reconcile::KIND => "compares all people with Stytch",
        _ => "a kind that this version does not know",
    }
}

/// All kinds of jobs.
pub const KINDS: [&str; 8] = [
    SendInvitation::KIND,
    SendLoginLink::KIND,
    RevokeInvitation::KIND,
    RevokeSession::KIND,
    DeleteIdentity::KIND,
    CheckIdentity::KIND,
    Sweep::KIND,
    Reconcile::KIND,
];

pub fn attempt_state(outcome: &str) -> StateLabel {
    match outcome {
        "running" => StateLabel::new(Tone::Info, "run", "Running"),
        "done" => StateLabel::new(Tone::Good, "check", "Done"),
        "retry" => StateLabel::new(Tone::Bad, "x", "Failed"),
        "snooze" => StateLabel::new(Tone::Warn, "pause", "Waited"),
        "dead" => StateLabel::new(Tone::Bad, "x", "Failed for good"),
        "lost" => StateLabel::new(Tone::Warn, "ask", "Worker lost"),
        _ => StateLabel::new(Tone::Off, "slash", "Cancelled"),
    }
}

/// Returns the name of a difference from Stytch.
pub fn drift_name(drift: Drift) -> &'static str {
    match drift {
        Drift::Gone => "Deleted at Stytch",
        Drift::Unlinked => "Not linked to Stytch",
        Drift::Removed => "Removed here, left at Stytch",
        Drift::Orphan => "Only at Stytch",
        Drift::Contested => "Address of someone else at Stytch",
        Drift::Address => "Other address at Stytch",
        Drift::Status => "Active at Stytch, invited here",
    }
}

/// Returns what Guestlist does about a difference.
pub fn drift_action(drift: Drift) -> &'static str {
    match drift {
        Drift::Gone => "Logged out here; the next mail makes them anew",
        Drift::Unlinked => "Linked",
        Drift::Removed => "Deleted at Stytch",
        Drift::Orphan => "Nothing is changed",
        Drift::Contested | Drift::Address => "Nothing is changed; look at both accounts",
        Drift::Status => "Nothing is changed; they are active once they log in here",
    }
}
