//! Authentication: finds the caller of a request.

use axum::http::StatusCode;
use axum::http::request::Parts;
use guestlist_domain::flows::{Credentials, SessionError, VerifiedSession, check_session};
use guestlist_domain::{Actor, ApiKey, ManageableRoles, Role, Scope, TokenHash, Usage};

use super::credentials::{PresentedCredentials, has_session_cookies};
use super::effects::ResponseEffects;
use crate::problem::{Code, Problem};
use crate::sessions::cookies::{self, LoginHint, SessionCookies};
use crate::state::App;

#[derive(Debug, Clone)]
pub enum Caller {
    User(Box<VerifiedSession>),
    ApiKey(ApiKey),
}

impl Caller {
    pub fn actor(&self) -> Actor {
        match self {
            Self::User(verified) => Actor::of(&verified.user),
            Self::ApiKey(key) => Actor::Key { id: key.id, name: key.name.clone() },
        }
    }

    /// Returns the roles of the users that the caller may manage.
    pub fn manageable_roles(&self) -> ManageableRoles {
        let is_unrestricted = match self {
            Self::User(verified) => verified.user.role == Role::Admin,
            Self::ApiKey(key) => key.is_unrestricted(),
        };
        if is_unrestricted { ManageableRoles::All } else { ManageableRoles::MemberOnly }
    }

    pub fn require_grantable(&self, role: Role) -> Result<(), Problem> {
        if self.manageable_roles().includes(role) {
            Ok(())
        } else {
            Err(Code::RoleNotGrantable.into())
        }
    }

    /// Requires a scope, which API keys have by themselves and users by their role.
    pub fn require_scope(&self, scope: Scope) -> Result<(), Problem> {
        match self {
            Self::ApiKey(key) if key.allows(scope) => Ok(()),
            Self::ApiKey(_) => {
                let detail = format!("The API key lacks the scope {scope}.");
                Err(Problem::new(Code::ScopeMissing, detail))
            }
            Self::User(verified) if has_scope(verified.user.role, scope) => Ok(()),
            Self::User(_) => Err(Problem::new(Code::Forbidden, "Your role does not permit this.")),
        }
    }

    /// Requires an administrator or an unrestricted API key.
    pub fn require_unrestricted(&self) -> Result<(), Problem> {
        let (code, detail) = match (self.manageable_roles(), self) {
            (ManageableRoles::All, _) => return Ok(()),
            (_, Self::ApiKey(_)) => (
                Code::ScopeMissing,
                "This needs an API key without scopes, which has all permissions.",
            ),
            (_, Self::User(_)) => (Code::Forbidden, "Only administrators may do this."),
        };
        Err(Problem::new(code, detail))
    }
}

fn has_scope(role: Role, scope: Scope) -> bool {
    match role {
        Role::Admin => true,
        Role::Operator => matches!(scope, Scope::OpsRead | Scope::OpsWrite),
        Role::Member => false,
    }
}

/// Authenticates the caller. The result is kept with the request.
pub async fn authenticate(parts: &mut Parts, app: &App) -> Result<Caller, Problem> {
    if let Some(known) = parts.extensions.get::<Result<Caller, Problem>>() {
        return known.clone();
    }
    let result = find_caller(parts, app).await;
    if let Err(problem) = &result {
        ResponseEffects::of(parts).set_refusal(problem.code);
    }
    parts.extensions.insert(result.clone());
    result
}

/// Authenticates the caller of a public route; `None` without a valid session. An invalid API key
/// is refused: a backend whose key was revoked would otherwise become one anonymous client, and all
/// its users would share one rate limit.
pub async fn authenticate_optional(
    parts: &mut Parts,
    app: &App,
) -> Result<Option<Caller>, Problem> {
    match authenticate(parts, app).await {
        Ok(caller) => Ok(Some(caller)),
        Err(problem) if problem.code == Code::ApiKeyInvalid => Err(problem),
        Err(_) => Ok(None),
    }
}

async fn find_caller(parts: &Parts, app: &App) -> Result<Caller, Problem> {
    let user = |verified| Caller::User(Box::new(verified));
    match PresentedCredentials::read(&parts.headers, &app.site) {
        PresentedCredentials::None => Err(session_problem(app, parts, SessionError::Missing)),
        PresentedCredentials::ApiKey { secret, .. } => {
            find_api_key(app, parts, &secret).await.map(Caller::ApiKey)
        }
        PresentedCredentials::Bearer { token, jwt } => {
            Ok(user(find_session(app, token.as_deref(), jwt.as_deref()).await?))
        }
        PresentedCredentials::Cookies(presented) => {
            find_cookie_session(app, parts, &presented).await.map(user)
        }
    }
}

