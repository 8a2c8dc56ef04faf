//! Request and response types of sessions.

use guestlist_domain::flows::{LoggedIn, VerifiedSession};
use guestlist_domain::{InvitationId, Page, ReturnTo, Session, SessionId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::api::users::types::UserView;
use crate::extract::{FieldErrors, parse_page};
use crate::openapi::schemas::{self, Time, Unchecked};
use crate::problem::Problem;
use crate::sessions::device::device;

/// A link to redeem.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with a token")]
pub struct CreateSessionRequest {
    /// The link's `token` parameter.
    pub token: String,
    /// The link's `invitation` parameter, if it has one.
    #[schemars(with = "Option<Uuid>")]
    pub invitation: Option<InvitationId>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = schemas::query_parameters)]
pub struct ListSessions {
    limit: Option<Unchecked<schemas::Limit>>,
    cursor: Option<Unchecked<schemas::Cursor>>,
}

impl ListSessions {
    pub fn parse(&self) -> Result<Page<SessionId>, Problem> {
        let mut errors = FieldErrors::default();
        let (limit, cursor) = (self.limit.as_deref(), self.cursor.as_deref());
        let page = parse_page(limit, cursor, SessionId, &mut errors);
        errors.finish()?;
        Ok(page)
    }
}

/// A session.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Session", transform = schemas::all_required)]
pub struct SessionView<'a> {
    id: Uuid,
    user_id: Uuid,
    /// When the user logged in.
    started_at: Time,
    /// When the session expires. Using the session does not extend it.
    expires_at: Time,
    /// When the session was last used, to the minute.
    last_used_at: Time,
    /// The browser and operating system that the user logged in with.
    device: String,
    /// The `User-Agent` header, cut to 400 characters; null if there was none.
    user_agent: Option<&'a str>,
    /// The IP address that the user logged in from; null if it is unknown.
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

/// One of the caller's own sessions.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OwnSession", transform = schemas::all_required)]
pub struct OwnSessionView<'a> {
    #[serde(flatten)]
    session: SessionView<'a>,
    /// Whether this is the session that makes the request.
    current: bool,
}

impl<'a> OwnSessionView<'a> {
    /// Creates a view for the holder of the `current` session.
    pub fn new(session: &'a Session, current: SessionId) -> Self {
        Self { session: session.into(), current: session.id == current }
    }
}

/// The current session and its user.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CurrentSession", transform = schemas::all_required)]
pub struct CurrentSessionView<'a> {
    session: SessionView<'a>,
    user: UserView<'a>,
    /// A JWT that proves the session for five minutes and can be verified offline; null if the
    /// request had none and none could be obtained.
    session_jwt: Option<&'a str>,
}

impl<'a> From<&'a VerifiedSession> for CurrentSessionView<'a> {
    fn from(verified: &'a VerifiedSession) -> Self {
        Self {
            session: (&verified.session).into(),
            user: (&verified.user).into(),
            session_jwt: verified.jwt.as_deref(),
        }
    }
}

/// A new session with its secrets.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "NewSession", transform = schemas::all_required)]
pub struct NewSessionView<'a> {
    session: SessionView<'a>,
    user: UserView<'a>,
    /// The token that proves the session until it expires. Keep it secret.
    session_token: &'a str,
    /// A JWT that proves the session for five minutes and can be verified offline. Keep it secret.
    session_jwt: &'a str,
    /// Where to send the user; null for the default.
    #[schemars(with = "Option<schemas::ReturnTo>")]
    return_to: Option<&'a str>,
}

impl<'a> From<&'a LoggedIn> for NewSessionView<'a> {
    fn from(login: &'a LoggedIn) -> Self {
        Self {
            session: (&login.session).into(),
            user: (&login.user).into(),
            session_token: &login.tokens.session_token,
            session_jwt: &login.tokens.session_jwt,
            return_to: login.return_to.as_ref().map(ReturnTo::as_str),
        }
    }
}

/// How many sessions were revoked.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = schemas::all_required)]
pub struct RevokedSessions {
    /// The number of revoked sessions, without the current one.
    pub revoked: usize,
}
