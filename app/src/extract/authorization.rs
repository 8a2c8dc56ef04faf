//! Authorization: extractors that refuse callers without the required permission. A route's
//! permission is visible in its handler's signature.

use std::marker::PhantomData;

use aide::OperationInput;
use aide::generate::GenContext;
use aide::openapi::{Operation, SecurityRequirement};
use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use guestlist_domain::flows::VerifiedSession;
use guestlist_domain::{Actor, Role, Scope, Session};

use super::authentication::{Caller, authenticate};
use super::credentials::PresentedCredentials;
use super::origin::require_same_origin;
use crate::openapi::operation::add_problems;
use crate::problem::{Code, Problem};
use crate::state::App;

/// An extractor that authenticates and authorizes the caller, and checks the origin.
pub trait Authorize: FromRequestParts<App, Rejection = Problem> {}

impl<S: RequiredScope + Send> Authorize for RequireScope<S> {}
impl Authorize for RequireAdmin {}
impl Authorize for RequireSession {}

/// A scope as a type, for [`RequireScope`].
pub trait RequiredScope {
    const SCOPE: Scope;
}

macro_rules! scopes {
    ($($name:ident),+ $(,)?) => {$(
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl RequiredScope for $name {
            const SCOPE: Scope = Scope::$name;
        }
    )+};
}

scopes!(UsersRead, UsersWrite, InvitationsRead, InvitationsWrite, OpsRead, OpsWrite);

/// Requires a scope, by API key or by role.
#[derive(Debug)]
pub struct RequireScope<S> {
    pub caller: Caller,
    scope: PhantomData<S>,
}

impl<S> RequireScope<S> {
    /// Returns the caller as the actor of events.
    pub fn actor(&self) -> Actor {
        self.caller.actor()
    }
}

impl<S: RequiredScope> FromRequestParts<App> for RequireScope<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = authenticate(parts, app).await?;
        caller.require_scope(S::SCOPE)?;
        check_origin(parts, app)?;
        Ok(Self { caller, scope: PhantomData })
    }
}

/// Requires an administrator or an unrestricted API key.
#[derive(Debug)]
pub struct RequireAdmin;

impl FromRequestParts<App> for RequireAdmin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match authenticate(parts, app).await? {
            Caller::ApiKey(key) if !key.is_unrestricted() => {
                let detail = "This needs an API key without scopes, which has all permissions.";
                return Err(Problem::new(Code::ScopeMissing, detail));
            }
            Caller::User(verified) if verified.user.role != Role::Admin => {
                let detail = "Only administrators may do this.";
                return Err(Problem::new(Code::Forbidden, detail));
            }
            Caller::ApiKey(_) | Caller::User(_) => {}
        }
        check_origin(parts, app)?;
        Ok(Self)
    }
}

/// Requires a user's session, with any role.
#[derive(Debug)]
pub struct RequireSession(pub VerifiedSession);

impl FromRequestParts<App> for RequireSession {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match authenticate(parts, app).await? {
            Caller::User(verified) => {
                check_origin(parts, app)?;
                Ok(Self(*verified))
            }
            Caller::ApiKey(_) => {
                let detail = "This needs a user's session; API keys have none.";
                Err(Problem::new(Code::SessionRequired, detail))
            }
        }
    }
}

/// The user's session, if there is one.
#[derive(Debug)]
pub struct OptionalSession(pub Option<VerifiedSession>);

impl OptionalSession {
    /// Returns the session without its user.
    pub fn into_session(self) -> Option<Session> {
        self.0.map(|verified| verified.session)
    }
}

impl FromRequestParts<App> for OptionalSession {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match authenticate(parts, app).await {
            Ok(Caller::User(verified)) => Ok(Self(Some(*verified))),
            Err(problem) if problem.status().is_server_error() => Err(problem),
            Ok(Caller::ApiKey(_)) | Err(_) => Ok(Self(None)),
        }
    }
}

/// Checks the origin of an unsafe request whose credentials the browser sends by itself.
pub fn check_origin(parts: &Parts, app: &App) -> Result<(), Problem> {
    let is_safe = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if is_safe || !PresentedCredentials::read(&parts.headers, app.site()).are_ambient() {
        return Ok(());
    }
    require_same_origin(&parts.headers, app.site())
}

const AUTHENTICATION_PROBLEMS: &[Code] = &[
    Code::SessionMissing,
    Code::SessionExpired,
    Code::SessionRevoked,
    Code::JwtExpired,
    Code::ApiKeyInvalid,
    Code::ProviderUnavailable,
];

impl<S: RequiredScope> OperationInput for RequireScope<S> {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        let scopes = vec![S::SCOPE.as_str().to_owned()];
        document_security(operation, &["bearer", "basic", "cookie"], &scopes);
        add_problems(operation, &[Code::Forbidden, Code::ScopeMissing]);
    }
}

impl OperationInput for RequireAdmin {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        document_security(operation, &["bearer", "basic", "cookie"], &[]);
        add_problems(operation, &[Code::Forbidden, Code::ScopeMissing]);
    }
}

impl OperationInput for RequireSession {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        document_security(operation, &["bearer", "cookie"], &[]);
        add_problems(operation, &[Code::SessionRequired]);
    }
}

impl OperationInput for OptionalSession {}

/// Documents that any one of the schemes is sufficient.
fn document_security(operation: &mut Operation, schemes: &[&str], scopes: &[String]) {
    let each = schemes.iter().map(|scheme| ((*scheme).to_owned(), scopes.to_vec()));
    operation.security = each.map(|one| SecurityRequirement::from_iter([one])).collect();
    add_problems(operation, AUTHENTICATION_PROBLEMS);
}
