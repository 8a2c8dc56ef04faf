//! Rights as extractors: what stands in a handler's signature can't be forgotten.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use guestlist_domain::flows::VerifiedSession;
use guestlist_domain::{Actor, Role, Scope};

use super::{Caller, identify, is_shown_by_itself};
use crate::http::origin::require_ours;
use crate::http::problem::{Code, Problem};
use crate::http::state::App;

/// An extractor that refuses a caller who may not make the request: who they are, what they may do,
/// and whether a foreign page made their browser call.
pub trait Guard: FromRequestParts<App, Rejection = Problem> {}

impl<R: Right + Send> Guard for May<R> {}
impl Guard for Unrestricted {}
impl Guard for Person {}

/// A part of the API as a type, for [`May`].
pub trait Right {
    /// Which.
    const SCOPE: Scope;
}

macro_rules! rights {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl Right for $name {
            const SCOPE: Scope = Scope::$name;
        }
    )+};
}

rights! {
    /// See users.
    UsersRead,
    /// Change users.
    UsersWrite,
    /// See invitations.
    InvitationsRead,
    /// Change invitations.
    InvitationsWrite,
    /// See how the queue stands.
    OpsRead,
    /// Steer the queue.
    OpsWrite,
}

/// A caller who may do what `R` names.
#[derive(Debug)]
pub struct May<R> {
    /// Who.
    pub caller: Caller,
    right: PhantomData<R>,
}

impl<R> May<R> {
    /// As events name them.
    pub fn actor(&self) -> Actor {
        self.caller.actor()
    }
}

impl<R: Right> FromRequestParts<App> for May<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = identify(parts, app).await?;
        caller.may(R::SCOPE)?;
        guard_browser(parts, app)?;
        Ok(Self { caller, right: PhantomData })
    }
}

/// A caller to whom nothing is closed: an administrator, or a key without scopes.
#[derive(Debug)]
pub struct Unrestricted;

impl FromRequestParts<App> for Unrestricted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = identify(parts, app).await?;
        match &caller {
            Caller::Program(key) if !key.is_unrestricted() => {
                let detail = "Only a key without scopes, which may do everything, may do this.";
                return Err(Problem::new(Code::ScopeMissing, detail));
            }
            Caller::Person(admitted) if admitted.user.role != Role::Admin => {
                let detail = "Only administrators may do this.";
                return Err(Problem::new(Code::Forbidden, detail));
            }
            Caller::Program(_) | Caller::Person(_) => {}
        }
        guard_browser(parts, app)?;
        Ok(Self)
    }
}

/// A person with a session, whatever their role.
#[derive(Debug)]
pub struct Person(pub VerifiedSession);

impl FromRequestParts<App> for Person {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match identify(parts, app).await? {
            Caller::Person(admitted) => {
                guard_browser(parts, app)?;
                Ok(Self(*admitted))
            }
            Caller::Program(_) => {
                let detail = "This is a person's own; an API key has no session.";
                Err(Problem::new(Code::SessionRequired, detail))
            }
        }
    }
}

/// What a request that anybody may make shows of its session, if it has one.
#[derive(Debug)]
pub struct Perhaps(pub Option<VerifiedSession>);

impl FromRequestParts<App> for Perhaps {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match identify(parts, app).await {
            Ok(Caller::Person(admitted)) => Ok(Self(Some(*admitted))),
            Err(problem) if problem.status().is_server_error() => Err(problem),
            Ok(Caller::Program(_)) | Err(_) => Ok(Self(None)),
        }
    }
}

/// A browser sends its cookies, and a password that it was given once, wherever a page makes it
/// call: what they let happen must be asked for by our own pages or the application's.
pub fn guard_browser(parts: &Parts, app: &App) -> Result<(), Problem> {
    let is_safe = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if is_safe || !is_shown_by_itself(&parts.headers, app.site()) {
        return Ok(());
    }
    require_ours(&parts.headers, app.site())
}
