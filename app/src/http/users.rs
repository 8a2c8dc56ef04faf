//! Users by HTTP.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use guestlist_domain::flows::{
    self, AddUserError, ChangeUserError, NewUser, RemoveUserError, UserChange,
};
use guestlist_domain::{
    Email, Metadata, Name, Page, SearchPrefix, ManageableRoles, Scope, User, UserFilter, UserId, UserStatus,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::auth::{May, UsersRead, UsersWrite, out_of_reach};
use super::body::{Body, Fields, Params};
use super::invitations::{already_invited, already_member, being_removed, parse_role, read_role};
use super::named::Named;
use super::openapi::shapes;
use super::paging::{Paged, cut_at, search_page};
use super::problem::{Code, Problem};
use super::state::App;
use super::view::{ChangedUserView, UserView};
use super::world::World;

/// Somebody to add, as it is sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with an email")]
pub struct UserRequest {
    #[schemars(with = "shapes::Email")]
    email: String,
    #[schemars(with = "Option<shapes::Name>")]
    name: Option<String>,
    #[schemars(with = "Option<shapes::Role>")]
    role: Option<String>,
    #[schemars(with = "Option<shapes::Metadata>")]
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
                Ok(NewUser { email, name, role, metadata, manageable: ManageableRoles::MemberOnly })
            }
            _ => Err(fields.into_problem()),
        }
    }
}

/// `POST /v1/users`
pub async fn add_user(
    by: May<UsersWrite>,
    World(ctx): World,
    Body(request): Body<UserRequest>,
) -> Result<Response, Problem> {
    let request = request.read()?;
    by.caller.may_grant(request.role)?;
    let request = NewUser { manageable: by.caller.reach(), ..request };
    let user = flows::add_user(&ctx, request, &by.actor()).await?;
    let headers = [(header::LOCATION, format!("/v1/users/{}", user.id))];
    Ok((StatusCode::CREATED, headers, Json(UserView::from(&user))).into_response())
}

/// Which page of which users.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = shapes::query)]
pub struct ListUsers {
    q: Option<String>,
    #[schemars(with = "Option<shapes::Role>")]
    role: Option<String>,
    #[schemars(with = "Option<shapes::UserStatus>")]
    status: Option<String>,
    #[schemars(with = "Option<shapes::Limit>")]
    limit: Option<String>,
    #[schemars(with = "Option<shapes::SearchCursor>")]
    cursor: Option<String>,
}

/// `GET /v1/users`
pub async fn list_users(
    _: May<UsersRead>,
    State(app): State<App>,
    Params(query): Params<ListUsers>,
) -> Result<Response, Problem> {
    let mut fields = Fields::default();
    let role = query.role.and_then(|role| fields.take("role", parse_role(&role)));
    let status = query.status.and_then(|status| {
        fields.take("status", UserStatus::parse(&status).ok_or("is no status of a user"))
    });
    let q = query.q.as_deref().and_then(SearchPrefix::of);
    let (limit, cursor) = (query.limit.as_deref(), query.cursor.as_deref());
    let Page { after, limit } = search_page(limit, cursor, q.as_ref(), UserId, &mut fields);
    if !fields.is_empty() {
        return Err(fields.into_problem());
    }
    let filter = UserFilter { q, role, status };
    let mut found = app.ctx().store.users(&filter, Page { after, limit: limit + 1 }).await?;
    let next_cursor = cut_at(&mut found, limit, |user| filter.cursor(user));
    let items = found.iter().map(UserView::from).collect();
    Ok(Json(Paged { items, next_cursor }).into_response())
}

/// `GET /v1/users/{id}`
pub async fn get_user(
    _: May<UsersRead>,
    State(app): State<App>,
    id: Named<UserId>,
) -> Result<Response, Problem> {
    let user = find(&app, id.read()?).await?;
    Ok(Json(UserView::from(&user)).into_response())
}

/// What is to be other than it is, as it is sent. None of it may be null, but the name, which
/// goes by that.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
#[schemars(transform = shapes::change)]
pub struct ChangeRequest {
    #[serde(default, deserialize_with = "said_or_null")]
    #[schemars(with = "Option<shapes::Name>")]
    name: Option<String>,
    #[serde(default, deserialize_with = "said")]
    #[schemars(with = "shapes::Role")]
    role: Option<String>,
    #[serde(default, deserialize_with = "said")]
    #[schemars(with = "shapes::Standing")]
    status: Option<String>,
    #[serde(default, deserialize_with = "said")]
    #[schemars(with = "shapes::Metadata")]
    metadata: Option<Map<String, Value>>,
}

