//! The first page: for administrators everybody and a form to invite; for members that they are
//! in.

use std::collections::HashMap;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use guestlist_domain::flows::{self, Admitted, NewInvitation};
use guestlist_domain::{
    Actor, Ctx, Email, Invitation, InvitationId, Metadata, Page, Place, Reach, Role, User,
    UserFilter, UserId, UserStatus,
};
use serde::Deserialize;

use super::head::Head;
use super::page;
use super::person::Admin;
use super::revoked;
use super::words::moment;
use crate::extract::{
    Form, OptionalSession, PathParam, Query, RequestContext, RequireSession, ResponseEffects,
    SameOrigin, has_session_cookies,
};
use crate::problem::{Code, Problem};
use crate::sessions::cookies;
use crate::state::App;
use crate::state::holds::HoldStatus;

/// Rows on the page.
const ROWS: u64 = 100;

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage<'a> {
    app_name: &'a str,
    head: Head<'a>,
    error: Option<String>,
    revoked: Vec<revoked::Named>,
    email: &'a str,
    rows: Vec<Row>,
    has_more: Option<String>,
    is_moving: bool,
    /// Where this list is, which may be shown in answer to a form.
    here: String,
    inbox_url: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "member.html")]
struct MemberPage<'a> {
    app_name: &'a str,
    head: Head<'a>,
    app_url: Option<&'a str>,
    name: Option<&'a str>,
    role: Role,
    since: String,
    session_ends: String,
}

/// A person in the list.
struct Row {
    id: UserId,
    email: String,
    name: Option<String>,
    role: Role,
    /// One word, of the person or of their invitation.
    status: &'static str,
    /// What an administrator may want to know of it.
    note: Option<String>,
    /// An invitation that can be sent again.
    resend: Option<InvitationId>,
    can_remove: bool,
}

/// Where a list goes on.
#[derive(Debug, Deserialize)]
pub struct HomeQuery {
    after: Option<UserId>,
    /// What was revoked by the form before.
    revoked: Option<String>,
}

/// `GET /`
pub async fn home(
    State(app): State<App>,
    person: Result<RequireSession, Problem>,
    headers: HeaderMap,
    Query(query): Query<HomeQuery>,
) -> Result<Response, Problem> {
    match person {
        Err(problem) if problem.status().is_server_error() => Err(problem),
        Err(problem) => Ok(Redirect::to(way_in(&app, problem.code, &headers)).into_response()),
        Ok(RequireSession(admitted)) if admitted.user.role == Role::Admin => {
            let revoked = revoked::named(&app, query.revoked.as_deref()).await?;
            users(&app, &admitted, Shown { after: query.after, revoked, ..Shown::default() }).await
        }
        Ok(RequireSession(admitted)) => Ok(member(&app, &admitted)),
    }
}

/// The login page, and back here from there, for who asks for this page wants it; told why:
/// whoever still shows a session's cookie had one until just now.
fn way_in(app: &App, code: Code, headers: &HeaderMap) -> &'static str {
    match code {
        Code::SessionExpired => "/login?return_to=%2F&ended=expired",
        _ if has_session_cookies(headers, app.site()) => "/login?return_to=%2F&ended=revoked",
        _ => "/login?return_to=%2F",
    }
}

fn member(app: &App, admitted: &Admitted) -> Response {
    let template = MemberPage {
        app_name: &app.site().app_name,
        head: Head::of(admitted, "/"),
        app_url: app.site().app_url.as_ref().map(url::Url::as_str),
        name: admitted.user.name.as_ref().map(guestlist_domain::Name::as_str),
        role: admitted.user.role,
        since: moment(admitted.user.created_at),
        session_ends: admitted.session.expires_at.strftime("%A, %-d %B, %H:%M UTC").to_string(),
    };
    page(app.site(), StatusCode::OK, &template)
}

/// What the list of people shows besides the people.
#[derive(Default)]
struct Shown<'a> {
    /// Where the list goes on.
    after: Option<UserId>,
    /// Invitations that were revoked by the form before.
    revoked: Vec<revoked::Named>,
    /// Why the form before was refused.
    refusal: Option<Problem>,
    /// What was typed into it.
    email: &'a str,
}

