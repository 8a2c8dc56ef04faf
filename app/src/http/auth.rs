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
use crate::config::SiteConfig;

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

    /// Whether they hold a scope, by their key or by their role.
    pub fn may(&self, scope: Scope) -> Result<(), Problem> {
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
    /// An API key; `is_basic` if by `Authorization: Basic`, which browsers repeat by themselves.
    Key {
        secret: String,
        is_basic: bool,
    },
    Bearer {
        token: Option<String>,
        jwt: Option<String>,
    },
    Cookies(Vec<cookies::Shown>),
    Nothing,
}

/// Whether a request shows a credential, valid or not.
pub fn shows_credential(headers: &HeaderMap, site: &SiteConfig) -> bool {
    !matches!(shown(headers, site), Shown::Nothing)
}

/// Whether a browser shows the cookies of a session, good or not.
pub fn had_session(headers: &HeaderMap, site: &SiteConfig) -> bool {
    matches!(shown(headers, site), Shown::Cookies(_))
}

/// Whether what a request shows is what browsers show by themselves: cookies, or a password that
/// they were given once.
fn is_shown_by_itself(headers: &HeaderMap, site: &SiteConfig) -> bool {
    matches!(shown(headers, site), Shown::Cookies(_) | Shown::Key { is_basic: true, .. })
}

fn shown(headers: &HeaderMap, site: &SiteConfig) -> Shown {
    let mut authorization = headers.get_all(AUTHORIZATION).iter();
    if let Some(shown) = authorization.find_map(|value| shown_in_authorization(value.as_bytes())) {
        return shown;
    }
    let shown = cookies::shown(headers, site);
    if shown.is_empty() { Shown::Nothing } else { Shown::Cookies(shown) }
}

