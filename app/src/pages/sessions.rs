//! Where somebody is logged in, and the end of that.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use guestlist_domain::{Session, SessionId, flows};

use super::head::Head;
use super::page;
use super::person::{Member, Viewer};
use super::words::moment;
use crate::extract::{PathParam, RequestContext, ResponseEffects};
use crate::problem::Problem;
use crate::sessions::cookies;
use crate::sessions::device::device;
use crate::state::App;

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsPage<'a> {
    app_name: &'a str,
    head: Head<'a>,
    rows: Vec<SessionRow>,
    has_others: bool,
}

/// A session in a list.
pub struct SessionRow {
    pub id: SessionId,
    pub device: String,
    pub ip: String,
    pub started: String,
    pub last_used: String,
    pub is_this: bool,
}

impl SessionRow {
    /// As the holder of `this` sees it, if anybody of theirs.
    pub fn of(session: &Session, this: Option<SessionId>) -> Self {
        Self {
            id: session.id,
            device: device(session.user_agent.as_deref()),
            ip: session.ip.clone().unwrap_or_default(),
            started: moment(session.started_at),
            last_used: moment(session.last_used_at),
            is_this: this == Some(session.id),
        }
    }
}

/// `GET /sessions`
pub async fn sessions(Viewer(me): Viewer, State(app): State<App>) -> Result<Response, Problem> {
    let live = app.ctx().store.live_sessions(me.user.id, app.ctx().now()).await?;
    let rows = live.iter().map(|session| SessionRow::of(session, Some(me.session.id)));
    let template = SessionsPage {
        app_name: &app.site().app_name,
        head: Head::of(&me, "/sessions"),
        rows: rows.collect(),
        has_others: live.iter().any(|session| session.id != me.session.id),
    };
    Ok(page(app.site(), StatusCode::OK, &template))
}

/// `POST /sessions/{id}/end`
pub async fn end(
    me: Member,
    State(app): State<App>,
    RequestContext(ctx): RequestContext,
    id: PathParam<SessionId>,
    Extension(outgoing): Extension<ResponseEffects>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = id.parse()?;
    if id == me.0.session.id {
        flows::log_out(&ctx, &me.0.session, &me.0.user).await?;
        outgoing.replace_cookies(cookies::log_out(app.site(), &headers));
        return Ok(Redirect::to("/login?ended=left").into_response());
    }
    // One that has ended meanwhile is not in the list any more: that is what was wanted.
    flows::end_session(&ctx, me.0.user.id, id, &me.actor()).await?;
    Ok(Redirect::to("/sessions").into_response())
}

/// `POST /sessions/end-others`
pub async fn end_others(
    me: Member,
    RequestContext(ctx): RequestContext,
) -> Result<Response, Problem> {
    flows::end_other_sessions(&ctx, me.0.user.id, me.0.session.id, &me.actor()).await?;
    Ok(Redirect::to("/sessions").into_response())
}
