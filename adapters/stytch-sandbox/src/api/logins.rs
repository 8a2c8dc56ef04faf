//! Sending login and signup links.

use std::sync::Arc;

use axum::extract::State;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::api::outbox::{self, Mail};
use crate::api::{sessions, users};
use crate::request::{ApiJson, non_empty};
use crate::response::{ApiError, ApiResponse, ApiResult};
use crate::state::{
    Attributes, Email, LinkKind, Project, Record, Status, Store, User, email_address,
    sandbox_values,
};

/// The body of `login_or_create` and `send`.
#[derive(Deserialize)]
pub(crate) struct LoginRequest {
    email: Option<String>,
    login_magic_link_url: Option<String>,
    signup_magic_link_url: Option<String>,
    login_expiration_minutes: Option<i64>,
    signup_expiration_minutes: Option<i64>,
    create_user_as_pending: Option<bool>,
    code_challenge: Option<String>,
    locale: Option<String>,
    attributes: Option<Attributes>,
    user_id: Option<String>,
    session_token: Option<String>,
    session_jwt: Option<String>,
}

impl LoginRequest {
    /// Returns the login and the signup mail that the request allows for.
    fn mails(&self, project: &Project) -> Result<(Mail, Mail), ApiError> {
        outbox::check_locale(self.locale.as_deref())?;
        if self.code_challenge.as_deref().is_some_and(|challenge| !is_sha256(challenge)) {
            return Err(ApiError::bad_request(
                "invalid_pkce_code_challenge",
                "The code_challenge is not the base64url of a SHA-256.",
            ));
        }
        let mail = |kind, url: &Option<String>, minutes| {
            let attributes = self.attributes.as_ref();
            let mut mail = Mail::new(project, kind, url.as_deref(), minutes, attributes)?;
            mail.code_challenge.clone_from(&self.code_challenge);
            Ok(mail)
        };
        let login_url = &self.login_magic_link_url;
        let signup_url = &self.signup_magic_link_url;
        Ok((
            mail(LinkKind::Login, login_url, self.login_expiration_minutes)?,
            mail(LinkKind::Signup, signup_url, self.signup_expiration_minutes)?,
        ))
    }

    /// Returns the id of the user that the request names; none stands for the owner of the address.
    fn user_id(&self, project: &Project) -> Result<Option<String>, ApiError> {
        let user_id = non_empty(self.user_id.as_ref());
        let token = non_empty(self.session_token.as_ref());
        let jwt = non_empty(self.session_jwt.as_ref());
        match (user_id, token, jwt) {
            (user_id, None, None) => Ok(user_id.map(str::to_owned)),
            (None, Some(_), None) | (None, None, Some(_)) => {
                let id = sessions::resolve_id(project, token, jwt)?;
                project.read(|tables, now| {
                    Ok(Some(sessions::find_live(tables, &id, now)?.user_id.clone()))
                })
            }
            _ => Err(ApiError::bad_request(
                "too_many_user_selection_arguments",
                "Only one of user_id, session_token and session_jwt may be given.",
            )),
        }
    }
}

fn is_sha256(base64: &str) -> bool {
    URL_SAFE_NO_PAD.decode(base64).is_ok_and(|bytes| bytes.len() == 32)
}

/// Sends a login link to an active user, and a signup link to a pending or new one.
pub(crate) async fn login_or_create(
    State(project): State<Arc<Project>>,
    ApiJson(request): ApiJson<LoginRequest>,
) -> ApiResult {
    let address = email_address::parse(request.email.as_deref())?;
    let (login, signup) = request.mails(&project)?;
    if address == sandbox_values::EMAIL {
        let mut sent = outbox::sent_to_sandbox();
        sent["user_created"] = json!(false);
        return Ok(ApiResponse(sent));
    }
    project.change(|store, now| {
        store.limit_mail(&address)?;
        let existing = store.tables.users.by_address(&address).cloned();
        let is_created = existing.is_none();
        let user = existing.unwrap_or_else(|| {
            let is_pending = request.create_user_as_pending == Some(true);
            let status = if is_pending { Status::Pending } else { Status::Active };
            let user = User::new(address.clone(), status, now);
            store.write(Record::User(user.clone()));
            user
        });
        let mail = if is_created || user.status == Status::Pending { signup } else { login };
        let mut sent = mail.send(store, &user, &address, now)?;
        sent["user_created"] = json!(is_created);
        Ok(ApiResponse(sent))
    })
}

/// Sends a link to an existing user, or attaches a further address to one and sends it there.
pub(crate) async fn send(
    State(project): State<Arc<Project>>,
    ApiJson(request): ApiJson<LoginRequest>,
) -> ApiResult {
    let address = email_address::parse(request.email.as_deref())?;
    let (login, signup) = request.mails(&project)?;
    if address == sandbox_values::EMAIL {
        return Ok(ApiResponse(outbox::sent_to_sandbox()));
    }
    let user_id = request.user_id(&project)?;
    project.change(|store, now| {
        store.limit_mail(&address)?;
        let user = if let Some(user_id) = user_id {
            attach_email(store, &user_id, &address, now)?
        } else {
            let owner = store.tables.users.by_address(&address);
            owner.ok_or_else(ApiError::email_not_found)?.clone()
        };
        let mail = if user.status == Status::Active { login } else { signup };
        mail.send(store, &user, &address, now).map(ApiResponse)
    })
}

fn attach_email(
    store: &mut Store,
    user_id: &str,
    address: &str,
    now: Timestamp,
) -> Result<User, ApiError> {
    let user = users::find(&store.tables, user_id)?;
    match store.tables.users.by_address(address) {
        Some(owner) if owner.user_id == user.user_id => Ok(owner.clone()),
        Some(_) => Err(ApiError::duplicate_email()),
        None => {
            let mut user = user.clone();
            user.emails.push(Email::provisional(address.to_owned(), now));
            store.write(Record::User(user.clone()));
            Ok(user)
        }
    }
}
