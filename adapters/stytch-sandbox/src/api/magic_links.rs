//! Magic links: the redirect, which leaves the link unused, and the authentication, which works
//! once.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, http::Uri};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::api::sessions;
use crate::request::{ApiJson, non_empty, query_parameter};
use crate::response::{ApiError, ApiResponse, ApiResult, HttpResult, found, html};
use crate::state::{
    Attributes, Link, LinkState, Project, Record, Session, Store, User, merge, sandbox_values,
};

/// A page that goes on to the application by a script or a click, which mail scanners don't do.
#[derive(Template)]
#[template(path = "redirect.html")]
struct RedirectPage {
    url: String,
}

/// Redirects the browser to the application, regardless of the link's state.
pub(crate) async fn redirect(State(project): State<Arc<Project>>, uri: Uri) -> HttpResult {
    let token = query_parameter(&uri, "token").unwrap_or_default();
    let url = project.read(|tables, _| tables.links.get(&token).map(|link| link.url.clone()));
    let url = url.ok_or_else(not_found)?;
    if project.plain_redirect { found(&url) } else { html(&RedirectPage { url }) }
}

#[derive(Deserialize)]
pub(crate) struct AuthenticateRequest {
    token: Option<String>,
    session_duration_minutes: Option<i64>,
    session_token: Option<String>,
    session_jwt: Option<String>,
    session_custom_claims: Option<Map<String, Value>>,
    code_verifier: Option<String>,
    options: Option<MatchOptions>,
    attributes: Option<Attributes>,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct MatchOptions {
    ip_match_required: Option<bool>,
    user_agent_match_required: Option<bool>,
}

/// Uses a link: activates the user, verifies the address and, if a duration is given, starts or
/// extends a session.
pub(crate) async fn authenticate(
    State(project): State<Arc<Project>>,
    ApiJson(request): ApiJson<AuthenticateRequest>,
) -> ApiResult {
    let minutes = Session::check_duration(request.session_duration_minutes)?;
    match request.token.as_deref().unwrap_or_default() {
        "" => Err(ApiError::bad_request("invalid_token", "Token format is invalid.")),
        sandbox_values::TOKEN => {
            let session = minutes.map(|_| sandbox_values::session(minutes, project.now()));
            let user = sandbox_values::user();
            authenticated(&project, &user, sandbox_values::EMAIL_ID, session.as_ref())
        }
        sandbox_values::TOKEN_UNABLE => Err(used_or_expired()),
        sandbox_values::TOKEN_NOT_FOUND => Err(not_found()),
        token => {
            let (user, link, session) = use_link(&project, token, &request, minutes)?;
            authenticated(&project, &user, &link.email_id, session.as_ref())
        }
    }
}

fn use_link(
    project: &Project,
    token: &str,
    request: &AuthenticateRequest,
    minutes: Option<i64>,
) -> Result<(User, Link, Option<Session>), ApiError> {
    let session_token = non_empty(request.session_token.as_ref());
    let session_jwt = non_empty(request.session_jwt.as_ref());
    let session_id = match (session_token, session_jwt) {
        (None, None) => None,
        (token, jwt) => Some(sessions::resolve_id(project, token, jwt)?),
    };
    project.change(|store, now| {
        let link = store.tables.links.get(token).ok_or_else(not_found)?.clone();
        check_link(&link, request, now)?;
        let mut user = find_owner(store, &link)?;
        let mut session = match &session_id {
            Some(id) => Some(find_session(store, id, &user, now)?),
            None => minutes.map(|minutes| Session::start(user.user_id.clone(), minutes, now)),
        };
        user.mark_authenticated(&link.email_id);
        if let Some(session) = &mut session {
            let custom_claims = request.session_custom_claims.clone();
            session.custom_claims = merge::custom_claims(&session.custom_claims, custom_claims)?;
            session.record_access(minutes, now);
            if let Some(attributes) = &request.attributes {
                session.attributes = attributes.clone();
            }
            if let Some(email) = user.email(&link.to) {
                session.add_factor(email, now);
            }
            store.write(Record::Session(session.clone()));
        }
        store.write(Record::User(user.clone()));
        store.write(Record::Link(Link { state: LinkState::Used, ..link.clone() }));
        Ok((user, link, session))
    })
}

/// Returns the user that a link was sent to, if the address is still theirs.
fn find_owner(store: &Store, link: &Link) -> Result<User, ApiError> {
    let user = store.tables.users.get(&link.user_id).ok_or_else(not_found)?;
    let has_address = user.emails.iter().any(|email| email.email_id == link.email_id);
    has_address.then(|| user.clone()).ok_or_else(used_or_expired)
}

/// Returns the live session that a link extends, which must be the same user's.
fn find_session(store: &Store, id: &str, user: &User, now: Timestamp) -> Result<Session, ApiError> {
    let session = sessions::find_live(&store.tables, id, now)?;
    let is_same_user = session.user_id == user.user_id;
    is_same_user.then(|| session.clone()).ok_or_else(ApiError::session_not_found)
}

fn check_link(link: &Link, request: &AuthenticateRequest, now: Timestamp) -> Result<(), ApiError> {
    if link.state == LinkState::Revoked {
        return Err(not_found());
    }
    if !link.is_usable(now) {
        return Err(used_or_expired());
    }
    check_code_verifier(link.code_challenge.as_deref(), request.code_verifier.as_deref())?;
    let required = request.options.unwrap_or_default();
    let given = request.attributes.clone().unwrap_or_default();
    let is_mismatch = required.ip_match_required == Some(true)
        && given.ip_address != link.attributes.ip_address
        || required.user_agent_match_required == Some(true)
            && given.user_agent != link.attributes.user_agent;
    if is_mismatch {
        return Err(ApiError::unauthorized(
            "attribute_mismatch",
            "The attributes do not match those given when the magic link was sent.",
        ));
    }
    Ok(())
}

/// Checks the PKCE code verifier (RFC 7636, method S256).
fn check_code_verifier(challenge: Option<&str>, verifier: Option<&str>) -> Result<(), ApiError> {
    match (challenge, verifier) {
        (Some(_), None) => Err(ApiError::bad_request(
            "pkce_expected_code_verifier",
            "The magic link was made with a code_challenge: a code_verifier is needed.",
        )),
        (None, Some(_)) => Err(ApiError::bad_request(
            "pkce_did_not_expect_code_verifier",
            "The magic link was made without a code_challenge.",
        )),
        (Some(challenge), Some(verifier))
            if URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) != challenge =>
        {
            Err(ApiError::bad_request(
                "pkce_mismatch",
                "The code_verifier does not match the code_challenge.",
            ))
        }
        _ => Ok(()),
    }
}

fn authenticated(
    project: &Project,
    user: &User,
    method_id: &str,
    session: Option<&Session>,
) -> ApiResult {
    let jwt = session.map(|session| project.sign_jwt(session)).transpose()?;
    Ok(ApiResponse(json!({
        "user_id": user.user_id,
        "method_id": method_id,
        "session_token": session.map_or("", |session| &session.token),
        "session_jwt": jwt.unwrap_or_default(),
        "session": session.map(Session::to_json),
        "user": user.to_json(),
        "reset_sessions": false,
        "user_device": null,
    })))
}

fn used_or_expired() -> ApiError {
    ApiError::unauthorized(
        "unable_to_auth_magic_link",
        "The magic link could not be authenticated because it was either already used or expired. \
         Send another magic link to this user.",
    )
}

fn not_found() -> ApiError {
    ApiError::not_found(
        "magic_link_not_found",
        "The magic link could not be authenticated, try sending another magic link to the user.",
    )
}
