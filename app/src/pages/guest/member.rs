//! The home page of members, who have no pages of their own here besides their sessions.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use guestlist_domain::User;
use guestlist_domain::flows::VerifiedSession;
use url::Url;

use crate::pages::components::{Moment, brand};
use crate::pages::layout::render;
use crate::problem::Problem;
use crate::state::App;

#[derive(Template)]
#[template(path = "guest/member.html")]
struct MemberPage<'a> {
    app_name: &'a str,
    app_url: Option<&'a Url>,
    user: &'a User,
    session_ends: Moment,
    added: Moment,
    /// Number of the user's sessions.
    session_count: usize,
}

pub async fn page(app: &App, viewer: &VerifiedSession) -> Result<Response, Problem> {
    let sessions = app.ctx.store.live_sessions(viewer.user.id, app.ctx.now()).await?;
    let template = MemberPage {
        app_name: &app.site.app_name,
        app_url: app.site.app_url.as_ref(),
        user: &viewer.user,
        session_ends: Moment(viewer.session.expires_at),
        added: Moment(viewer.user.created_at),
        session_count: sessions.len(),
    };
    Ok(render(&app.site, StatusCode::OK, &template))
}
