//! All that ever happens, one row each: the timeline of an invitation and the memory of the rest.

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::Value;

use crate::{Actor, EventId, InvitationId, UserId};

/// One thing that happened. Its detail holds no address and no token.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Ours; later ones sort after earlier ones.
    pub id: EventId,
    /// What.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// Where they called from, by HTTP.
    pub from_ip: Option<IpAddr>,
    /// To whom.
    pub user_id: Option<UserId>,
    /// To which invitation.
    pub invitation_id: Option<InvitationId>,
    /// More, by kind.
    pub detail: Value,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// Somebody was invited.
    Requested,
    /// Sending waits.
    Held,
    /// Stytch was called: number, outcome, code, request id, milliseconds.
    Attempted,
    /// Stytch took the mail.
    Sent,
    /// Stytch's answer was lost: the mail may or may not have gone out.
    Doubtful,
    /// The link was opened.
    Visited,
    /// The person came in.
    Accepted,
    /// Sending was given up.
    Failed,
    /// The time ran out.
    Expired,
    /// It was taken back.
    Revoked,
    /// It was asked to be sent again.
    Resent,
    /// A user was added without a mail.
    UserAdded,
    /// A user's name or metadata was changed: which.
    UserChanged,
    /// A user may do more, or less: from what, to what.
    RoleChanged,
    /// A user may not come in any more.
    UserSuspended,
    /// A user may come in again.
    UserReactivated,
    /// A user's removal began.
    UserDeleting,
    /// A user was removed, here and at Stytch.
    UserDeleted,
    /// Somebody came in.
    SessionStarted,
    /// A session was ended before its time: which, and why.
    SessionEnded,
    /// Somebody with a good link was refused.
    LoginRefused,
    /// An API key was made.
    KeyCreated,
    /// An API key was taken back.
    KeyRevoked,
    /// Our users and Stytch's were compared, and repaired or not.
    Reconciled,
    /// Stytch no longer knew a user, whose sessions ended.
    IdentityForgotten,
    /// A user was found at Stytch.
    IdentityAdopted,
    /// Somebody removed here was still there at Stytch, and was deleted.
    IdentityDeleted,
    /// An operator had a job run again.
    JobRetried,
    /// An operator withdrew a job.
    JobCancelled,
    /// An operator paused a queue.
    QueuePaused,
    /// An operator let a queue go on.
    QueueResumed,
}

crate::user::words!(EventKind {
    Requested = "requested",
    Held = "held",
    Attempted = "attempted",
    Sent = "sent",
    Doubtful = "doubtful",
    Visited = "visited",
    Accepted = "accepted",
    Failed = "failed",
    Expired = "expired",
    Revoked = "revoked",
    Resent = "resent",
    UserAdded = "user_added",
    UserChanged = "user_changed",
    RoleChanged = "role_changed",
    UserSuspended = "user_suspended",
    UserReactivated = "user_reactivated",
    UserDeleting = "user_deleting",
    UserDeleted = "user_deleted",
    SessionStarted = "session_started",
    SessionEnded = "session_ended",
    LoginRefused = "login_refused",
    KeyCreated = "key_created",
    KeyRevoked = "key_revoked",
    Reconciled = "reconciled",
    IdentityForgotten = "identity_forgotten",
    IdentityAdopted = "identity_adopted",
    IdentityDeleted = "identity_deleted",
    JobRetried = "job_retried",
    JobCancelled = "job_cancelled",
    QueuePaused = "queue_paused",
    QueueResumed = "queue_resumed",
});
