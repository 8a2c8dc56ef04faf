//! One person, as administrators see and change them.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use guestlist_domain::flows::{self, Admitted, UserChange};
use guestlist_domain::{Ctx, Reach, Role, User, UserId, UserStatus};
use serde::Deserialize;

use super::head::Head;
use super::page;
use super::person::{Admin, AdminViewer};
use super::revoked::{self, Named};
use super::sessions::SessionRow;
use super::words::moment;
use crate::extract::{Form, PathParam, Query, RequestContext};
use crate::problem::Problem;
use crate::state::App;

#[derive(Template)]
#[template(path = "user.html")]
struct UserPage<'a> {
    app_name: &'a str,
    head: Head<'a>,
    error: Option<&'a str>,
    user: &'a User,
    name: Option<&'a str>,
    since: String,
    last_seen: Option<String>,
    metadata: Option<String>,
    /// Of the person who is invited.
    invitation: Option<&'static str>,
    roles: &'static [Role],
    rows: Vec<SessionRow>,
    is_me: bool,
    /// Invitations that end with their rights.
    at_stake: Vec<Named>,
    /// Invitations that have just ended with their rights.
    revoked: Vec<Named>,
}

#[derive(Template)]
#[template(path = "remove.html")]
struct RemovePage<'a> {
    app_name: &'a str,
    head: Head<'a>,
    id: UserId,
    email: &'a str,
    is_invited: bool,
    /// Invitations that are revoked with the removal.
    at_stake: Vec<Named>,
}

/// What was revoked by the form before.
#[derive(Debug, Deserialize)]
pub struct UserQuery {
    revoked: Option<String>,
}

/// `GET /users/{id}`
pub async fn user(
    AdminViewer(me): AdminViewer,
    State(app): State<App>,
    id: PathParam<UserId>,
    Query(query): Query<UserQuery>,
) -> Result<Response, Problem> {
    let id = id.parse()?;
    let revoked = revoked::named(&app, query.revoked.as_deref()).await?;
    shown(&app, &me, id, revoked, None).await
}

async fn shown(
    app: &App,
    me: &Admitted,
    id: UserId,
    revoked: Vec<Named>,
    refusal: Option<Problem>,
) -> Result<Response, Problem> {
    let (store, now) = (&app.ctx().store, app.ctx().now());
    let user = app.user(id).await?;
    let live = store.live_sessions(id, now).await?;
    let latest = match user.status {
        UserStatus::Invited => store.latest_invitation(id).await?,
        _ => None,
    };
    let metadata = serde_json::to_string_pretty(&user.metadata).ok();
    let template = UserPage {
        app_name: &app.site().app_name,
        head: Head::of(me, ""),
        error: refusal.as_ref().map(|problem| problem.detail.as_str()),
        name: user.name.as_ref().map(guestlist_domain::Name::as_str),
        since: moment(user.created_at),
        last_seen: user.last_seen_at.map(moment),
        metadata: metadata.filter(|_| !user.metadata.is_empty()),
        invitation: latest.map(|invitation| invitation.status.as_str()),
        roles: Role::ALL,
        rows: live.iter().map(|session| SessionRow::of(session, Some(me.session.id))).collect(),
        is_me: user.id == me.user.id,
        at_stake: revoked::at_stake(app, id).await?,
        revoked,
        user: &user,
    };
    let status = refusal.as_ref().map_or(StatusCode::OK, Problem::status);
    Ok(page(app.site(), status, &template))
}

/// What they may do.
#[derive(Debug, Deserialize)]
pub struct RoleForm {
    role: String,
}

/// `POST /users/{id}/role`
pub async fn change_role(
    admin: Admin,
    State(app): State<App>,
    RequestContext(ctx): RequestContext,
    id: PathParam<UserId>,
    Form(form): Form<RoleForm>,
) -> Result<Response, Problem> {
    let unknown = || Problem::field("role", "must be admin, operator or member");
    let role = Some(Role::parse(&form.role).ok_or_else(unknown)?);
    change(&app, &ctx, &admin, id.parse()?, UserChange { role, ..UserChange::default() }).await
}

/// `POST /users/{id}/suspend`
pub async fn suspend(
    admin: Admin,
    State(app): State<App>,
    RequestContext(ctx): RequestContext,
    id: PathParam<UserId>,
) -> Result<Response, Problem> {
    let is_suspended = Some(true);
    change(&app, &ctx, &admin, id.parse()?, UserChange { is_suspended, ..UserChange::default() })
        .await
}

/// `POST /users/{id}/reactivate`
pub async fn reactivate(
    admin: Admin,
    State(app): State<App>,
    RequestContext(ctx): RequestContext,
    id: PathParam<UserId>,
) -> Result<Response, Problem> {
    let is_suspended = Some(false);
    change(&app, &ctx, &admin, id.parse()?, UserChange { is_suspended, ..UserChange::default() })
        .await
}

async fn change(
    app: &App,
    ctx: &Ctx,
    admin: &Admin,
    id: UserId,
    to: UserChange,
) -> Result<Response, Problem> {
    let to = UserChange { reach: Reach::Everybody, ..to };
    let changed = flows::change_user(ctx, id, &to, &admin.actor()).await;
    let query = changed.map(|changed| revoked::query(&changed)).map_err(Problem::from);
    back(app, admin, id, query).await
}

/// `POST /users/{id}/sessions/end`
pub async fn end_sessions(
    admin: Admin,
    State(app): State<App>,
    RequestContext(ctx): RequestContext,
    id: PathParam<UserId>,
) -> Result<Response, Problem> {
    let id = id.parse()?;
    flows::end_all_sessions(&ctx, id, Reach::Everybody, &admin.actor()).await?;
    back(&app, &admin, id, Ok(String::new())).await
}

/// Back to the person, with a query or with a word on what could not be done.
async fn back(
    app: &App,
    admin: &Admin,
    id: UserId,
    done: Result<String, Problem>,
) -> Result<Response, Problem> {
    match done {
        Ok(query) => Ok(Redirect::to(&format!("/users/{id}{query}")).into_response()),
        Err(problem) if problem.status() == StatusCode::CONFLICT => {
            shown(app, &admin.0, id, Vec::new(), Some(problem)).await
        }
        Err(problem) => Err(problem),
    }
}

/// `GET /users/{id}/remove`
pub async fn confirm_removal(
    AdminViewer(me): AdminViewer,
    State(app): State<App>,
    id: PathParam<UserId>,
) -> Result<Response, Problem> {
    let user = app.user(id.parse()?).await?;
    let template = RemovePage {
        app_name: &app.site().app_name,
        head: Head::of(&me, ""),
        id: user.id,
        email: user.email.as_str(),
        is_invited: user.status == UserStatus::Invited,
        at_stake: revoked::at_stake(&app, user.id).await?,
    };
    Ok(page(app.site(), StatusCode::OK, &template))
}

/// `POST /users/{id}/remove`
pub async fn remove(
    admin: Admin,
    State(app): State<App>,
    RequestContext(ctx): RequestContext,
    id: PathParam<UserId>,
) -> Result<Response, Problem> {
    let id = id.parse()?;
    match flows::remove_user(&ctx, id, Reach::Everybody, &admin.actor())
        .await
        .map_err(Problem::from)
    {
        Ok(removed) => Ok(Redirect::to(&format!("/{}", revoked::query(&removed))).into_response()),
        Err(refused) => back(&app, &admin, id, Err(refused)).await,
    }
}
