//! The list of people, with the form to invite.

use std::collections::HashMap;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use guestlist_domain::flows::{self, NewInvitation, VerifiedSession};
use guestlist_domain::{
    Actor, Ctx, Email, Invitation, ManageableRoles, Metadata, Page, Role, User, UserId, UserStatus,
};
use serde::Deserialize;

use super::progress::{Progress, user_progress};
use super::query::PeopleQuery;
use super::revoked::find_revoked;
use crate::extract::{Form, Paged};
use crate::pages::auth::FormAdmin;
use crate::pages::guest::form_error;
use crate::pages::layout::render;
use crate::pages::shell::{Section, Shell};
use crate::pages::states::{is_sent_soon, user_state};
use crate::problem::{Code, Problem};
use crate::state::App;

#[derive(Template)]
#[template(path = "people/list.html")]
struct PeoplePage<'a> {
    shell: Shell<'a>,
    query: &'a PeopleQuery,
    tabs: Vec<Tab>,
    rows: Vec<Row<'a>>,
    /// Whether the viewer is the only user, so that the page leads to the first invitation.
    is_first_use: bool,
    next_url: Option<String>,
    /// Invitations revoked by the preceding form.
    revoked: Vec<Invitation>,
    refusal: Option<Refusal>,
    /// Value of the invite form's field.
    email: &'a str,
    inbox_url: Option<&'a str>,
    /// Whether the URL of an application is configured.
    is_connected: bool,
}

impl PeoplePage<'_> {
    /// Returns whether the field of the invite form has the focus: not after a search or on a later
    /// page, where the user reads.
    fn focuses_on_inviting(&self) -> bool {
        !self.query.is_filtered() && self.query.cursor.is_none()
    }

    fn role_is(&self, role: Role) -> bool {
        self.query.role.as_deref() == Some(role.as_str())
    }
}

/// A link that filters by status.
struct Tab {
    name: &'static str,
    url: String,
    is_current: bool,
}

fn tabs(query: &PeopleQuery) -> Vec<Tab> {
    let statuses = [
        (None, "All"),
        (Some(UserStatus::Active), "Active"),
        (Some(UserStatus::Invited), "Invited"),
        (Some(UserStatus::Suspended), "Suspended"),
        (Some(UserStatus::Deleting), "Removing"),
    ];
    let tab = |(status, name): (Option<UserStatus>, &'static str)| {
        let status = status.map(|status| status.as_str().to_owned());
        let is_current = query.status == status;
        let url = PeopleQuery { status, cursor: None, ..query.clone() }.url();
        Tab { name, url, is_current }
    };
    statuses.into_iter().map(tab).collect()
}

struct Row<'a> {
    user: &'a User,
    is_viewer: bool,
    progress: Option<Progress>,
    /// Whether the row is expected to change soon.
    is_changing: bool,
}

/// Why a form was refused, and the page of what stood in its way.
struct Refusal {
    text: String,
    /// URL and text of a link.
    link: Option<(String, &'static str)>,
}

impl Refusal {
    fn new(problem: &Problem) -> Self {
        let id = |name| problem.extensions.get(name).and_then(serde_json::Value::as_str);
        let link = match problem.code {
            Code::AlreadyInvited => {
                id("invitation_id").map(|id| (format!("/invitations/{id}"), "Show the invitation"))
            }
            Code::AlreadyMember => {
                id("user_id").map(|id| (format!("/users/{id}"), "Show the person"))
            }
            _ => None,
        };
        Self { text: form_error(problem), link }
    }
}

/// Shows the list to an administrator.
pub async fn show(
    app: &App,
    viewer: &VerifiedSession,
    query: PeopleQuery,
) -> Result<Response, Problem> {
    page(app, viewer, query, None, "").await
}

/// `refused` is why the invite form was refused, and `email` what was typed into it.
async fn page(
    app: &App,
    viewer: &VerifiedSession,
    query: PeopleQuery,
    refused: Option<Problem>,
    email: &str,
) -> Result<Response, Problem> {
    let query = query.without_empty();
    let Paged { items: users, next_cursor } = load_users(app, &query).await?;
    let is_complete = !query.is_filtered() && query.cursor.is_none();
    let rows = rows(app, &users, viewer).await?;
    let mut shell = Shell::new(app, viewer, Some(Section::People), query.url()).await?;
    // What was typed into a refused form is kept.
    shell.is_changing = refused.is_none() && rows.iter().any(|row| row.is_changing);
    let template = PeoplePage {
        shell,
        tabs: tabs(&query),
        is_first_use: is_complete && users.iter().all(|user| user.id == viewer.user.id),
        rows,
        next_url: next_cursor.map(|cursor| query.at(Some(cursor)).url()),
        revoked: find_revoked(app, query.revoked.as_deref()).await?,
        refusal: refused.as_ref().map(Refusal::new),
        email,
        query: &query,
        inbox_url: app.site.inbox_url.as_deref(),
        is_connected: app.site.app_url.is_some(),
    };
    let status = refused.map_or(StatusCode::OK, |problem| problem.status());
    Ok(render(&app.site, status, &template))
}

async fn load_users(app: &App, query: &PeopleQuery) -> Result<Paged<User>, Problem> {
    let (filter, Page { after, limit }) = query.parse()?;
    let users = app.ctx.store.users(&filter, Page { after, limit: limit + 1 }).await?;
    Ok(Paged::new(users, limit, |user| filter.cursor(user)))
}

async fn rows<'a>(
    app: &App,
    users: &'a [User],
    viewer: &VerifiedSession,
) -> Result<Vec<Row<'a>>, Problem> {
    let invited = users.iter().filter(|user| user.status == UserStatus::Invited);
    let invited: Vec<UserId> = invited.map(|user| user.id).collect();
    let latest = app.ctx.store.latest_invitations(&invited).await?;
    let now = app.ctx.now();
    let holds = app.holds.current(now, &latest).await?;
    let latest: HashMap<UserId, &Invitation> = latest.iter().map(|i| (i.user_id, i)).collect();
    let row = |user: &'a User| {
        let latest = latest.get(&user.id).copied();
        let held_by = latest.and_then(|latest| holds.held_by(latest));
        Row {
            user,
            is_viewer: user.id == viewer.user.id,
            progress: user_progress(user, latest, held_by, now),
            is_changing: latest.is_some_and(|latest| is_sent_soon(latest, held_by, now)),
        }
    };
    Ok(users.iter().map(row).collect())
}

#[derive(Debug, Deserialize)]
pub struct InviteForm {
    email: String,
}

/// Handles `POST /users/invite`.
pub async fn invite(admin: FormAdmin, Form(form): Form<InviteForm>) -> Result<Response, Problem> {
    match send_invitation(&admin.ctx, &form.email, &admin.actor).await {
        Ok(()) => {
            admin.app.invitation_counts.invalidate().await;
            Ok(Redirect::to("/").into_response())
        }
        Err(problem) if problem.status().is_client_error() => {
            let query = PeopleQuery::default();
            page(&admin.app, &admin.viewer, query, Some(problem), &form.email).await
        }
        Err(problem) => Err(problem),
    }
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