/// What is said is there, whatever it is.
fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

/// Null is a name of nothing, which is no name.
fn said_or_null<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(value).map(|name| Some(name.unwrap_or_default()))
}

impl ChangeRequest {
    fn read(self) -> Result<UserChange, Problem> {
        let mut fields = Fields::default();
        let name = self.name.and_then(|name| fields.take("name", Name::parse(&name)));
        let role = self.role.and_then(|role| fields.take("role", parse_role(&role)));
        let is_suspended = self.status.and_then(|status| {
            let read = match status.as_str() {
                "active" => Ok(false),
                "suspended" => Ok(true),
                _ => Err("must be active or suspended"),
            };
            fields.take("status", read)
        });
        let metadata = self.metadata.and_then(|map| fields.take("metadata", Metadata::new(map)));
        if !fields.is_empty() {
            return Err(fields.into_problem());
        }
        Ok(UserChange { name, role, is_suspended, metadata, manageable: ManageableRoles::MemberOnly })
    }
}

/// `PATCH /v1/users/{id}`
pub async fn change_user(
    by: May<UsersWrite>,
    World(ctx): World,
    id: Named<UserId>,
    Body(request): Body<ChangeRequest>,
) -> Result<Response, Problem> {
    let request = request.read()?;
    by.caller.may_grant(request.role.unwrap_or_default())?;
    let change = UserChange { manageable: by.caller.reach(), ..request };
    let changed = flows::change_user(&ctx, id.read()?, &change, &by.actor()).await;
    // A change that names no field only reads the user.
    if change.is_empty() && !matches!(changed, Err(ChangeUserError::Forbidden)) {
        by.caller.may(Scope::UsersRead)?;
    }
    Ok(Json(ChangedUserView::from(&changed?)).into_response())
}

/// `DELETE /v1/users/{id}`
pub async fn delete_user(
    by: May<UsersWrite>,
    World(ctx): World,
    id: Named<UserId>,
) -> Result<Response, Problem> {
    let removed = flows::remove_user(&ctx, id.read()?, by.caller.reach(), &by.actor()).await?;
    Ok((StatusCode::ACCEPTED, Json(ChangedUserView::from(&removed))).into_response())
}

/// The user of an id.
pub async fn find(app: &App, id: UserId) -> Result<User, Problem> {
    app.ctx().store.user(id).await?.ok_or_else(not_found)
}

/// Nobody is there.
pub fn not_found() -> Problem {
    Problem::not_found("user")
}

impl From<AddUserError> for Problem {
    fn from(error: AddUserError) -> Self {
        match error {
            AddUserError::AlreadyInvited(id) => already_invited(id),
            AddUserError::AlreadyMember { user, is_suspended } => {
                already_member(user, is_suspended)
            }
            AddUserError::BeingRemoved => being_removed(),
            AddUserError::Forbidden => out_of_reach(),
            AddUserError::Store(error) => error.into(),
        }
    }
}

impl From<RemoveUserError> for Problem {
    fn from(error: RemoveUserError) -> Self {
        match error {
            RemoveUserError::NotFound => not_found(),
            RemoveUserError::LastAdmin => last_admin(),
            RemoveUserError::Forbidden => out_of_reach(),
            RemoveUserError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeUserError> for Problem {
    fn from(error: ChangeUserError) -> Self {
        match error {
            ChangeUserError::NotFound => not_found(),
            ChangeUserError::OnlyInvited => {
                let detail = "The user has not come in yet, so there is nothing to suspend or to \
                              let in again. Revoke the invitation, or remove the user.";
                Self::new(Code::UserInvited, detail)
            }
            ChangeUserError::BeingRemoved => {
                Self::new(Code::UserDeleting, "The user is being removed.")
            }
            ChangeUserError::LastAdmin => last_admin(),
            ChangeUserError::Forbidden => out_of_reach(),
            ChangeUserError::Store(error) => error.into(),
        }
    }
}

fn last_admin() -> Problem {
    let detail = "This is the last active administrator. Make another one first.";
    Problem::new(Code::LastAdmin, detail)
}
