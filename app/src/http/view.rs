//! Rows as callers see them.

use std::borrow::Cow;
use std::net::IpAddr;

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
    name: Option<&'a str>,
    #[schemars(with = "shapes::Role")]
    role: &'a str,
    #[schemars(with = "shapes::InvitationStatus")]
    status: &'a str,
    #[schemars(with = "shapes::Metadata")]
    metadata: &'a Metadata,
    #[schemars(with = "Option<shapes::ReturnTo>")]
    return_to: Option<&'a str>,
    invited_by: ActorView<'a>,
    batch_id: Option<Uuid>,
    user_id: Uuid,
    attempts: u32,
    #[schemars(with = "Option<shapes::HeldBy>")]
    held_by: Option<&'a str>,
    next_attempt_at: Option<Time>,
    last_error: Option<ErrorView<'a>>,
    created_at: Time,
    sent_at: Option<Time>,
    accepted_at: Option<Time>,
    expires_at: Time,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LastError", transform = shapes::whole)]
struct ErrorView<'a> {
    code: &'a str,
    message: &'a str,
    at: Time,
}

/// Who did it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Actor", transform = shapes::whole)]
pub struct ActorView<'a> {
    r#type: &'a str,
    id: Option<Uuid>,
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
    name: Option<&'a str>,
    #[schemars(with = "shapes::Role")]
    role: &'a str,
    #[schemars(with = "shapes::UserStatus")]
    status: &'a str,
    #[schemars(with = "shapes::Metadata")]
    metadata: &'a Metadata,
    stytch_user_id: Option<&'a str>,
    created_at: Time,
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
            stytch_user_id: user.stytch_user_id.as_deref(),
            created_at: Time(user.created_at),
            last_seen_at: user.last_seen_at.map(Time),
        }
    }
}

/// A session.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Session", transform = shapes::whole)]
pub struct SessionView<'a> {
    id: Uuid,
    user_id: Uuid,
    started_at: Time,
    expires_at: Time,
    last_used_at: Time,
    /// What the person came in with, in words.
    device: String,
    user_agent: Option<&'a str>,
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
    actor: ActorView<'a>,
    ip: Option<IpAddr>,
    user_id: Option<Uuid>,
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