/// Reads `Bearer`, an API key by itself or after any scheme, and `Basic` with an API key. None for
/// other credentials: they are for a proxy in front of Guestlist.
fn shown_in_authorization(value: &[u8]) -> Option<Shown> {
    let key = |secret: &str| Shown::Key { secret: secret.to_owned(), is_basic: false };
    let value = String::from_utf8_lossy(value);
    let value = value.trim();
    if value.starts_with(KEY_PREFIX) {
        return Some(key(value));
    }
    let (scheme, secret) = value.split_once([' ', '\t']).unwrap_or((value, ""));
    let secret = secret.trim();
    if scheme.eq_ignore_ascii_case("basic") {
        return basic_key(secret).map(|secret| Shown::Key { secret, is_basic: true });
    }
    if secret.starts_with(KEY_PREFIX) {
        return Some(key(secret));
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let secret = Some(secret.to_owned());
    let is_jwt = secret.as_ref().is_some_and(|secret| secret.split('.').count() == 3);
    Some(if is_jwt {
        Shown::Bearer { token: None, jwt: secret }
    } else {
        Shown::Bearer { token: secret, jwt: None }
    })
}

/// The API key in the credentials of `Basic`: the password, or else the user name.
fn basic_key(credentials: &str) -> Option<String> {
    let pair = STANDARD.decode(credentials).ok()?;
    let at = pair.iter().position(|byte| *byte == b':')?;
    let mut parts = [&pair[at + 1..], &pair[..at]].into_iter();
    let key = parts.find(|part| part.starts_with(KEY_PREFIX.as_bytes()))?;
    Some(String::from_utf8_lossy(key).into_owned())
}

/// Finds out whose request it is; the answer stays with the request.
pub async fn identify(parts: &mut Parts, app: &App) -> Result<Caller, Problem> {
    if let Some(known) = parts.extensions.get::<Result<Caller, Problem>>() {
        return known.clone();
    }
    let found = find(parts, app).await;
    if let (Err(problem), Some(outgoing)) = (&found, parts.extensions.get::<Outgoing>()) {
        outgoing.note_refusal(problem.code);
    }
    parts.extensions.insert(found.clone());
    found
}

async fn find(parts: &Parts, app: &App) -> Result<Caller, Problem> {
    match shown(&parts.headers, app.site()) {
        Shown::Nothing => Err(ended(app, parts, SessionError::Missing)),
        Shown::Key { secret, .. } => by_key(app, parts, &secret).await.map(Caller::Program),
        Shown::Bearer { token, jwt } => {
            let admitted = by_session(app, token.as_deref(), jwt.as_deref()).await;
            admitted.map(Caller::person).map_err(problem)
        }
        Shown::Cookies(shown) => match by_cookies(app, parts, &shown).await {
            Ok(admitted) => Ok(Caller::person(admitted)),
            Err(CookieError::SeveralPeople) => Err(several_people(app, parts)),
            Err(CookieError::Session(error)) => Err(ended(app, parts, error)),
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

/// By a key. While the database is unavailable, `/metrics` accepts one that it has accepted before, so
/// that Prometheus sees the outage.
async fn by_key(app: &App, parts: &Parts, secret: &str) -> Result<ApiKey, Problem> {
    let hash = TokenHash::of(secret);
    let is_scrape = parts.uri.path() == "/metrics";
    let found = match app.ctx().store.api_key_by_hash(hash).await {
        Err(error) if error.is_transient() && is_scrape => {
            Some(app.scrapers().get(hash).ok_or(error)?)
        }
        found => found?,
    };
    if is_scrape {
        app.scrapers().note(hash, found.clone());
    }
    let Some(key) = found.filter(|key| key.revoked_at.is_none()) else {
        let detail = "This API key is unknown or was revoked.";
        return Err(Problem::new(Code::ApiKeyInvalid, detail));
    };
    app.seen().note(Seen::Key(key.id), key.last_used_at, app.ctx().now());
    Ok(key)
}

/// Why a browser's cookies admit nobody.
enum CookieError {
    /// They hold live sessions of two people, or more cookies than a browser of ours has: another
    /// host has set some, and which of them are the person's own can't be known.
    SeveralPeople,
    Session(SessionError),
}

/// Admits by the likeliest live session of those that a browser shows, if all are of one person, and
/// renews the cookies of that session with whatever the request is answered.
async fn by_cookies(
    app: &App,
    parts: &Parts,
    shown: &[cookies::Shown],
) -> Result<Admitted, CookieError> {
    if shown.len() > cookies::MOST {
        return Err(CookieError::SeveralPeople);
    }
    let mut first: Option<(Admitted, &cookies::Shown)> = None;
    let mut refusal = None;
    for one in shown {
        match by_session(app, one.token.as_deref(), one.jwt.as_deref()).await {
            Ok(admitted) => {
                let known = first.as_ref().map_or(admitted.user.id, |(first, _)| first.user.id);
                if known != admitted.user.id || is_jwt_of_another(app, one, &admitted).await {
                    return Err(CookieError::SeveralPeople);
                }
                first = first.or(Some((admitted, one)));
            }
            // Whether this one is over is not known, so no other can stand in for it.
            Err(error @ SessionError::Store(_)) => return Err(CookieError::Session(error)),
            Err(error @ SessionError::KeysUnavailable) if first.is_none() => {
                return Err(CookieError::Session(error));
            }
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    let Some((admitted, one)) = first else {
        return Err(CookieError::Session(refusal.unwrap_or(SessionError::Missing)));
    };
    if let Some(outgoing) = parts.extensions.get::<Outgoing>() {
        let (several, now) = (shown.len() > 1, app.ctx().now());
        outgoing.set_cookies(cookies::go_on(app.site(), &admitted, one, several, now));
    }
    Ok(admitted)
}

/// Whether the JWT beside a token admits another person. An application that verifies JWTs itself
/// would see that person.
async fn is_jwt_of_another(app: &App, shown: &cookies::Shown, admitted: &Admitted) -> bool {
    let jwt = shown.jwt.as_deref().filter(|jwt| admitted.jwt.as_deref() != Some(*jwt));
    let (Some(jwt), Some(_)) = (jwt, &shown.token) else { return false };
    let other = check_session(app.ctx(), Credentials { token: None, jwt: Some(jwt) }).await;
    other.is_ok_and(|other| other.user.id != admitted.user.id)
}

/// Logs a browser out that shows the sessions of several people, and clears all its cookies.
fn several_people(app: &App, parts: &Parts) -> Problem {
    if let Some(outgoing) = parts.extensions.get::<Outgoing>() {
        outgoing.set_cookies(cookies::clear_all(app.site()));
    }
    let detail = "The cookies hold sessions of several people, so none of them counts. Log in.";
    Problem::new(Code::SessionMissing, detail)
}

/// A browser without a session: its cookies are cleared in the same answer. An outage clears
/// nothing.
fn ended(app: &App, parts: &Parts, error: SessionError) -> Problem {
    let had_cookies = had_session(&parts.headers, app.site());
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
