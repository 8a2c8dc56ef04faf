//! The page that asks before a user is removed, and says what will happen.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use guestlist_domain::flows::{self, privileged_invitations_by};
use guestlist_domain::{Invitation, ManageableRoles, User, UserId, UserStatus};

use super::person::{person_url, redirect_to_person};
use super::revoked::revoked_query;
use crate::extract::PathParam;
use crate::pages::auth::{FormAdmin, PageAdmin};
use crate::pages::layout::render;
use crate::pages::shell::{Section, Shell};
use crate::problem::Problem;
use crate::state::App;

#[derive(Template)]
#[template(path = "people/remove.html")]
struct RemovalPage<'a> {
    shell: Shell<'a>,
    user: &'a User,
    /// Number of sessions that end.
    session_count: usize,
    /// Whether the user has an open invitation, whose link stops working.
    is_invited: bool,
    /// Invitations sent by the user that are revoked.
    revocable: Vec<Invitation>,
}

/// Handles `GET /users/{id}/remove`.
pub async fn confirm(
    PageAdmin(viewer): PageAdmin,
    State(app): State<App>,
    id: PathParam<UserId>,
) -> Result<Response, Problem> {
    let user = app.user(id.parse()?).await?;
    if user.id == viewer.user.id {
        // Their page says that only another administrator can remove them.
        return Ok(Redirect::to(&person_url(user.id)).into_response());
    }
    let store = &app.ctx.store;
    let latest = match user.status {
        UserStatus::Invited => store.latest_invitation(user.id).await?,
        _ => None,
    };
    let url = format!("{}/remove", person_url(user.id));
    let template = RemovalPage {
        shell: Shell::new(&app, &viewer, Some(Section::People), url).await?,
        session_count: store.live_sessions(user.id, app.ctx.now()).await?.len(),
        is_invited: latest.is_some_and(|latest| latest.status.is_open()),
        revocable: privileged_invitations_by(&app.ctx, user.id).await?,
        user: &user,
    };
    Ok(render(&app.site, StatusCode::OK, &template))
}

/// Handles `POST /users/{id}/remove`.
pub async fn remove(admin: FormAdmin, id: PathParam<UserId>) -> Result<Response, Problem> {
    let id = id.parse()?;
    match flows::remove_user(&admin.ctx, id, ManageableRoles::All, &admin.actor).await {
        Ok(removed) => Ok(Redirect::to(&format!("/{}", revoked_query(&removed))).into_response()),
        Err(error) => redirect_to_person(&admin, id, Err(Problem::from(error))).await,
    }
}