async fn users(app: &App, me: &Admitted, shown: Shown<'_>) -> Result<Response, Problem> {
    let Shown { after, revoked, refusal, email } = shown;
    let store = &app.ctx().store;
    let piece = Page { after: after.map(Place::from), limit: ROWS + 1 };
    let mut found = store.users(&UserFilter::default(), piece).await?;
    let has_more = found.len() as u64 > ROWS;
    found.truncate(usize::try_from(ROWS).unwrap_or(usize::MAX));
    let invited = found.iter().filter(|user| user.status == UserStatus::Invited);
    let invited: Vec<UserId> = invited.map(|user| user.id).collect();
    let latest = store.latest_invitations(&invited).await?;
    let waits = app.holds().current(app.ctx().now(), &latest).await?;
    let latest: HashMap<UserId, &Invitation> = latest.iter().map(|i| (i.user_id, i)).collect();
    let is_alone = after.is_none() && found.iter().all(|user| user.id == me.user.id);
    let found_rows = found.iter().map(|user| row(user, latest.get(&user.id), waits, me));
    let rows: Vec<Row> = if is_alone { Vec::new() } else { found_rows.collect() };
    let last = found.last().filter(|_| has_more);
    let template = UsersPage {
        app_name: &app.site().app_name,
        head: Head::of(me, "/"),
        error: refusal.as_ref().map(explain),
        revoked,
        here: after.map_or_else(|| "/".to_owned(), |after| format!("/?after={after}")),
        email,
        has_more: last.map(|last| last.id.to_string()),
        is_moving: rows.iter().any(|row| matches!(row.status, "queued" | "deleting")),
        rows,
        inbox_url: app.site().inbox_url.as_deref(),
    };
    Ok(page(app.site(), refusal.map_or(StatusCode::OK, |problem| problem.status()), &template))
}

fn row(user: &User, latest: Option<&&Invitation>, waits: HoldStatus, me: &Admitted) -> Row {
    let status = match (user.status, latest) {
        (UserStatus::Invited, Some(invitation)) => invitation.status.as_str(),
        (status, _) => status.as_str(),
    };
    let note = latest.and_then(|invitation| {
        let error = invitation.last_error.as_ref().map(|error| error.message.clone());
        let held_by = waits.held_by(invitation);
        error.or_else(|| held_by.map(|by| format!("waits: {by}").replace('_', " ")))
    });
    let can_resend = |invitation: &&&Invitation| {
        matches!(invitation.status.as_str(), "sent" | "failed" | "expired")
    };
    Row {
        id: user.id,
        email: user.email.as_str().to_owned(),
        name: user.name.as_ref().map(|name| name.as_str().to_owned()),
        role: user.role,
        status,
        note,
        resend: latest.filter(can_resend).map(|invitation| invitation.id),
        can_remove: user.id != me.user.id && user.status != UserStatus::Deleting,
    }
}

fn explain(problem: &Problem) -> String {
    match problem.errors.first() {
        Some(error) if error.pointer == "/email" => format!("The address {}.", error.detail),
        Some(error) => error.detail.clone(),
        None => problem.detail.clone(),
    }
}

/// The form with one field.
#[derive(Debug, Deserialize)]
pub struct InviteForm {
    email: String,
}

/// `POST /users/invite`
pub async fn invite(
    admin: Admin,
    State(app): State<App>,
    RequestContext(ctx): RequestContext,
    Form(form): Form<InviteForm>,
) -> Result<Response, Problem> {
    match send(&ctx, &form.email, &admin.actor()).await {
        Ok(()) => Ok(Redirect::to("/").into_response()),
        Err(problem) if problem.status().is_client_error() => {
            let refusal = Some(problem);
            users(&app, &admin.0, Shown { refusal, email: &form.email, ..Shown::default() }).await
        }
        Err(problem) => Err(problem),
    }
}

async fn send(ctx: &Ctx, email: &str, by: &Actor) -> Result<(), Problem> {
    let email = Email::parse(email).map_err(|error| Problem::field("email", error))?;
    let request = NewInvitation {
        email,
        name: None,
        role: Role::Member,
        reach: Reach::Everybody,
        metadata: Metadata::default(),
        return_to: None,
        expires_in_minutes: None,
        is_bulk: false,
    };
    flows::invite(ctx, request, by).await?;
    Ok(())
}

/// `POST /invitations/{id}/resend`
pub async fn resend(
    admin: Admin,
    State(app): State<App>,
    RequestContext(ctx): RequestContext,
    id: PathParam<InvitationId>,
) -> Result<Response, Problem> {
    let resent = flows::resend(&ctx, id.parse()?, Reach::Everybody, &admin.actor()).await;
    back(&app, &admin, resent.map(drop).map_err(Problem::from)).await
}

/// Back to the list; with a word on what could not be done.
async fn back(app: &App, admin: &Admin, done: Result<(), Problem>) -> Result<Response, Problem> {
    match done {
        Ok(()) => Ok(Redirect::to("/").into_response()),
        Err(problem) if problem.status().is_client_error() => {
            users(app, &admin.0, Shown { refusal: Some(problem), ..Shown::default() }).await
        }
        Err(problem) => Err(problem),
    }
}

/// `POST /logout`
pub async fn log_out(
    _: SameOrigin,
    State(app): State<App>,
    RequestContext(ctx): RequestContext,
    OptionalSession(session): OptionalSession,
    Extension(outgoing): Extension<ResponseEffects>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(admitted) = session {
        flows::log_out(&ctx, &admitted.session, &admitted.user).await?;
        outgoing.replace_cookies(cookies::log_out(app.site(), &headers));
    }
    Ok(Redirect::to("/login?ended=left").into_response())
}
