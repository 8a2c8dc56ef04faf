//! Rows as callers see them.

use std::borrow::Cow;
use std::net::IpAddr;

use guestlist_domain::flows::ChangedUser;
use guestlist_domain::{Actor, Event, HeldBy, Invitation, Metadata, Session, SessionId, User};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::device::device;
use super::openapi::shapes;
use super::waits::Waits;

/// RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Time(pub Timestamp);

impl Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.0))
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        shapes::Time::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        shapes::Time::json_schema(generator)
    }
}

/// An invitation.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Invitation", transform = shapes::whole)]
pub struct InvitationView<'a> {
    id: Uuid,
    #[schemars(with = "shapes::Email")]
    email: &'a str,
    /// What the inviter calls them; null if nothing.
    name: Option<&'a str>,
    /// What they will be in Guestlist.
    #[schemars(with = "shapes::Role")]
    role: &'a str,
    #[schemars(with = "shapes::InvitationStatus")]
    status: &'a str,
    /// Your application's own facts; they become the user's on acceptance.
    #[schemars(with = "shapes::Metadata")]
    metadata: &'a Metadata,
    /// Where they land after coming in; null for where everybody does.
    #[schemars(with = "Option<shapes::ReturnTo>")]
    return_to: Option<&'a str>,
    /// Who asked for it.
    invited_by: ActorView<'a>,
    /// The batch that it came with; null if it came alone.
    batch_id: Option<Uuid>,
    /// Who is invited: a user, `invited` until they have come in.
    user_id: Uuid,
    /// Calls made to Stytch since it was last asked for or resent, those answered with 429 not
    /// counted.
    attempts: u32,
    /// What keeps it waiting, other than its turn; null if nothing does.
    #[schemars(with = "Option<shapes::HeldBy>")]
    held_by: Option<&'a str>,
    /// When it is to be sent next; null once nothing more is due.
    next_attempt_at: Option<Time>,
    /// Why the last try to send it failed, or that it was `cancelled`; null if nothing went wrong.
    last_error: Option<ErrorView<'a>>,
    created_at: Time,
    /// When Stytch took the mail; null until then, and again once it is resent.
    sent_at: Option<Time>,
    /// When the person came in; null until then.
    accepted_at: Option<Time>,
    /// When the link stops working, counted from when it was last asked for or resent.
    expires_at: Time,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LastError", transform = shapes::whole)]
struct ErrorView<'a> {
    /// Stytch's `error_type`, or ours for what never reached it, as in `timeout`.
    code: &'a str,
    /// For people.
    message: &'a str,
    at: Time,
}

/// Who did it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Actor", transform = shapes::whole)]
pub struct ActorView<'a> {
    /// `user`, `key`, `cli` or `system`.
    r#type: &'a str,
    /// The user's or the key's; null of `cli` and `system`.
    id: Option<Uuid>,
    /// What they were called then; null of `cli` and `system`.
    name: Option<&'a str>,
}

impl<'a> From<&'a Actor> for ActorView<'a> {
    fn from(actor: &'a Actor) -> Self {
        Self { r#type: actor.kind(), id: actor.id(), name: actor.name() }
    }
}

impl<'a> InvitationView<'a> {
    /// With what keeps it waiting now.
    pub fn of(invitation: &'a Invitation, waits: Waits) -> Self {
        Self {
            id: invitation.id.0,
            email: invitation.email.as_str(),
            name: invitation.name.as_ref().map(guestlist_domain::Name::as_str),
            role: invitation.role.as_str(),
            status: invitation.status.as_str(),
            metadata: &invitation.metadata,
            return_to: invitation.return_to.as_ref().map(guestlist_domain::ReturnTo::as_str),
            invited_by: (&invitation.invited_by).into(),
            batch_id: None,
            user_id: invitation.user_id.0,
            attempts: invitation.attempts,
            held_by: waits.held_by(invitation).map(HeldBy::as_str),
            next_attempt_at: invitation.next_attempt_at.map(Time),
            last_error: invitation.last_error.as_ref().map(|error| ErrorView {
                code: &error.code,
                message: &error.message,
                at: Time(error.at),
            }),
            created_at: Time(invitation.created_at),
            sent_at: invitation.sent_at.map(Time),
            accepted_at: invitation.accepted_at.map(Time),
            expires_at: Time(invitation.expires_at),
        }
    }
}

/// One thing that happened, in a timeline.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Event", transform = shapes::whole)]
pub struct EventView<'a> {
    id: Uuid,
    #[schemars(with = "shapes::EventKind")]
    kind: &'a str,
    at: Time,
    #[schemars(with = "shapes::Detail")]
    detail: &'a Value,
}

impl<'a> From<&'a Event> for EventView<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            id: event.id.0,
            kind: event.kind.as_str(),
            at: Time(event.at),
            detail: &event.detail,
        }
    }
}

