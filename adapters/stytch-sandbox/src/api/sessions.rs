//! Sessions, the keys that verify their JWTs, and the credentials check.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::users;
use crate::request::{ApiJson, PathId, non_empty, query_parameter};
use crate::response::{ApiError, ApiResponse, ApiResult};
use crate::state::{Project, Record, Session, Store, Tables, User, ids, merge, sandbox_values};

/// Lists a user's live sessions.
pub(crate) async fn list(State(project): State<Arc<Project>>, uri: Uri) -> ApiResult {
    let user_id = query_parameter(&uri, "user_id")
        .ok_or_else(|| ApiError::bad_request("invalid_user_id", "user_id is required."))?;
    project.read(|tables, now| {
        let user = users::find(tables, &user_id)?;
        let sessions = tables.sessions.of_user(&user.user_id);
        let live: Value = sessions.filter(|s| s.is_live(now)).map(Session::to_json).collect();
        Ok(ApiResponse(json!({"sessions": live})))
    })
}

#[derive(Deserialize)]
pub(crate) struct AuthenticateRequest {
    session_token: Option<String>,
    session_jwt: Option<String>,
    session_duration_minutes: Option<i64>,
    session_custom_claims: Option<Map<String, Value>>,
    authorization_check: Option<Value>,
}

/// Authenticates a live session and signs a new JWT. A duration extends the session.
pub(crate) async fn authenticate(
    State(project): State<Arc<Project>>,
    ApiJson(request): ApiJson<AuthenticateRequest>,
) -> ApiResult {
    let minutes = Session::check_duration(request.session_duration_minutes)?;
    let id =
        resolve_id(&project, request.session_token.as_deref(), request.session_jwt.as_deref())?;
    if request.authorization_check.is_some() {
        // The sandbox has no RBAC policy, so no role has any permission.
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "session_authorization_error",
            "The session is not authorized for the requested action.",
        ));
    }
    let custom_claims = request.session_custom_claims;
    let (session, user) = if id == sandbox_values::SESSION_ID {
        let mut session = sandbox_values::session(minutes, project.now());
        session.custom_claims = merge::custom_claims(&session.custom_claims, custom_claims)?;
        (session, sandbox_values::user())
    } else {
        project.change(|store, now| record_access(store, &id, minutes, custom_claims, now))?
    };
    Ok(ApiResponse(json!({
        "session_jwt": project.sign_jwt(&session)?,
        "session_token": session.token,
        "session": session.to_json(),
        "user": user.to_json(),
        "verdict": null,
    })))
}

fn record_access(
    store: &mut Store,
    id: &str,
    minutes: Option<i64>,
    custom_claims: Option<Map<String, Value>>,
    now: Timestamp,
) -> Result<(Session, User), ApiError> {
    let mut session = find_live(&store.tables, id, now)?.clone();
    let user = store.tables.users.get(&session.user_id).ok_or_else(ApiError::session_not_found)?;
    let user = user.clone();
    session.custom_claims = merge::custom_claims(&session.custom_claims, custom_claims)?;
    session.record_access(minutes, now);
    store.write(Record::Session(session.clone()));
    Ok((session, user))
}

#[derive(Deserialize)]
pub(crate) struct RevokeRequest {
    session_id: Option<String>,
    session_token: Option<String>,
    session_jwt: Option<String>,
}

/// Revokes a live session, named by exactly one of id, token and JWT.
pub(crate) async fn revoke(
    State(project): State<Arc<Project>>,
    ApiJson(request): ApiJson<RevokeRequest>,
) -> ApiResult {
    let session_id = non_empty(request.session_id.as_ref());
    let token = non_empty(request.session_token.as_ref());
    let jwt = non_empty(request.session_jwt.as_ref());
    let id = match ([session_id, token, jwt].into_iter().flatten().count(), session_id) {
        (0, _) => {
            return Err(ApiError::bad_request(
                "no_session_revoke_arguments",
                "One of session_id, session_token and session_jwt is required.",
            ));
        }
        (1, Some(id)) if id.starts_with("session-") => id.to_owned(),
        (1, Some(_)) => {
            return Err(ApiError::bad_request(
                "invalid_session_id",
                "Session ID format is invalid.",
            ));
        }
        (1, None) => resolve_id(&project, token, jwt)?,
        _ => {
            return Err(ApiError::bad_request(
                "too_many_session_revoke_arguments",
                "Only one of session_id, session_token and session_jwt may be given.",
            ));
        }
    };
    if id == sandbox_values::SESSION_ID {
        return Ok(ApiResponse(json!({})));
    }
    project.change(|store, now| {
        let session_id = find_live(&store.tables, &id, now)?.session_id.clone();
        store.write(Record::SessionEnded { session_id });
        Ok(ApiResponse(json!({})))
    })
}

/// Returns the public keys (JWKS).
pub(crate) async fn jwks(
    State(project): State<Arc<Project>>,
    PathId(project_id): PathId,
) -> ApiResult {
    if project_id != project.credentials.project_id {
        return Err(if ids::is_project_id(&project_id) {
            ApiError::not_found("project_not_found", "Project could not be found.")
        } else {
            ApiError::bad_request("invalid_project_id", "Project ID format is invalid.")
        });
    }
    let keys: Value =
        project.read(|tables, now| tables.published_keys(now).map(|key| key.jwk.clone()).collect());
    Ok(ApiResponse(json!({"keys": keys})))
}

/// Returns the project, for clients that check their credentials.
pub(crate) async fn whoami(State(project): State<Arc<Project>>) -> ApiResponse {
    ApiResponse(json!({"project_id": project.credentials.project_id, "name": "Sandbox"}))
}

/// Returns the id of the session that a token or a JWT belongs to. Exactly one must be given.
pub(crate) fn resolve_id(
    project: &Project,
    token: Option<&str>,
    jwt: Option<&str>,
) -> Result<String, ApiError> {
    match (token.filter(|token| !token.is_empty()), jwt.filter(|jwt| !jwt.is_empty())) {
        (Some(sandbox_values::SESSION_TOKEN), None) => Ok(sandbox_values::SESSION_ID.to_owned()),
        (Some(token), None) if ids::is_token(token) => project.read(|tables, _| {
            let session = tables.sessions.by_token(token);
            session.map(|s| s.session_id.clone()).ok_or_else(ApiError::session_not_found)
        }),
        (Some(_), None) => {
            Err(ApiError::bad_request("invalid_session_token", "Session token format is invalid."))
        }
        (None, Some(jwt)) => project.session_id_of_jwt(jwt),
        (None, None) => Err(ApiError::bad_request(
            "no_session_arguments",
            "One of session_token and session_jwt is required.",
        )),
        (Some(_), Some(_)) => Err(ApiError::bad_request(
            "too_many_session_arguments",
            "Only one of session_token and session_jwt may be given.",
        )),
    }
}

/// Returns a session that is neither revoked nor expired.
pub(crate) fn find_live<'a>(
    tables: &'a Tables,
    session_id: &str,
    now: Timestamp,
) -> Result<&'a Session, ApiError> {
    let session = tables.sessions.get(session_id).filter(|session| session.is_live(now));
    session.ok_or_else(ApiError::session_not_found)
}
