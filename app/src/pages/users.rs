//! The list of people, with the form to invite.

use std::collections::HashMap;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use guestlist_domain::flows::{self, NewInvitation, VerifiedSession};
use guestlist_domain::{
    Actor, Ctx, Cursor, Email, Invitation, InvitationId, InvitationStatus, ManageableRoles,
    Metadata, Page, Role, User, UserFilter, UserId, UserStatus,
};
use serde::Deserialize;

use super::auth::FormAdmin;
use super::layout::{Nav, render};
use super::problem::form_error;
use crate::extract::{Form, PathParam};
use crate::problem::Problem;
use crate::state::App;
use crate::state::holds::HoldStatus;

const PAGE_SIZE: u64 = 100;

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage<'a> {
    app_name: &'a str,
    nav: Nav<'a>,
    error: Option<String>,
    revoked: Vec<Invitation>,
    /// Value of the form's email field.
    email: &'a str,
    rows: Vec<Row<'a>>,
    /// Id of the last user, if there is a next page.
    next_after: Option<String>,
    /// Whether a row is expected to change soon, so that the page refreshes faster.
    is_changing: bool,
    /// URL of this list, which may be rendered in response to a form.
    list_url: String,
    inbox_url: Option<&'a str>,
}

struct Row<'a> {
    user: &'a User,
    /// Status of the invitation if the user is invited, else of the user.
    status: &'static str,
    /// The invitation's latest error, or what holds it back.
    note: Option<String>,
    /// The invitation, if it can be resent.
    resendable: Option<InvitationId>,
    can_remove: bool,
}

/// What the list shows besides the users.
#[derive(Default)]
pub struct ListView<'a> {
    /// The last user of the previous page.
    pub after: Option<UserId>,
    /// Invitations revoked by the preceding form.
    pub revoked: Vec<Invitation>,
    /// Why the preceding form was refused.
    pub error: Option<Problem>,
    /// The address entered into the preceding form.
    pub email: &'a str,
}

pub async fn user_list(
    app: &App,
    viewer: &VerifiedSession,
    view: ListView<'_>,
) -> Result<Response, Problem> {
    let ListView { after, revoked, error, email } = view;
    let (users, has_more) = load_users(app, after).await?;
    let rows = if after.is_none() && users.iter().all(|user| user.id == viewer.user.id) {
        // If the viewer is the only user, the page asks to invite the first person instead.
        Vec::new()
    } else {
        rows(app, &users, viewer).await?
    };
    let last = users.last().filter(|_| has_more);
    let template = UsersPage {
        app_name: &app.site.app_name,
        nav: Nav::new(viewer, "/"),
        error: error.as_ref().map(form_error),
        revoked,
        email,
        next_after: last.map(|last| last.id.to_string()),
        is_changing: rows.iter().any(|row| matches!(row.status, "queued" | "deleting")),
        rows,
        list_url: after.map_or_else(|| "/".to_owned(), |after| format!("/?after={after}")),
        inbox_url: app.site.inbox_url.as_deref(),
    };
    let status = error.map_or(StatusCode::OK, |problem| problem.status());
    Ok(render(&app.site, status, &template))
}

/// Loads a page of users, and whether more follow.
async fn load_users(app: &App, after: Option<UserId>) -> Result<(Vec<User>, bool), Problem> {
    let page = Page { after: after.map(Cursor::from), limit: PAGE_SIZE + 1 };
    let mut users = app.ctx.store.users(&UserFilter::default(), page).await?;
    let has_more = users.len() as u64 > PAGE_SIZE;
    users.truncate(usize::try_from(PAGE_SIZE).unwrap_or(usize::MAX));
    Ok((users, has_more))
}

async fn rows<'a>(
    app: &App,
    users: &'a [User],
    viewer: &VerifiedSession,
) -> Result<Vec<Row<'a>>, Problem> {
    let invited = users.iter().filter(|user| user.status == UserStatus::Invited);
    let invited: Vec<UserId> = invited.map(|user| user.id).collect();
    let latest = app.ctx.store.latest_invitations(&invited).await?;
    let holds = app.holds.current(app.ctx.now(), &latest).await?;
    let latest: HashMap<UserId, &Invitation> = latest.iter().map(|i| (i.user_id, i)).collect();
    let row = |user| Row::new(user, latest.get(&user.id).copied(), holds, viewer);
    Ok(users.iter().map(row).collect())
}

impl<'a> Row<'a> {
    fn new(
        user: &'a User,
        latest: Option<&Invitation>,
        holds: HoldStatus,
        viewer: &VerifiedSession,
    ) -> Self {
        let status = match (user.status, latest) {
            (UserStatus::Invited, Some(invitation)) => invitation.status.as_str(),
            (status, _) => status.as_str(),
        };
        let note = latest.and_then(|invitation| {
            let error = invitation.last_error.as_ref().map(|error| error.message.clone());
            let held_by = holds.held_by(invitation);
            error.or_else(|| held_by.map(|by| format!("held: {by}").replace('_', " ")))
        });
        let can_resend = |invitation: &&Invitation| {
            matches!(
                invitation.status,
                InvitationStatus::Sent | InvitationStatus::Failed | InvitationStatus::Expired
            )
        };
        Self {
            user,
            status,
            note,
            resendable: latest.filter(can_resend).map(|invitation| invitation.id),
            can_remove: user.id != viewer.user.id && user.status != UserStatus::Deleting,
        }
    }
}

#[derive(Debug, Deserialize)]
pub struct InviteForm {
    email: String,
}

/// Handles `POST /users/invite`.
pub async fn invite(admin: FormAdmin, Form(form): Form<InviteForm>) -> Result<Response, Problem> {
    let invited = send_invitation(&admin.ctx, &form.email, &admin.actor).await;
    redirect_to_list(&admin, invited, &form.email).await
}

async fn send_invitation(ctx: &Ctx, email: &str, actor: &Actor) -> Result<(), Problem> {
    let email = Email::parse(email).map_err(|error| Problem::field("email", error))?;
    let request = NewInvitation {
        email,
        name: None,
        role: Role::Member,
        manageable: ManageableRoles::All,
        metadata: Metadata::default(),
        return_to: None,
        expires_in_minutes: None,
        is_bulk: false,
    };
    flows::invite(ctx, request, actor).await?;
    Ok(())
}

/// Handles `POST /invitations/{id}/resend`.
pub async fn resend(admin: FormAdmin, id: PathParam<InvitationId>) -> Result<Response, Problem> {
    let resent = flows::resend(&admin.ctx, id.parse()?, ManageableRoles::All, &admin.actor).await;
    redirect_to_list(&admin, resent.map(drop).map_err(Problem::from), "").await
}

/// Redirects to the list, or renders it with the reason why the form was refused.
async fn redirect_to_list(
    admin: &FormAdmin,
    result: Result<(), Problem>,
    email: &str,
) -> Result<Response, Problem> {
    match result {
        Ok(()) => Ok(Redirect::to("/").into_response()),
        Err(problem) if problem.status().is_client_error() => {
            let view = ListView { error: Some(problem), email, ..ListView::default() };
            user_list(&admin.app, &admin.viewer, view).await
        }
        Err(problem) => Err(problem),
    }
}
