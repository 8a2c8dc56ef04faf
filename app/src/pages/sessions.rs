//! The page of the user's own sessions.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use guestlist_domain::{Actor, Session, SessionId, flows};

use super::auth::{FormSession, PageSession};
use super::layout::render;
use super::shell::Shell;
use crate::extract::{PathParam, RequestContext, ResponseEffects};
use crate::problem::Problem;
use crate::sessions::cookies;
use crate::sessions::device::{device, device_icon};
use crate::state::App;

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsPage<'a> {
    shell: Shell<'a>,
    sessions: Vec<Session>,
    /// The session of this request.
    current: SessionId,
}

/// Handles `GET /sessions`.
pub async fn show(
    PageSession(viewer): PageSession,
    State(app): State<App>,
) -> Result<Response, Problem> {
    let template = SessionsPage {
        shell: Shell::new(&app, &viewer, None, "/sessions").await?,
        sessions: app.ctx.store.live_sessions(viewer.user.id, app.ctx.now()).await?,
        current: viewer.session.id,
    };
    Ok(render(&app.site, StatusCode::OK, &template))
}

/// Handles `POST /sessions/{id}/end`.
pub async fn end(
    user: FormSession,
    State(app): State<App>,
    RequestContext(ctx): RequestContext,
    id: PathParam<SessionId>,
    Extension(outgoing): Extension<ResponseEffects>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = id.parse()?;
    if id == user.0.session.id {
        flows::log_out(&ctx, &user.0.session, &user.0.user).await?;
        outgoing.replace_cookies(cookies::log_out(&app.site, &headers));
        return Ok(Redirect::to("/login?ended=left").into_response());
    }
    // A session that has ended in the meantime is not an error.
    flows::end_session(&ctx, user.0.user.id, id, &Actor::of(&user.0.user)).await?;
    Ok(Redirect::to("/sessions").into_response())
}

/// Handles `POST /sessions/end-others`.
pub async fn end_others(
    user: FormSession,
    RequestContext(ctx): RequestContext,
) -> Result<Response, Problem> {
    flows::end_other_sessions(&ctx, user.0.user.id, user.0.session.id, &Actor::of(&user.0.user))
        .await?;
    Ok(Redirect::to("/sessions").into_response())
}
