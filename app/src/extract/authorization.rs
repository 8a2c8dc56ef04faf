//! Authorization: extractors that refuse callers without the required permission. A route's
//! permission is visible in its handler's signature.

use std::marker::PhantomData;

use aide::openapi::SecurityRequirement;
use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use guestlist_domain::flows::VerifiedSession;
use guestlist_domain::{Actor, Ctx, ManageableRoles, Scope, Session};

use super::authentication::{Caller, authenticate};
use super::context::RequestContext;
use super::credentials::PresentedCredentials;
use super::origin::require_same_origin;
use crate::openapi::operation::{GenContext, Operation, OperationInput, add_problems};
use crate::problem::{Code, Problem};
use crate::state::App;

/// An extractor that authenticates and authorizes the caller, and checks the origin.
pub trait Authorize: FromRequestParts<App, Rejection = Problem> {}

impl<P: Permission + Send> Authorize for Authorized<P> {}
impl Authorize for RequireSession {}

/// A permission as a type, for [`Authorized`].
pub trait Permission {
    /// The scope that the caller needs, by API key or by role. Without one, only administrators and
    /// unrestricted API keys are permitted.
    const SCOPE: Option<Scope>;
}

#[derive(Debug)]
pub struct Unrestricted;

impl Permission for Unrestricted {
    const SCOPE: Option<Scope> = None;
}

macro_rules! scopes {
    ($($name:ident),+ $(,)?) => {$(
        #[derive(Debug)]
        pub struct $name;

        impl Permission for $name {
            const SCOPE: Option<Scope> = Some(Scope::$name);
        }
    )+};
}

scopes!(UsersRead, UsersWrite, InvitationsRead, InvitationsWrite, OpsRead, OpsWrite);

/// A request whose caller has the permission `P`.
#[derive(Debug)]
pub struct Authorized<P> {
    pub app: App,
    /// The context for flows, as in [`RequestContext`].
    pub ctx: Ctx,
    pub caller: Caller,
    permission: PhantomData<P>,
}

impl<P> Authorized<P> {
    pub fn actor(&self) -> Actor {
        self.caller.actor()
    }

    pub fn manageable_roles(&self) -> ManageableRoles {
        self.caller.manageable_roles()
    }
}

impl<P: Permission> FromRequestParts<App> for Authorized<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = authenticate(parts, app).await?;
        match P::SCOPE {
            Some(scope) => caller.require_scope(scope)?,
            None => caller.require_unrestricted()?,
        }
        check_origin(parts, app)?;
        let RequestContext(ctx) = RequestContext::from_request_parts(parts, app).await?;
        Ok(Self { app: app.clone(), ctx, caller, permission: PhantomData })
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
            Caller::ApiKey(_) => Err(Code::SessionRequired.into()),
        }
    }
}

/// The user's session, if there is one.
#[derive(Debug)]
pub struct OptionalSession(pub Option<VerifiedSession>);

impl OptionalSession {
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
    if is_safe || !PresentedCredentials::read(&parts.headers, &app.site).are_ambient() {
        return Ok(());
    }
    require_same_origin(&parts.headers, &app.site)
}

const AUTHENTICATION_PROBLEMS: &[Code] = &[
    Code::SessionMissing,
    Code::SessionExpired,
    Code::SessionRevoked,
    Code::JwtExpired,
    Code::ApiKeyInvalid,
    Code::ProviderUnavailable,
];

impl<P: Permission> OperationInput for Authorized<P> {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        let scopes: Vec<_> = P::SCOPE.iter().map(|scope| scope.as_str().to_owned()).collect();
        document_security(operation, &["bearer", "basic", "cookie"], &scopes);
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
