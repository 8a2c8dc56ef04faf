//! Users by HTTP.

use std::str::FromStr;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use guestlist_domain::flows::{self, AddUserError, NewUser, RemoveUserError};
use guestlist_domain::{Email, Metadata, Name, Page, Role, UserFilter, UserId, UserStatus};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::auth::{May, UsersRead, UsersWrite};
use super::body::{Body, Fields, Named, Params};
use super::invitations::{already_invited, already_member, being_removed, read_role};
use super::paging::{Paged, cut, page};
use super::problem::Problem;
use super::state::App;
use super::view::UserView;

/// Somebody to add, as it is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with an email")]
pub struct UserRequest {
    email: String,
    name: Option<String>,
    role: Option<String>,
    metadata: Option<Map<String, Value>>,
}

impl UserRequest {
    fn read(self) -> Result<NewUser, Problem> {
        let mut fields = Fields::default();
        let email = fields.take("email", Email::parse(&self.email));
        let name = self.name.and_then(|name| fields.take("name", Name::parse(&name)));
        let role = read_role(self.role.as_deref(), &mut fields);
        let metadata = self.metadata.and_then(|map| fields.take("metadata", Metadata::new(map)));
        match email {
            Some(email) if fields.is_empty() => {
                let (name, metadata) = (name.flatten(), metadata.unwrap_or_default());
                Ok(NewUser { email, name, role, metadata })
            }
            _ => Err(fields.into_problem()),
        }
    }
}

/// `POST /v1/users`
pub async fn add_user(
    by: May<UsersWrite>,
    State(app): State<App>,
    Body(request): Body<UserRequest>,
) -> Result<Response, Problem> {
    let request = request.read()?;
    by.caller.may_grant(request.role)?;
    let user = flows::add_user(app.ctx(), request, &by.actor()).await?;
    let headers = [(header::LOCATION, format!("/v1/users/{}", user.id))];
    Ok((StatusCode::CREATED, headers, Json(UserView::from(&user))).into_response())
}

/// Which page of which users.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListUsers {
    q: Option<String>,
    role: Option<String>,
    status: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

/// `GET /v1/users`
pub async fn list_users(
    _: May<UsersRead>,
    State(app): State<App>,
    Params(query): Params<ListUsers>,
) -> Result<Response, Problem> {
    let mut fields = Fields::default();
    let role = query.role.and_then(|role| {
        fields.take("role", Role::parse(&role).ok_or("must be admin, operator or member"))
    });
    let status = query.status.and_then(|status| {
        fields.take("status", UserStatus::parse(&status).ok_or("is no status of a user"))
    });
    let Page { after, limit } =
        page(query.limit.as_deref(), query.cursor.as_deref(), UserId, &mut fields);
    if !fields.is_empty() {
        return Err(fields.into_problem());
    }
    let filter = UserFilter { q: query.q, role, status };
    let mut found = app.ctx().store.users(&filter, Page { after, limit: limit + 1 }).await?;
    let next_cursor = cut(&mut found, limit, |user| user.id.0);
    let items = found.iter().map(UserView::from).collect();
    Ok(Json(Paged { items, next_cursor }).into_response())
}

/// `GET /v1/users/{id}`
pub async fn get_user(
    _: May<UsersRead>,
    State(app): State<App>,
    Named(id): Named,
) -> Result<Response, Problem> {
    let user = app.ctx().store.user(read_id(&id)?).await?.ok_or_else(not_found)?;
    Ok(Json(UserView::from(&user)).into_response())
}

/// `DELETE /v1/users/{id}`
pub async fn delete_user(
    by: May<UsersWrite>,
    State(app): State<App>,
    Named(id): Named,
) -> Result<Response, Problem> {
    let user = flows::remove_user(app.ctx(), read_id(&id)?, &by.actor()).await?;
    Ok((StatusCode::ACCEPTED, Json(UserView::from(&user))).into_response())
}

fn read_id(id: &str) -> Result<UserId, Problem> {
    UserId::from_str(id).map_err(|_| not_found())
}

fn not_found() -> Problem {
    Problem::not_found("user")
}

impl From<AddUserError> for Problem {
    fn from(error: AddUserError) -> Self {
        match error {
            AddUserError::AlreadyInvited(id) => already_invited(id),
            AddUserError::AlreadyMember => already_member(),
            AddUserError::BeingRemoved => being_removed(),
            AddUserError::Store(error) => error.into(),
        }
    }
}

impl From<RemoveUserError> for Problem {
    fn from(error: RemoveUserError) -> Self {
        match error {
            RemoveUserError::NotFound => not_found(),
            RemoveUserError::LastAdmin => {
                let detail = "This is the last active administrator. Make another one first.";
                Self::conflict("last_admin", detail)
            }
            RemoveUserError::Store(error) => error.into(),
        }
    }
}
