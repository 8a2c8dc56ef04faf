//! Events: the audit log, and the timeline of each invitation.

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::Value;
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::{Actor, EventId, InvitationId, UserId};

/// An entry of the audit log. Its detail contains no addresses and no tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Ids increase with time.
    pub id: EventId,
    pub kind: EventKind,
    pub at: Timestamp,
    pub actor: Actor,
    /// The client's address, for actions requested over HTTP.
    pub from_ip: Option<IpAddr>,
    pub user_id: Option<UserId>,
    /// The invitation whose timeline contains the event.
    pub invitation_id: Option<InvitationId>,
    /// Further facts; their structure depends on the kind.
    pub detail: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum EventKind {
    /// An invitation was created.
    Requested,
    /// A delivery is held back.
    Held,
    /// The provider was called. Detail: number, outcome, code, request id, duration in milliseconds.
    Attempted,
    /// The provider accepted the mail.
    Sent,
    /// The provider's answer was lost, so the mail may have been sent.
    Doubtful,
    /// The link was opened. Detail: by which [visitor](crate::Visitor).
    Visited,
    /// The invitee logged in.
    Accepted,
    /// The delivery failed permanently.
    Failed,
    Expired,
    Revoked,
    Resent,
    /// A user was added without a mail.
    UserAdded,
    /// A user's name or metadata changed. Detail: the fields.
    UserChanged,
    /// A user's role changed. Detail: the old and the new role.
    RoleChanged,
    UserSuspended,
    UserReactivated,
    /// The removal of a user began.
    UserDeleting,
    /// The removal of a user was completed, including the identity at the provider.
    UserDeleted,
    SessionStarted,
    /// A session was ended before it expired. Detail: session and reason.
    SessionEnded,
    /// The holder of a valid link was refused.
    LoginRefused,
    KeyCreated,
    KeyRevoked,
    Reconciled,
    /// A user's identity no longer exists at the provider; the sessions were ended.
    IdentityForgotten,
    /// An identity found at the provider was linked to a user.
    IdentityLinked,
    /// The identity of a removed user was found at the provider and deleted.
    IdentityDeleted,
    JobRetried,
    /// An operator cancelled or dismissed a job.
    JobCancelled,
    QueuePaused,
    QueueResumed,
}
