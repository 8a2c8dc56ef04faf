//! The page of one person, with the forms to change and suspend them.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use guestlist_domain::flows::{self, UserChange, VerifiedSession, privileged_invitations_by};
use guestlist_domain::{Invitation, ManageableRoles, Role, Session, User, UserId, UserStatus};
use serde::Deserialize;

use super::activity::load_activity;
use super::progress::{Progress, invitation_progress, user_progress};
use super::revoked::{find_revoked, revoked_query};
use crate::extract::{Form, PathParam, Query};
use crate::pages::audit::rows::Row;
use crate::pages::auth::{FormAdmin, PageAdmin};
use crate::pages::components::{Moment, StateLabel};
use crate::pages::labels::actor_name;
use crate::pages::layout::render;
use crate::pages::shell::{Section, Shell};
use crate::pages::states::{invitation_state, is_sent_soon, user_state};
use crate::problem::Problem;
use crate::sessions::device::{device, device_icon};
use crate::state::App;

/// The most sessions and invitations that are listed.
const MAX_ROWS: usize = 10;

#[derive(Template)]
#[template(path = "people/person.html")]
struct PersonPage<'a> {
    shell: Shell<'a>,
    error: Option<&'a str>,
    user: &'a User,
    /// Why the user's state is what it is.
    progress: Option<Progress>,
    /// Pretty-printed JSON.
    metadata: Option<String>,
    /// The newest sessions.
    sessions: &'a [Session],
    session_count: usize,
    /// The newest invitations.
    invitations: Vec<InvitationRow<'a>>,
    has_more_invitations: bool,
    activity: Vec<Row>,
    /// Whether the user is the viewer.
    is_viewer: bool,
    /// Invitations that demoting, suspending or removing the user would revoke.
    revocable: Vec<Invitation>,
    /// Invitations revoked by the preceding form.
    revoked: Vec<Invitation>,
}

impl PersonPage<'_> {
    /// Returns whether the viewer may change the user.
    fn can_change(&self) -> bool {
        !self.is_viewer && self.user.status != UserStatus::Deleting
    }
}

struct InvitationRow<'a> {
    invitation: &'a Invitation,
    state: StateLabel,
    progress: Option<Progress>,
}

#[derive(Debug, Deserialize)]
pub struct PersonQuery {
    /// Ids of invitations revoked by the preceding form.
    revoked: Option<String>,
}

/// Handles `GET /users/{id}`.
pub async fn show(
    PageAdmin(viewer): PageAdmin,
    State(app): State<App>,
    id: PathParam<UserId>,
    Query(query): Query<PersonQuery>,
) -> Result<Response, Problem> {
    let id = id.parse()?;
    let revoked = find_revoked(&app, query.revoked.as_deref()).await?;
    page(&app, &viewer, id, revoked, None).await
}

pub fn person_url(id: UserId) -> String {
    format!("/users/{id}")
}

async fn page(
    app: &App,
    viewer: &VerifiedSession,
    id: UserId,
    revoked: Vec<Invitation>,
    error: Option<Problem>,
) -> Result<Response, Problem> {
    let (store, now) = (&app.ctx.store, app.ctx.now());
    let user = app.user(id).await?;
    let sessions = store.live_sessions(id, now).await?;
    let invitations = store.invitations_of(id).await?;
    let shown = &invitations[..invitations.len().min(MAX_ROWS)];
    let holds = app.holds.current(now, shown).await?;
    let latest = invitations.first();
    let held_by = latest.and_then(|latest| holds.held_by(latest));
    let rows = shown.iter().map(|invitation| InvitationRow {
        invitation,
        state: invitation_state(invitation, holds.held_by(invitation)),
        progress: invitation_progress(invitation, holds.held_by(invitation), now),
    });
    let metadata = serde_json::to_string_pretty(&user.metadata).ok();
    let mut shell = Shell::new(app, viewer, Some(Section::People), person_url(id)).await?;
    shell.is_changing =
        error.is_none() && latest.is_some_and(|latest| is_sent_soon(latest, held_by, now));
    let template = PersonPage {
        shell,
        error: error.as_ref().map(|problem| problem.detail.as_str()),
        progress: user_progress(&user, latest, held_by, now),
        metadata: metadata.filter(|_| !user.metadata.is_empty()),
        sessions: &sessions[..sessions.len().min(MAX_ROWS)],
        session_count: sessions.len(),
        invitations: rows.collect(),
        has_more_invitations: invitations.len() > MAX_ROWS,
        activity: load_activity(app, &user).await?,
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
    redirect_to_person(admin, id, query).await
}

/// Handles `POST /users/{id}/sessions/end`.
pub async fn end_sessions(admin: FormAdmin, id: PathParam<UserId>) -> Result<Response, Problem> {
    let id = id.parse()?;
    flows::end_all_sessions(&admin.ctx, id, ManageableRoles::All, &admin.actor).await?;
    redirect_to_person(&admin, id, Ok(String::new())).await
}

/// Redirects to the person's page with a query, or renders it with the reason for a conflict.
pub async fn redirect_to_person(
    admin: &FormAdmin,
    id: UserId,
    query: Result<String, Problem>,
) -> Result<Response, Problem> {
    match query {
        Ok(query) => Ok(Redirect::to(&format!("{}{query}", person_url(id))).into_response()),
        Err(problem) if problem.status() == StatusCode::CONFLICT => {
            page(&admin.app, &admin.viewer, id, Vec::new(), Some(problem)).await
        }
        Err(problem) => Err(problem),
    }
}
