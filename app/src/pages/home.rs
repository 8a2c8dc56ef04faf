//! The home page: the list of people for administrators, the own profile for members.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use guestlist_domain::flows::{self, VerifiedSession};
use guestlist_domain::{Role, User, UserId};
use serde::Deserialize;
use url::Url;

use super::auth::PageSession;
use super::labels::format_time;
use super::layout::{Nav, render};
use super::revoked::find_revoked;
use super::users::{ListView, user_list};
use crate::extract::{OptionalSession, Query, RequestContext, ResponseEffects, SameOrigin};
use crate::problem::Problem;
use crate::sessions::cookies;
use crate::state::App;

#[derive(Template)]
#[template(path = "member.html")]
struct MemberPage<'a> {
    app_name: &'a str,
    nav: Nav<'a>,
    app_url: Option<&'a Url>,
    user: &'a User,
    session_ends: String,
}

#[derive(Debug, Deserialize)]
pub struct HomeQuery {
    /// Id of the last user on the previous page.
    after: Option<UserId>,
    /// Ids of invitations revoked by the preceding form.
    revoked: Option<String>,
}

/// Handles `GET /`.
pub async fn show(
    PageSession(viewer): PageSession,
    State(app): State<App>,
    Query(query): Query<HomeQuery>,
) -> Result<Response, Problem> {
    if viewer.user.role != Role::Admin {
        return Ok(member_page(&app, &viewer));
    }
    let revoked = find_revoked(&app, query.revoked.as_deref()).await?;
    let view = ListView { after: query.after, revoked, ..ListView::default() };
    user_list(&app, &viewer, view).await
}

fn member_page(app: &App, viewer: &VerifiedSession) -> Response {
    let template = MemberPage {
        app_name: &app.site.app_name,
        nav: Nav::new(viewer, "/"),
        app_url: app.site.app_url.as_ref(),
        user: &viewer.user,
        session_ends: viewer.session.expires_at.strftime("%A, %-d %B, %H:%M UTC").to_string(),
    };
    render(&app.site, StatusCode::OK, &template)
}

/// Handles `POST /logout`.
pub async fn log_out(
    _: SameOrigin,
    State(app): State<App>,
    RequestContext(ctx): RequestContext,
    OptionalSession(session): OptionalSession,
    Extension(outgoing): Extension<ResponseEffects>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(verified) = session {
        flows::log_out(&ctx, &verified.session, &verified.user).await?;
        outgoing.replace_cookies(cookies::log_out(&app.site, &headers));
    }
    Ok(Redirect::to("/login?ended=left").into_response())
}
