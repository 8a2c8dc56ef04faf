//! Requests for login links.

use std::net::SocketAddr;

use aide::axum::ApiRouter;
use aide::axum::routing::post_with;
use axum::Json;
use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use guestlist_domain::{Email, flows};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::extract::{Caller, FieldErrors, JsonBody, authenticate_optional, check_origin};
use crate::openapi::operation::{GenContext, Operation, OperationInput, add_problems};
use crate::openapi::schemas::{self, Unchecked};
use crate::openapi::{ApiRouterExt, OperationExt};
use crate::problem::{ApiResult, Code, Problem};
use crate::state::App;
use crate::state::rate_limit::Client;

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new().route_with(post_with, "/login", request_login, |op| {
        op.named("request_login", "Request a login link")
            .description(
                "The response is the same for every address, known or not. A mail is sent only \
                 if the address may log in.",
            )
            .json_response::<202, LoginRequested<'static>>("The request was accepted.")
    })
}

/// A request for a login link.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with an email")]
struct LoginRequest {
    email: Unchecked<schemas::Email>,
    /// Where the user is sent after logging in. Leave it out for the default.
    return_to: Option<Unchecked<schemas::ReturnTo>>,
}

/// The request was accepted.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = schemas::all_required)]
struct LoginRequested<'a> {
    /// The same for every address, so that it does not reveal who is a user.
    detail: &'a str,
}

/// Whether the login limits apply: to every caller without an API key.
struct LoginLimits(bool);

impl FromRequestParts<App> for LoginLimits {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        check_origin(parts, app)?;
        if !parts.headers.contains_key(header::AUTHORIZATION) {
            return Ok(Self(true));
        }
        let caller = authenticate_optional(parts, app).await?;
        Ok(Self(!matches!(caller, Some(Caller::ApiKey(_)))))
    }
}

impl OperationInput for LoginLimits {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        add_problems(operation, &[Code::ApiKeyInvalid, Code::TooManyRequests, Code::CrossOrigin]);
    }
}

async fn request_login(
    LoginLimits(is_limited): LoginLimits,
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<LoginRequest>,
) -> ApiResult {
    let mut errors = FieldErrors::default();
    let email = errors.check("email", Email::parse(&request.email));
    let return_to = request.return_to;
    let return_to =
        return_to.and_then(|url| errors.check("return_to", app.site.parse_return_to(&url)));
    let email = errors.finish_with(email)?;
    if is_limited {
        app.count_login(Client::from_request(&app.site, peer.ip(), &headers))?;
        flows::request_login(&app.ctx, &email, return_to).await?;
    } else {
        flows::request_login_unlimited(&app.ctx, &email, return_to).await?;
    }
    let detail = "If the address may log in, a mail with a link is on its way.";
    Ok((StatusCode::ACCEPTED, Json(LoginRequested { detail })).into_response())
}
