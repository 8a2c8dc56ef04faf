//! HTTP Basic authentication with project id and secret.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::header::AUTHORIZATION,
    middleware::Next,
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    credentials::Credentials,
    http::{error::ApiError, request::require_json},
    state::{ids, project::Project},
};

/// Rejects requests without the project's credentials, and then those whose body is not JSON.
pub(crate) async fn authorize(
    State(project): State<Arc<Project>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    check(header, &project.credentials)?;
    require_json(&request)?;
    Ok(next.run(request).await)
}

fn check(header: Option<&str>, expected: &Credentials) -> Result<(), ApiError> {
    let (project_id, secret) = header.and_then(parse).ok_or_else(unauthorized)?;
    if project_id == expected.project_id && secret == expected.secret {
        return Ok(());
    }
    if project_id != expected.project_id && !ids::is_project_id(&project_id) {
        return Err(ApiError::bad_request(
            "invalid_project_id_authentication",
            "The project_id in the Authorization header is not of the form project-test-<uuid>.",
        ));
    }
    Err(unauthorized())
}

fn parse(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (project_id, secret) = decoded.split_once(':')?;
    Some((project_id.to_owned(), secret.to_owned()))
}

fn unauthorized() -> ApiError {
    ApiError::unauthorized("unauthorized_credentials", "Unauthorized credentials.")
}
