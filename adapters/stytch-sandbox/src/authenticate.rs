//! Where a magic link leads: the redirect, which consumes nothing, and the authentication, which
//! works once.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::{
    answer::Answer,
    call::{Call, given},
    claims, constants,
    link::{Fate, Link},
    project::Project,
    refusal::Refusal,
    session::{self, Attributes, Session},
    sessions,
    store::Store,
    tables::Record,
    user::User,
};

#[derive(Deserialize)]
struct Request {
    token: Option<String>,
    session_duration_minutes: Option<i64>,
    session_token: Option<String>,
    session_jwt: Option<String>,
    session_custom_claims: Option<Map<String, Value>>,
    code_verifier: Option<String>,
    #[serde(default)]
    options: Option<Demands>,
    attributes: Option<Attributes>,
}

#[derive(Deserialize)]
struct Demands {
    ip_match_required: Option<bool>,
    user_agent_match_required: Option<bool>,
}

/// Sends the browser on to the application, which learns there whether the link still works. Any
/// number of times, as mail scanners do.
pub(crate) fn redirect(project: &Project, call: &Call) -> Result<Answer, Refusal> {
    let token = call.query("token").unwrap_or_default();
    let url = project.read(|tables, _| tables.links.get(&token).map(|link| link.url.clone()));
    let onward = if project.plain_redirect { Answer::Redirect } else { Answer::Onward };
    url.map(onward).ok_or_else(not_found)
}

/// Uses up a link: the user becomes active, the address verified, and a session begins if asked.
pub(crate) fn authenticate(project: &Project, call: &Call) -> Result<Answer, Refusal> {
    let request: Request = call.json()?;
    let minutes = session::duration(request.session_duration_minutes)?;
    match request.token.as_deref().unwrap_or_default() {
        "" => Err(Refusal::bad_request("invalid_token", "Token format is invalid.")),
        constants::TOKEN => constant(project, minutes),
        constants::TOKEN_UNABLE => Err(unable()),
        constants::TOKEN_NOT_FOUND => Err(not_found()),
        token => {
            let (user, link, session) = use_link(project, token, &request, minutes)?;
            answer(project, &user, &link.email_id, session.as_ref())
        }
    }
}

fn constant(project: &Project, minutes: Option<i64>) -> Result<Answer, Refusal> {
    let session = minutes.map(|_| constants::session(minutes, project.now()));
    answer(project, &constants::user(), constants::EMAIL_ID, session.as_ref())
}

fn use_link(
    project: &Project,
    token: &str,
    request: &Request,
    minutes: Option<i64>,
) -> Result<(User, Link, Option<Session>), Refusal> {
    let (session_token, session_jwt) =
        (given(request.session_token.as_ref()), given(request.session_jwt.as_ref()));
    let before = match (session_token, session_jwt) {
        (None, None) => None,
        (token, jwt) => Some(sessions::id_of(project, token, jwt)?),
    };
    project.change(|store, now| {
        let link = store.tables.links.get(token).ok_or_else(not_found)?.clone();
        check(&link, request, now)?;
        let mut user = owner(store, &link)?;
        let mut session = match &before {
            Some(id) => Some(session_of(store, id, &user, now)?),
            None => minutes.map(|minutes| Session::start(user.user_id.clone(), minutes, now)),
        };
        user.authenticated_by(&link.email_id);
        if let Some(session) = &mut session {
            open(session, &user, &link, request, now)?;
            store.write(Record::Session(session.clone()));
        }
        consume(store, &user, &link);
        Ok((user, link, session))
    })
}

/// The user, if the address is still theirs.
fn owner(store: &Store, link: &Link) -> Result<User, Refusal> {
    let user = store.tables.users.get(&link.user_id).ok_or_else(not_found)?;
    let email = user.emails.iter().find(|email| email.email_id == link.email_id);
    match email {
        Some(_) => Ok(user.clone()),
        None => Err(unable()),
    }
}

/// The session that the link is to extend: the same user's, and live.
fn session_of(store: &Store, id: &str, user: &User, now: Timestamp) -> Result<Session, Refusal> {
    let session = sessions::live(&store.tables, id, now)?;
    if session.user_id == user.user_id {
        Ok(session.clone())
    } else {
        Err(Refusal::session_not_found())
    }
}

fn check(link: &Link, request: &Request, now: Timestamp) -> Result<(), Refusal> {
    if link.fate == Fate::Revoked {
        return Err(not_found());
    }
    if !link.works(now) {
        return Err(unable());
    }
    check_verifier(link.code_challenge.as_deref(), request.code_verifier.as_deref())?;
    let given = request.attributes.clone().unwrap_or_default();
    let mismatch = request.options.as_ref().is_some_and(|options| {
        options.ip_match_required == Some(true) && given.ip_address != link.attributes.ip_address
            || options.user_agent_match_required == Some(true)
                && given.user_agent != link.attributes.user_agent
    });
    if mismatch {
        return Err(Refusal::unauthorized(
            "attribute_mismatch",
            "The attributes do not match those given when the magic link was sent.",
        ));
    }
    Ok(())
}

fn check_verifier(challenge: Option<&str>, verifier: Option<&str>) -> Result<(), Refusal> {
    match (challenge, verifier) {
        (None, None) => Ok(()),
        (Some(_), None) => Err(Refusal::bad_request(
            "pkce_expected_code_verifier",
            "The magic link was made with a code_challenge: a code_verifier is needed.",
        )),
        (None, Some(_)) => Err(Refusal::bad_request(
            "pkce_did_not_expect_code_verifier",
            "The magic link was made without a code_challenge.",
        )),
        (Some(challenge), Some(verifier)) => {
            if URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) == challenge {
                Ok(())
            } else {
                Err(Refusal::bad_request(
                    "pkce_mismatch",
                    "The code_verifier does not match the code_challenge.",
                ))
            }
        }
    }
}

fn open(
    session: &mut Session,
    user: &User,
    link: &Link,
    request: &Request,
    now: Timestamp,
) -> Result<(), Refusal> {
    session.custom_claims =
        claims::merge(&session.custom_claims, request.session_custom_claims.clone())?;
    session.touch(request.session_duration_minutes, now);
    if let Some(attributes) = &request.attributes {
        session.attributes = attributes.clone();
    }
    if let Some(email) = user.email(&link.to) {
        session.prove(email, now);
    }
    Ok(())
}

fn consume(store: &mut Store, user: &User, link: &Link) {
    store.write(Record::User(user.clone()));
    store.write(Record::Link(Link { fate: Fate::Used, ..link.clone() }));
}

fn answer(
    project: &Project,
    user: &User,
    method_id: &str,
    session: Option<&Session>,
) -> Result<Answer, Refusal> {
    let jwt = session.map(|session| project.jwt(session)).transpose()?;
    Ok(json!({
        "user_id": user.user_id,
        "method_id": method_id,
        "session_token": session.map_or("", |session| &session.token),
        "session_jwt": jwt.unwrap_or_default(),
        "session": session.map(Session::view),
        "user": user.view(),
        "reset_sessions": false,
        "user_device": null,
    })
    .into())
}

fn unable() -> Refusal {
    Refusal::unauthorized(
        "unable_to_auth_magic_link",
        "The magic link could not be authenticated because it was either already used or expired. \
         Send another magic link to this user.",
    )
}

fn not_found() -> Refusal {
    Refusal::not_found(
        "magic_link_not_found",
        "The magic link could not be authenticated, try sending another magic link to the user.",
    )
}
