//! The page of the user's own sessions.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use guestlist_domain::{Actor, Session, SessionId, flows};

use super::auth::{FormSession, PageSession};
use super::labels::format_time;
use super::layout::{Nav, render};
use crate::extract::{PathParam, RequestContext, ResponseEffects};
use crate::problem::Problem;
use crate::sessions::cookies;
use crate::sessions::device::device;
use crate::state::App;

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsPage<'a> {
    app_name: &'a str,
    nav: Nav<'a>,
    sessions: Vec<SessionRow>,
    has_others: bool,
}

/// A session in a list.
pub struct SessionRow {
    pub id: SessionId,
    pub device: String,
    pub ip: String,
    pub started: String,
    pub last_used: String,
    /// Whether it is the session of this request.
    pub is_current: bool,
}

impl SessionRow {
    pub fn new(session: &Session, current: Option<SessionId>) -> Self {
        Self {
            id: session.id,
            device: device(session.user_agent.as_deref()),
            ip: session.ip.clone().unwrap_or_default(),
            started: format_time(session.started_at),
            last_used: format_time(session.last_used_at),
            is_current: current == Some(session.id),
        }
    }
}

/// `GET /sessions`
pub async fn show(
    PageSession(viewer): PageSession,
    State(app): State<App>,
) -> Result<Response, Problem> {
    let live = app.ctx().store.live_sessions(viewer.user.id, app.ctx().now()).await?;
    let sessions = live.iter().map(|session| SessionRow::new(session, Some(viewer.session.id)));
    let template = SessionsPage {
        app_name: &app.site().app_name,
        nav: Nav::new(&viewer, "/sessions"),
        sessions: sessions.collect(),
        has_others: live.iter().any(|session| session.id != viewer.session.id),
    };
    Ok(render(app.site(), StatusCode::OK, &template))
}

/// `POST /sessions/{id}/end`
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
        outgoing.replace_cookies(cookies::log_out(app.site(), &headers));
        return Ok(Redirect::to("/login?ended=left").into_response());
    }
    // A session that has ended in the meantime is not an error.
    flows::end_session(&ctx, user.0.user.id, id, &Actor::of(&user.0.user)).await?;
    Ok(Redirect::to("/sessions").into_response())
}

/// `POST /sessions/end-others`
pub async fn end_others(
    user: FormSession,
    RequestContext(ctx): RequestContext,
) -> Result<Response, Problem> {
    flows::end_other_sessions(&ctx, user.0.user.id, user.0.session.id, &Actor::of(&user.0.user))
        .await?;
    Ok(Redirect::to("/sessions").into_response())
}
