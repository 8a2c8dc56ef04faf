//! Resending and revoking an invitation.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use guestlist_domain::{Invitation, InvitationId, InvitationStatus, ManageableRoles, flows};
use serde::Deserialize;

use super::show::invitation_page;
use super::texts::invitee;
use crate::extract::{Form, PathParam};
use crate::pages::auth::{FormAdmin, PageAdmin};
use crate::pages::layout::render;
use crate::pages::shell::{Section, Shell};
use crate::problem::Problem;
use crate::state::App;

#[derive(Debug, Deserialize)]
pub struct ResendForm {
    /// The list to return to; the invitation's page by default.
    back: Option<String>,
}

/// Handles `POST /invitations/{id}/resend`.
pub async fn resend(
    admin: FormAdmin,
    id: PathParam<InvitationId>,
    Form(form): Form<ResendForm>,
) -> Result<Response, Problem> {
    let id = id.parse()?;
    match flows::resend(&admin.ctx, id, ManageableRoles::All, &admin.actor).await {
        Ok(_) => Ok(redirect_back(&admin.app, form.back.as_deref(), id).await),
        Err(error) => refused(&admin, id, error.into()).await,
    }
}

#[derive(Template)]
#[template(path = "invitations/revoke.html")]
struct RevokePage<'a> {
    shell: Shell<'a>,
    invitation: &'a Invitation,
}

/// Handles `GET /invitations/{id}/revoke`.
pub async fn confirm_revocation(
    PageAdmin(viewer): PageAdmin,
    State(app): State<App>,
    id: PathParam<InvitationId>,
) -> Result<Response, Problem> {
    let id = id.parse()?;
    let invitation = app.ctx.store.invitation(id).await?;
    let invitation = invitation.ok_or_else(|| Problem::not_found("invitation"))?;
    if matches!(invitation.status, InvitationStatus::Accepted | InvitationStatus::Revoked) {
        // Nothing is left to revoke; the invitation's page says why.
        return Ok(Redirect::to(&page_path(id)).into_response());
    }
    let url = format!("{}/revoke", page_path(id));
    let template = RevokePage {
        shell: Shell::new(&app, &viewer, Some(Section::Invitations), url).await?,
        invitation: &invitation,
    };
    Ok(render(&app.site, StatusCode::OK, &template))
}

/// Handles `POST /invitations/{id}/revoke`.
pub async fn revoke(admin: FormAdmin, id: PathParam<InvitationId>) -> Result<Response, Problem> {
    let id = id.parse()?;
    match flows::revoke(&admin.ctx, id, ManageableRoles::All, &admin.actor).await {
        Ok(_) => {
            admin.app.invitation_counts.invalidate().await;
            Ok(Redirect::to(&page_path(id)).into_response())
        }
        Err(error) => refused(&admin, id, error.into()).await,
    }
}

/// Renders the invitation's page with the reason for which a form was refused.
async fn refused(
    admin: &FormAdmin,
    id: InvitationId,
    problem: Problem,
) -> Result<Response, Problem> {
    if !problem.status().is_client_error() || problem.status() == StatusCode::NOT_FOUND {
        return Err(problem);
    }
    invitation_page(&admin.app, &admin.viewer, id, Some(problem)).await
}

pub fn page_path(id: InvitationId) -> String {
    format!("/invitations/{id}")
}

/// Redirects to the list that a form came from, or else to the invitation's page.
pub async fn redirect_back(app: &App, back: Option<&str>, id: InvitationId) -> Response {
    app.invitation_counts.invalidate().await;
    let back = back.filter(|back| is_list(back));
    back.map_or_else(|| Redirect::to(&page_path(id)), Redirect::to).into_response()
}

/// Returns whether a URL is that of a list with invitations. Others are not redirected to.
fn is_list(url: &str) -> bool {
    let path = url.split('?').next().unwrap_or_default();
    matches!(path, "/" | "/invitations") && url.chars().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::is_list;

    #[test]
    fn a_form_returns_only_to_lists() {
        for url in ["/", "/?q=a", "/invitations", "/invitations?status=sent&q=a%20b"] {
            assert!(is_list(url), "{url}");
        }
        for url in
            ["", "//evil.example", "https://evil.example", "/invitations/x", "/audit", "/?\n"]
        {
            assert!(!is_list(url), "{url}");
        }
    }
}
