//! The calls about sessions, and the keys that their JWTs are checked with.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    answer::Answer,
    call::{Call, given},
    claims, constants, ids,
    project::Project,
    refusal::Refusal,
    session::{self, Session},
    store::Store,
    tables::{Record, Tables},
    user::User,
    users,
};
use hyper::StatusCode;

pub(crate) fn list(project: &Project, call: &Call) -> Result<Answer, Refusal> {
    let user_id = call
        .query("user_id")
        .filter(|id| !id.is_empty())
        .ok_or_else(|| Refusal::bad_request("invalid_user_id", "user_id is required."))?;
    project.read(|tables, now| {
        let user = users::find(tables, &user_id)?;
        let sessions = tables.sessions.of_user(&user.user_id);
        let live: Value = sessions.filter(|s| s.is_live(now)).map(Session::view).collect();
        Ok(json!({"sessions": live}).into())
    })
}

#[derive(Deserialize)]
struct Authenticate {
    session_token: Option<String>,
    session_jwt: Option<String>,
    session_duration_minutes: Option<i64>,
    session_custom_claims: Option<Map<String, Value>>,
    authorization_check: Option<Value>,
}

/// Whether a session is live, and a fresh JWT. Its end moves only when a duration is given.
pub(crate) fn authenticate(project: &Project, call: &Call) -> Result<Answer, Refusal> {
    let request: Authenticate = call.json()?;
    let minutes = session::duration(request.session_duration_minutes)?;
    let id = id_of(project, request.session_token.as_deref(), request.session_jwt.as_deref())?;
    if request.authorization_check.is_some() {
        // No policy is modelled here, so no role grants anything.
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "session_authorization_error",
            "The session is not authorized for the requested action.",
        ));
    }
    let (session, user) = if id == constants::SESSION_ID {
        let mut session = constants::session(minutes, project.now());
        session.custom_claims =
            claims::merge(&session.custom_claims, request.session_custom_claims)?;
        (session, constants::user())
    } else {
        project
            .change(|store, now| touch(store, &id, minutes, request.session_custom_claims, now))?
    };
    Ok(json!({
        "session_jwt": project.jwt(&session)?,
        "session_token": session.token,
        "session": session.view(),
        "user": user.view(),
        "verdict": null,
    })
    .into())
}

fn touch(
    store: &mut Store,
    id: &str,
    minutes: Option<i64>,
    custom_claims: Option<Map<String, Value>>,
    now: Timestamp,
) -> Result<(Session, User), Refusal> {
    let mut session = live(&store.tables, id, now)?.clone();
    let user = store.tables.users.get(&session.user_id).ok_or_else(Refusal::session_not_found)?;
    let user = user.clone();
    session.custom_claims = claims::merge(&session.custom_claims, custom_claims)?;
    session.touch(minutes, now);
    store.write(Record::Session(session.clone()));
    Ok((session, user))
}

#[derive(Deserialize)]
struct Revoke {
    session_id: Option<String>,
    session_token: Option<String>,
    session_jwt: Option<String>,
}

pub(crate) fn revoke(project: &Project, call: &Call) -> Result<Answer, Refusal> {
    let Revoke { session_id, session_token, session_jwt } = call.json()?;
    let (session_id, token) = (given(session_id.as_ref()), given(session_token.as_ref()));
    let jwt = given(session_jwt.as_ref());
    let id = match ([session_id, token, jwt].into_iter().flatten().count(), session_id) {
        (0, _) => {
            return Err(Refusal::bad_request(
                "no_session_revoke_arguments",
                "One of session_id, session_token and session_jwt is required.",
            ));
        }
        (1, Some(id)) if id.starts_with("session-") => id.to_owned(),
        (1, Some(_)) => {
            return Err(Refusal::bad_request(
                "invalid_session_id",
                "Session ID format is invalid.",
            ));
        }
        (1, None) => id_of(project, token, jwt)?,
        _ => {
            return Err(Refusal::bad_request(
                "too_many_session_revoke_arguments",
                "Only one of session_id, session_token and session_jwt may be given.",
            ));
        }
    };
    if id == constants::SESSION_ID {
        return Ok(json!({}).into());
    }
    project.change(|store, now| {
        let session_id = live(&store.tables, &id, now)?.session_id.clone();
        store.write(Record::SessionEnded { session_id });
        Ok(json!({}).into())
    })
}

/// Open to everyone, as the libraries that verify JWTs send no credentials.
pub(crate) fn jwks(project: &Project, call: &Call) -> Result<Answer, Refusal> {
    if call.id != project.credentials.project_id {
        return Err(if ids::is_project_id(&call.id) {
            Refusal::not_found("project_not_found", "Project could not be found.")
        } else {
            Refusal::bad_request("invalid_project_id", "Project ID format is invalid.")
        });
    }
    let keys: Value =
        project.read(|tables, now| tables.served_keys(now).map(|key| key.jwk.clone()).collect());
    Ok(json!({"keys": keys}).into())
}

/// A cheap way to try the credentials.
#[expect(clippy::unnecessary_wraps, reason = "a handler like the others")]
pub(crate) fn whoami(project: &Project, _: &Call) -> Result<Answer, Refusal> {
    Ok(json!({"project_id": project.credentials.project_id, "name": "Sandbox"}).into())
}

/// The id of the session that a token or a JWT, but not both, stands for.
pub(crate) fn id_of(
    project: &Project,
    token: Option<&str>,
    jwt: Option<&str>,
) -> Result<String, Refusal> {
    match (token.filter(|token| !token.is_empty()), jwt.filter(|jwt| !jwt.is_empty())) {
        (Some(constants::SESSION_TOKEN), None) => Ok(constants::SESSION_ID.to_owned()),
        (Some(token), None) if ids::is_token(token) => project.read(|tables, _| {
            let session = tables.sessions.by_token(token);
            session.map(|s| s.session_id.clone()).ok_or_else(Refusal::session_not_found)
        }),
        (Some(_), None) => {
            Err(Refusal::bad_request("invalid_session_token", "Session token format is invalid."))
        }
        (None, Some(jwt)) => project.session_of_jwt(jwt),
        (None, None) => Err(Refusal::bad_request(
            "no_session_arguments",
            "One of session_token and session_jwt is required.",
        )),
        (Some(_), Some(_)) => Err(Refusal::bad_request(
            "too_many_session_arguments",
            "Only one of session_token and session_jwt may be given.",
        )),
    }
}

/// Neither revoked nor expired.
pub(crate) fn live<'a>(
    tables: &'a Tables,
    session_id: &str,
    now: Timestamp,
) -> Result<&'a Session, Refusal> {
    let session = tables.sessions.get(session_id).filter(|session| session.is_live(now));
    session.ok_or_else(Refusal::session_not_found)
}
