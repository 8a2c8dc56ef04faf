//! The page of one user, with the forms to change, suspend and remove them.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use guestlist_domain::flows::{self, UserChange, VerifiedSession, privileged_invitations_by};
use guestlist_domain::{
    Invitation, ManageableRoles, Role, Session, SessionId, User, UserId, UserStatus,
};
use serde::Deserialize;

use super::auth::{FormAdmin, PageAdmin};
use super::labels::format_time;
use super::layout::{Nav, render};
use super::revoked::{find_revoked, revoked_query};
use crate::extract::{Form, PathParam, Query};
use crate::problem::Problem;
use crate::sessions::device::device;
use crate::state::App;

#[derive(Template)]
#[template(path = "user_detail.html")]
struct UserPage<'a> {
    app_name: &'a str,
    nav: Nav<'a>,
    error: Option<&'a str>,
    user: &'a User,
    /// Pretty-printed JSON.
    metadata: Option<String>,
    /// Status of the latest invitation, if the user is invited.
    invitation: Option<&'static str>,
    sessions: Vec<Session>,
    /// The session of this request.
    current: SessionId,
    /// Whether the user is the viewer.
    is_viewer: bool,
    /// Invitations that demoting, suspending or removing the user would revoke.
    revocable: Vec<Invitation>,
    /// Invitations revoked by the preceding form.
    revoked: Vec<Invitation>,
}

#[derive(Template)]
#[template(path = "remove.html")]
struct RemovePage<'a> {
    app_name: &'a str,
    nav: Nav<'a>,
    user: &'a User,
    /// Invitations that the removal revokes.
    revocable: Vec<Invitation>,
}

#[derive(Debug, Deserialize)]
pub struct UserQuery {
    /// Ids of invitations revoked by the preceding form.
    revoked: Option<String>,
}

/// Handles `GET /users/{id}`.
pub async fn show(
    PageAdmin(viewer): PageAdmin,
    State(app): State<App>,
    id: PathParam<UserId>,
    Query(query): Query<UserQuery>,
) -> Result<Response, Problem> {
    let id = id.parse()?;
    let revoked = find_revoked(&app, query.revoked.as_deref()).await?;
    user_page(&app, &viewer, id, revoked, None).await
}

async fn user_page(
    app: &App,
    viewer: &VerifiedSession,
    id: UserId,
    revoked: Vec<Invitation>,
    error: Option<Problem>,
) -> Result<Response, Problem> {
    let store = &app.ctx.store;
    let user = app.user(id).await?;
    let latest = match user.status {
        UserStatus::Invited => store.latest_invitation(id).await?,
        _ => None,
    };
    let metadata = serde_json::to_string_pretty(&user.metadata).ok();
    let template = UserPage {
        app_name: &app.site.app_name,
        nav: Nav::new(viewer, ""),
        error: error.as_ref().map(|problem| problem.detail.as_str()),
        metadata: metadata.filter(|_| !user.metadata.is_empty()),
        invitation: latest.map(|invitation| invitation.status.as_str()),
        sessions: store.live_sessions(id, app.ctx.now()).await?,
        current: viewer.session.id,
        is_viewer: user.id == viewer.user.id,
        revocable: privileged_invitations_by(&app.ctx, id).await?,
        revoked,
        user: &user,
    };
    let status = error.as_ref().map_or(StatusCode::OK, Problem::status);
    Ok(render(&app.site, status, &template))
}

#[derive(Debug, Deserialize)]
pub struct RoleForm {
    role: String,
}

/// Handles `POST /users/{id}/role`.
pub async fn change_role(
    admin: FormAdmin,
    id: PathParam<UserId>,
    Form(form): Form<RoleForm>,
) -> Result<Response, Problem> {
    let unknown = || Problem::field("role", "must be admin, operator or member");
    let role = Some(Role::parse(&form.role).ok_or_else(unknown)?);
    change(&admin, id.parse()?, UserChange { role, ..UserChange::default() }).await
}

/// Handles `POST /users/{id}/suspend` and `POST /users/{id}/reactivate`.
pub async fn set_suspended<const IS_SUSPENDED: bool>(
    admin: FormAdmin,
    id: PathParam<UserId>,
) -> Result<Response, Problem> {
    let is_suspended = Some(IS_SUSPENDED);
    change(&admin, id.parse()?, UserChange { is_suspended, ..UserChange::default() }).await
}

async fn change(admin: &FormAdmin, id: UserId, change: UserChange) -> Result<Response, Problem> {
    let change = UserChange { manageable: ManageableRoles::All, ..change };
    let changed = flows::change_user(&admin.ctx, id, &change, &admin.actor).await;
    let query = changed.map(|changed| revoked_query(&changed)).map_err(Problem::from);
    redirect_to_user(admin, id, query).await
}

/// Handles `POST /users/{id}/sessions/end`.
pub async fn end_sessions(admin: FormAdmin, id: PathParam<UserId>) -> Result<Response, Problem> {
    let id = id.parse()?;
    flows::end_all_sessions(&admin.ctx, id, ManageableRoles::All, &admin.actor).await?;
    redirect_to_user(&admin, id, Ok(String::new())).await
}

/// Redirects to the user's page with a query, or renders it with the reason for a conflict.
async fn redirect_to_user(
    admin: &FormAdmin,
    id: UserId,
    query: Result<String, Problem>,
) -> Result<Response, Problem> {
    match query {
        Ok(query) => Ok(Redirect::to(&format!("/users/{id}{query}")).into_response()),
        Err(problem) if problem.status() == StatusCode::CONFLICT => {
            user_page(&admin.app, &admin.viewer, id, Vec::new(), Some(problem)).await
        }
        Err(problem) => Err(problem),
    }
}

/// Handles `GET /users/{id}/remove`.
pub async fn confirm_removal(
    PageAdmin(viewer): PageAdmin,
    State(app): State<App>,
    id: PathParam<UserId>,
) -> Result<Response, Problem> {
    let user = app.user(id.parse()?).await?;
    let template = RemovePage {
        app_name: &app.site.app_name,
        nav: Nav::new(&viewer, ""),
        user: &user,
        revocable: privileged_invitations_by(&app.ctx, user.id).await?,
    };
    Ok(render(&app.site, StatusCode::OK, &template))
}

/// Handles `POST /users/{id}/remove`.
pub async fn remove(admin: FormAdmin, id: PathParam<UserId>) -> Result<Response, Problem> {
    let id = id.parse()?;
    match flows::remove_user(&admin.ctx, id, ManageableRoles::All, &admin.actor).await {
        Ok(removed) => Ok(Redirect::to(&format!("/{}", revoked_query(&removed))).into_response()),
        Err(error) => redirect_to_user(&admin, id, Err(Problem::from(error))).await,
    }
}