async fn find_session(
    app: &App,
    token: Option<&str>,
    jwt: Option<&str>,
) -> Result<VerifiedSession, SessionError> {
    let verified = check_session(&app.ctx, Credentials { token, jwt }).await?;
    let (session, user) = (verified.session.id, verified.user.id);
    let usage = Usage::Session { session, user };
    app.activity.record(usage, Some(verified.session.last_used_at), app.ctx.now());
    Ok(verified)
}

/// Finds an API key. While the database is unavailable, `/metrics` accepts keys that it has accepted
/// before, so that Prometheus can observe the outage.
async fn find_api_key(app: &App, parts: &Parts, secret: &str) -> Result<ApiKey, Problem> {
    let hash = TokenHash::of(secret);
    let is_scrape = parts.uri.path() == "/metrics";
    let found = match app.ctx.store.api_key_by_hash(hash).await {
        Err(error) if error.is_transient() && is_scrape => {
            Some(app.api_key_cache.get(hash).ok_or(error)?)
        }
        found => found?,
    };
    if is_scrape {
        app.api_key_cache.update(hash, found.clone());
    }
    let Some(key) = found.filter(|key| key.revoked_at.is_none()) else {
        return Err(Code::ApiKeyInvalid.into());
    };
    app.activity.record(Usage::Key(key.id), key.last_used_at, app.ctx.now());
    Ok(key)
}

/// Finds the likeliest live session in a browser's cookies, if all belong to one user, and renews
/// its cookies in the response.
async fn find_cookie_session(
    app: &App,
    parts: &Parts,
    presented: &[SessionCookies],
) -> Result<VerifiedSession, Problem> {
    if presented.len() > cookies::MAX_PER_NAME {
        return Err(several_users(app, parts));
    }
    let mut first: Option<(VerifiedSession, &SessionCookies)> = None;
    let mut first_error = None;
    for one in presented {
        match find_session(app, one.token.as_deref(), one.jwt.as_deref()).await {
            Ok(verified) => {
                let user = first.as_ref().map_or(verified.user.id, |(first, _)| first.user.id);
                if user != verified.user.id || has_foreign_jwt(app, one, &verified).await {
                    return Err(several_users(app, parts));
                }
                first = first.or(Some((verified, one)));
            }
            // This session may be live, so no other may take its place.
            Err(error @ SessionError::Store(_)) => return Err(session_problem(app, parts, error)),
            Err(error @ SessionError::KeysUnavailable) if first.is_none() => {
                return Err(session_problem(app, parts, error));
            }
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    let Some((verified, cookies)) = first else {
        return Err(session_problem(app, parts, first_error.unwrap_or(SessionError::Missing)));
    };
    let (has_several, now) = (presented.len() > 1, app.ctx.now());
    let renewed = cookies::renew(&app.site, &verified, cookies, has_several, now);
    ResponseEffects::of(parts).add_cookies(renewed);
    Ok(verified)
}

/// Returns whether the JWT sent along with a token admits a different user. An application that
/// verifies JWTs itself would see that user.
async fn has_foreign_jwt(
    app: &App,
    presented: &SessionCookies,
    verified: &VerifiedSession,
) -> bool {
    let jwt = presented.jwt.as_deref().filter(|jwt| verified.jwt.as_deref() != Some(*jwt));
    let (Some(jwt), Some(_)) = (jwt, &presented.token) else { return false };
    let other = check_session(&app.ctx, Credentials { token: None, jwt: Some(jwt) }).await;
    other.is_ok_and(|other| other.user.id != verified.user.id)
}

/// Treats a browser as logged out, and clears all its cookies, if they contain live sessions of two
/// users, or are more than a browser can hold. A sibling host has set some of them, and which ones
/// can't be determined.
fn several_users(app: &App, parts: &Parts) -> Problem {
    ResponseEffects::of(parts).add_cookies(cookies::clear_all(&app.site));
    let detail =
        "The cookies contain sessions of several users, so all were ignored. Log in again.";
    Problem::new(Code::SessionMissing, detail)
}

/// Returns the problem of a refused session, and clears its cookies if it has ended.
/// Cookies survive an outage.
fn session_problem(app: &App, parts: &Parts, error: SessionError) -> Problem {
    let hint = LoginHint::read(&parts.headers);
    let error = match error {
        // The browser has deleted the expired cookies by itself; the hint tells that they existed.
        SessionError::Missing if hint.is_some_and(|hint| hint.has_expired(app.ctx.now())) => {
            SessionError::Expired
        }
        error => error,
    };
    let problem = Problem::from(error);
    let has_ended = problem.status() == StatusCode::UNAUTHORIZED;
    if has_ended && has_session_cookies(&parts.headers, &app.site) {
        ResponseEffects::of(parts).add_cookies(cookies::clear(&app.site));
    }
    problem
}
