//! The home page, which depends on the role: the list of people for administrators, operations for
//! operators, and that they are logged in for members.

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use guestlist_domain::{Role, flows};

use super::auth::PageSession;
use super::guest::member;
use super::people::list;
use super::people::query::PeopleQuery;
use super::shell::Section;
use crate::extract::{OptionalSession, Query, RequestContext, ResponseEffects, SameOrigin};
use crate::problem::Problem;
use crate::sessions::cookies;
use crate::state::App;

/// Handles `GET /`.
pub async fn show(
    PageSession(viewer): PageSession,
    State(app): State<App>,
    Query(query): Query<PeopleQuery>,
) -> Result<Response, Problem> {
    match viewer.user.role {
        Role::Admin => list::show(&app, &viewer, query).await,
        Role::Operator => Ok(Redirect::to(Section::Operations.path()).into_response()),
        Role::Member => member::page(&app, &viewer).await,
    }
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
