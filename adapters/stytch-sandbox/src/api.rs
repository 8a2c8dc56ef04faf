//! Stytch's API under `/v1`.
//!
//! Handlers must not await: once a request has been read, it is handled within one poll, so a
//! client that disconnects can't interrupt a change halfway.

mod authorization;
mod fault_injection;
mod invitations;
mod logins;
mod magic_links;
mod outbox;
mod search;
mod sessions;
pub(crate) mod users;

use std::sync::Arc;

use axum::{
    Extension, Router,
    http::StatusCode,
    middleware::from_fn_with_state,
    routing::{MethodRouter, delete, get, post, put},
};

use crate::{http::error::ApiError, state::project::Project, webhooks::Source};

pub(crate) fn router(project: Arc<Project>) -> Router {
    let private = |methods: MethodRouter<Arc<Project>>| {
        methods.route_layer(from_fn_with_state(Arc::clone(&project), authorization::authorize))
    };
    let user = get(users::get).put(users::update).delete(users::delete);
    Router::new()
        .route("/v1/magic_links/email/invite", private(post(invitations::invite)))
        .route("/v1/magic_links/email/revoke_invite", private(post(invitations::revoke_invite)))
        .route("/v1/magic_links/email/login_or_create", private(post(logins::login_or_create)))
        .route("/v1/magic_links/email/send", private(post(logins::send)))
        .route("/v1/magic_links/authenticate", private(post(magic_links::authenticate)))
        .route("/v1/magic_links/redirect", get(magic_links::redirect))
        .route("/v1/sessions", private(get(sessions::list)))
        .route("/v1/sessions/authenticate", private(post(sessions::authenticate)))
        .route("/v1/sessions/revoke", private(post(sessions::revoke)))
        // Open, because the libraries that verify JWTs send no credentials.
        .route("/v1/sessions/jwks/{project_id}", get(sessions::jwks))
        .route("/v1/users", private(post(users::create)))
        .route("/v1/users/search", private(post(search::search)))
        .route("/v1/users/{user_id}", private(user))
        .route(
            "/v1/users/{user_id}/exchange_primary_factor",
            private(put(users::exchange_primary_factor)),
        )
        .route("/v1/users/{user_id}/external_id", private(delete(users::delete_external_id)))
        .route("/v1/users/emails/{email_id}", private(delete(users::delete_email)))
        .route("/v1/debug/whoami", private(get(sessions::whoami)))
        .fallback(async || ApiError::route_not_found())
        .method_not_allowed_fallback(method_not_allowed)
        .layer(Extension(Source::Direct))
        .layer(from_fn_with_state(Arc::clone(&project), fault_injection::inject))
        .with_state(project)
}

async fn method_not_allowed() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "The method is not allowed for the requested route.",
    )
}
