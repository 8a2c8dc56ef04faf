//! Whose request it is, and whether they may. Each right is an extractor in a handler's
//! signature, so that forgetting one can be seen.

mod rights;

use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, HeaderMap};
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use guestlist_domain::flows::{Admitted, Credentials, SessionError, check_session};
use guestlist_domain::{Actor, ApiKey, Reach, Role, Scope, Seen, TokenHash};

use super::answer::Outgoing;
use super::cookies;
use super::problem::{Code, Problem};
use super::state::App;

pub use self::rights::{
    Guard, InvitationsRead, InvitationsWrite, May, OpsRead, OpsWrite, Perhaps, Person, Right,
    Unrestricted, UsersRead, UsersWrite, guard_browser,
};

/// What every API key begins with.
pub const KEY_PREFIX: &str = "glk_";

/// Somebody whom a request is by.
#[derive(Debug, Clone)]
pub enum Caller {
    /// A person with a session.
    Person(Box<Admitted>),
    /// A program with a key.
    Program(ApiKey),
}

impl Caller {
    /// As events name them.
    pub fn actor(&self) -> Actor {
        match self {
            Self::Person(admitted) => Actor::of(&admitted.user),
            Self::Program(key) => Actor::Key { id: key.id, name: key.name.clone() },
        }
    }

    /// Whom they may act on.
    pub fn reach(&self) -> Reach {
        let is_unrestricted = match self {
            Self::Person(admitted) => admitted.user.role == Role::Admin,
            Self::Program(key) => key.is_unrestricted(),
        };
        if is_unrestricted { Reach::Everybody } else { Reach::Members }
    }

    /// Whether they may give somebody that role.
    pub fn may_grant(&self, role: Role) -> Result<(), Problem> {
        if self.reach().covers(role) { Ok(()) } else { Err(out_of_reach()) }
    }

    fn may(&self, scope: Scope) -> Result<(), Problem> {
        match self {
            Self::Program(key) if key.allows(scope) => Ok(()),
            Self::Program(_) => {
                let detail = format!("This key lacks the scope {scope}.");
                Err(Problem::new(Code::ScopeMissing, detail))
            }
            Self::Person(admitted) if allows(admitted.user.role, scope) => Ok(()),
            Self::Person(_) => Err(Problem::new(Code::Forbidden, "Your role does not allow it.")),
        }
    }
}

/// The caller may not give anybody that role, nor act on who has it.
pub fn out_of_reach() -> Problem {
    let detail = "Only an administrator or an unrestricted key may give a role above member, or \
                  act on somebody who has one.";
    Problem::new(Code::RoleNotGrantable, detail)
}

fn allows(role: Role, scope: Scope) -> bool {
    match role {
        Role::Admin => true,
        Role::Operator => matches!(scope, Scope::OpsRead | Scope::OpsWrite),
        Role::Member => false,
    }
}

/// What a request shows to say whose it is.
enum Shown {
    Key(String),
    Bearer { token: Option<String>, jwt: Option<String> },
    Cookies(Vec<cookies::Shown>),
    Nothing,
}

/// Whether a browser shows the cookies of a session, good or not.
pub fn had_session(headers: &HeaderMap) -> bool {
    matches!(shown(headers), Shown::Cookies(_))
}

/// Whether what a request shows is what browsers show by themselves: cookies, or a password that
/// they were given once.
fn is_shown_by_itself(headers: &HeaderMap) -> bool {
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let scheme = authorization.and_then(|value| value.split(' ').next());
    had_session(headers) || scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic"))
}

fn shown(headers: &HeaderMap) -> Shown {
    if let Some(value) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) {
        return shown_in_authorization(value);
    }
    let shown = cookies::shown(headers);
    if shown.is_empty() { Shown::Nothing } else { Shown::Cookies(shown) }
}