/// A person.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "User", transform = shapes::whole)]
pub struct UserView<'a> {
    id: Uuid,
    #[schemars(with = "shapes::Email")]
    email: &'a str,
    /// What people call them; null if nothing.
    name: Option<&'a str>,
    #[schemars(with = "shapes::Role")]
    role: &'a str,
    #[schemars(with = "shapes::UserStatus")]
    status: &'a str,
    /// Your application's own facts about them.
    #[schemars(with = "shapes::Metadata")]
    metadata: &'a Metadata,
    /// Who they are at Stytch; null until that is known.
    stytch_user_id: Option<&'a str>,
    created_at: Time,
    /// Their last request with a session, to the minute; null until they have come in.
    last_seen_at: Option<Time>,
}

impl<'a> From<&'a User> for UserView<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            id: user.id.0,
            email: user.email.as_str(),
            name: user.name.as_ref().map(guestlist_domain::Name::as_str),
            role: user.role.as_str(),
            status: user.status.as_str(),
            metadata: &user.metadata,
            stytch_user_id: user.provider_user_id.as_deref(),
            created_at: Time(user.created_at),
            last_seen_at: user.last_seen_at.map(Time),
        }
    }
}

/// A person who was changed or removed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ChangedUser", transform = without_revoked)]
pub struct ChangedUserView<'a> {
    #[serde(flatten)]
    user: UserView<'a>,
    /// Open invitations with a role above `member` that they had sent and that were revoked with
    /// this; left out where there were none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    revoked_invitations: Vec<RevokedInvitationView<'a>>,
}

/// All members but the one that may be left out.
fn without_revoked(schema: &mut Schema) {
    shapes::whole(schema);
    if let Some(Value::Array(mut names)) = schema.remove("required") {
        names.retain(|name| name != "revoked_invitations");
        schema.insert("required".to_owned(), names.into());
    }
}

/// An invitation that was revoked.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RevokedInvitation", transform = shapes::whole)]
struct RevokedInvitationView<'a> {
    id: Uuid,
    #[schemars(with = "shapes::Email")]
    email: &'a str,
}

impl<'a> From<&'a ChangedUser> for ChangedUserView<'a> {
    fn from(changed: &'a ChangedUser) -> Self {
        let revoked = changed.revoked.iter().map(|revoked| RevokedInvitationView {
            id: revoked.id.0,
            email: revoked.email.as_str(),
        });
        Self { user: (&changed.user).into(), revoked_invitations: revoked.collect() }
    }
}

/// A session.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Session", transform = shapes::whole)]
pub struct SessionView<'a> {
    id: Uuid,
    /// Whose it is.
    user_id: Uuid,
    /// When the person came in.
    started_at: Time,
    /// When it ends by itself; never moved.
    expires_at: Time,
    /// The last request with it, to the minute.
    last_used_at: Time,
    /// What the person came in with, in words.
    device: String,
    /// The browser's own words, cut to 400 characters; null if it said none.
    user_agent: Option<&'a str>,
    /// Where the person came in from; null if that is not known.
    ip: Option<&'a str>,
}

impl<'a> From<&'a Session> for SessionView<'a> {
    fn from(session: &'a Session) -> Self {
        Self {
            id: session.id.0,
            user_id: session.user_id.0,
            started_at: Time(session.started_at),
            expires_at: Time(session.expires_at),
            last_used_at: Time(session.last_used_at),
            device: device(session.user_agent.as_deref()),
            user_agent: session.user_agent.as_deref(),
            ip: session.ip.as_deref(),
        }
    }
}

/// One of somebody's own sessions.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OwnSession", transform = shapes::whole)]
pub struct OwnSessionView<'a> {
    #[serde(flatten)]
    session: SessionView<'a>,
    /// Whether it is the one that asks.
    current: bool,
}

impl<'a> OwnSessionView<'a> {
    /// As the holder of another sees it, or of the same.
    pub fn of(session: &'a Session, asking: SessionId) -> Self {
        Self { session: session.into(), current: session.id == asking }
    }
}

/// One thing that somebody did.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AuditEntry", transform = shapes::whole)]
pub struct AuditView<'a> {
    id: Uuid,
    #[schemars(with = "shapes::EventKind")]
    kind: &'a str,
    at: Time,
    /// Who did it.
    actor: ActorView<'a>,
    /// Where they did it from; null of what came by no request.
    ip: Option<IpAddr>,
    /// To whom it was done; null if to nobody. They may be removed since.
    user_id: Option<Uuid>,
    /// The invitation that it is about; null if it is about none.
    invitation_id: Option<Uuid>,
    #[schemars(with = "shapes::Detail")]
    detail: &'a Value,
}

impl<'a> From<&'a Event> for AuditView<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            id: event.id.0,
            kind: event.kind.as_str(),
            at: Time(event.at),
            actor: (&event.actor).into(),
            ip: event.from_ip,
            user_id: event.user_id.map(|id| id.0),
            invitation_id: event.invitation_id.map(|id| id.0),
            detail: &event.detail,
        }
    }
}

/// How many sessions were ended.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = shapes::whole)]
pub struct Revoked {
    /// Without the one that asked.
    pub revoked: usize,
}