fn shown_in_authorization(value: &str) -> Shown {
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    let secret = rest.trim().to_owned();
    if scheme.eq_ignore_ascii_case("basic") {
        let pair = STANDARD.decode(&secret).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let password = pair.as_deref().and_then(|pair| pair.split_once(':')).map(|pair| pair.1);
        return Shown::Key(password.unwrap_or_default().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("bearer") || secret.starts_with(KEY_PREFIX) {
        return Shown::Key(secret);
    }
    if secret.split('.').count() == 3 {
        return Shown::Bearer { token: None, jwt: Some(secret) };
    }
    Shown::Bearer { token: Some(secret), jwt: None }
}

/// Finds out whose request it is; the answer stays with the request.
pub async fn identify(parts: &mut Parts, app: &App) -> Result<Caller, Problem> {
    if let Some(known) = parts.extensions.get::<Result<Caller, Problem>>() {
        return known.clone();
    }
    let found = find(parts, app).await;
    parts.extensions.insert(found.clone());
    found
}

async fn find(parts: &Parts, app: &App) -> Result<Caller, Problem> {
    match shown(&parts.headers) {
        Shown::Nothing => Err(ended(app, parts, SessionError::Missing)),
        Shown::Key(secret) => by_key(app, &secret).await.map(Caller::Program),
        Shown::Bearer { token, jwt } => {
            let admitted = by_session(app, token.as_deref(), jwt.as_deref()).await;
            admitted.map(Caller::person).map_err(problem)
        }
        Shown::Cookies(shown) => match by_cookies(app, parts, &shown).await {
            Ok(admitted) => Ok(Caller::person(admitted)),
            Err(error) => Err(ended(app, parts, error)),
        },
    }
}

impl Caller {
    fn person(admitted: Admitted) -> Self {
        Self::Person(Box::new(admitted))
    }
}

async fn by_session(
    app: &App,
    token: Option<&str>,
    jwt: Option<&str>,
) -> Result<Admitted, SessionError> {
    let admitted = check_session(app.ctx(), Credentials { token, jwt }).await?;
    let (session, user) = (admitted.session.id, admitted.user.id);
    let seen = Seen::Session { session, user };
    app.seen().note(seen, Some(admitted.session.last_used_at), app.ctx().now());
    Ok(admitted)
}

async fn by_key(app: &App, secret: &str) -> Result<ApiKey, Problem> {
    let key = app.ctx().store.api_key_by_hash(TokenHash::of(secret)).await?;
    let Some(key) = key.filter(|key| key.revoked_at.is_none()) else {
        let detail = "This API key is unknown or was revoked.";
        return Err(Problem::new(Code::ApiKeyInvalid, detail));
    };
    app.seen().note(Seen::Key(key.id), key.last_used_at, app.ctx().now());
    Ok(key)
}

/// By the first that admits, of what a browser shows; and gives it the cookies of a session that
/// goes on with whatever it is answered.
async fn by_cookies(
    app: &App,
    parts: &Parts,
    shown: &[cookies::Shown],
) -> Result<Admitted, SessionError> {
    let mut refusal = None;
    for one in shown {
        match by_session(app, one.token.as_deref(), one.jwt.as_deref()).await {
            Ok(admitted) => {
                let (site, now) = (app.site(), app.ctx().now());
                if let Some(outgoing) = parts.extensions.get::<Outgoing>() {
                    let several = shown.len() > 1;
                    outgoing.set_cookies(cookies::go_on(site, &admitted, one, several, now));
                }
                return Ok(admitted);
            }
            // Whether it is over is not known, so that another can't stand in for it.
            Err(error @ (SessionError::Store(_) | SessionError::KeysUnavailable)) => {
                return Err(error);
            }
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    Err(refusal.unwrap_or(SessionError::Missing))
}

/// A browser without a session: its cookies are cleared in the same answer. An outage clears
/// nothing.
fn ended(app: &App, parts: &Parts, error: SessionError) -> Problem {
    let had_cookies = matches!(shown(&parts.headers), Shown::Cookies(_));
    let hint = cookies::Hint::read(&parts.headers);
    let problem = match error {
        // The browser has dropped the cookies at their end by itself; the hint knows.
        SessionError::Missing if hint.is_some_and(|hint| hint.has_expired(app.ctx().now())) => {
            problem(SessionError::Expired)
        }
        error => problem(error),
    };
    let is_end = problem.status() == StatusCode::UNAUTHORIZED;
    if let Some(outgoing) = parts.extensions.get::<Outgoing>().filter(|_| had_cookies && is_end) {
        outgoing.set_cookies(cookies::clear(app.site()));
    }
    problem
}

fn problem(error: SessionError) -> Problem {
    let (code, detail) = match error {
        SessionError::Missing => (Code::SessionMissing, "Log in, or send an API key."),
        SessionError::Expired => (Code::SessionExpired, "The session has ended. Log in again."),
        SessionError::Revoked => (Code::SessionRevoked, "The session was ended. Log in again."),
        SessionError::JwtExpired => (
            Code::JwtExpired,
            "The session JWT is older than five minutes; send the session token for a new one.",
        ),
        SessionError::KeysUnavailable => {
            let detail = "The session can't be checked now. Try again.";
            return Problem::new(Code::ProviderUnavailable, detail);
        }
        SessionError::Store(error) => return error.into(),
    };
    Problem::new(code, detail)
}
