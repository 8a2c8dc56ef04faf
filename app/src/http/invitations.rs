//! Invitations by HTTP.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use guestlist_domain::flows::{self, InviteError, NewInvitation, ResendError, RevokeError};
use guestlist_domain::{
    Email, InvitationFilter, InvitationId, InvitationStatus, Metadata, Name, Page, Prefix, Reach,
    Role, UserId,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Number, Value, json};

use super::auth::{InvitationsRead, InvitationsWrite, May, out_of_reach};
use super::body::{Body, Fields, Params};
use super::named::Named;
use super::openapi::shapes;
use super::paging::{All, Paged, cut_at, search_page};
use super::problem::{Code, Problem};
use super::state::App;
use super::view::{EventView, InvitationView};
use super::waits::Waits;
use super::world::World;
use crate::config::SiteConfig;

/// Somebody to invite, as it is sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with an email")]
pub struct InvitationRequest {
    #[schemars(with = "shapes::Email")]
    email: String,
    #[schemars(with = "Option<shapes::Name>")]
    name: Option<String>,
    #[schemars(with = "Option<shapes::Role>")]
    role: Option<String>,
    #[schemars(with = "Option<shapes::Metadata>")]
    metadata: Option<Map<String, Value>>,
    #[schemars(with = "Option<shapes::ReturnTo>")]
    return_to: Option<String>,
    #[schemars(with = "Option<shapes::Minutes>")]
    expires_in_minutes: Option<Number>,
}

impl InvitationRequest {
    /// An invitation with nothing but an address, from the page's form.
    pub fn of(email: String) -> Self {
        let (name, role, metadata) = (None, None, None);
        Self { email, name, role, metadata, return_to: None, expires_in_minutes: None }
    }

    /// Reads it; everything that is wrong is told at once.
    pub fn read(self, site: &SiteConfig) -> Result<NewInvitation, Problem> {
        let mut fields = Fields::default();
        let email = fields.take("email", Email::parse(&self.email));
        let name = self.name.and_then(|name| fields.take("name", Name::parse(&name)));
        let role = read_role(self.role.as_deref(), &mut fields);
        let metadata = self.metadata.and_then(|map| fields.take("metadata", Metadata::new(map)));
        let return_to =
            self.return_to.and_then(|place| fields.take("return_to", site.parse_return_to(&place)));
        let expires_in_minutes = self.expires_in_minutes.and_then(|minutes| {
            let read = whole(&minutes).filter(|minutes| (5..=10_080).contains(minutes));
            fields.take("expires_in_minutes", read.ok_or("must be a whole number from 5 to 10080"))
        });
        match email {
            Some(email) if fields.is_empty() => Ok(NewInvitation {
                email,
                name: name.flatten(),
                role,
                reach: Reach::Members,
                metadata: metadata.unwrap_or_default(),
                return_to,
                expires_in_minutes,
                is_bulk: false,
            }),
            _ => Err(fields.into_problem()),
        }
    }
}

/// To JSON, 60 and 60.0 are one number.
fn whole(number: &Number) -> Option<u32> {
    let whole = number.to_string();
    let whole = whole.strip_suffix(".0").unwrap_or(&whole);
    whole.parse().ok()
}

/// A role, `member` where none is said.
pub fn read_role(role: Option<&str>, fields: &mut Fields) -> Role {
    role.and_then(|role| fields.take("role", parse_role(role))).unwrap_or_default()
}

/// A role, or what roles there are.
pub fn parse_role(role: &str) -> Result<Role, &'static str> {
    Role::parse(role).ok_or("must be admin, operator or member")
}

/// `POST /v1/invitations`
pub async fn create_invitation(
    by: May<InvitationsWrite>,
    State(app): State<App>,
    World(ctx): World,
    Body(request): Body<InvitationRequest>,
) -> Result<Response, Problem> {
    let request = request.read(app.site())?;
    by.caller.may_grant(request.role)?;
    let request = NewInvitation { reach: by.caller.reach(), ..request };
    let invitation = flows::invite(&ctx, request, &by.actor()).await?;
    let location = format!("/v1/invitations/{}", invitation.id);
    let headers = [(header::LOCATION, location)];
    let waits = Waits::of_written(&app).await;
    let view = Json(InvitationView::of(&invitation, waits));
    Ok((StatusCode::ACCEPTED, headers, view).into_response())
}

/// Which page of which invitations.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = shapes::query)]
pub struct ListInvitations {
    #[schemars(with = "Option<shapes::InvitationStatus>")]
    status: Option<String>,
    q: Option<String>,
    batch_id: Option<String>,
    #[schemars(with = "Option<shapes::Limit>")]
    limit: Option<String>,
    #[schemars(with = "Option<shapes::SearchCursor>")]
    cursor: Option<String>,
}

/// `GET /v1/invitations`
pub async fn list_invitations(
    _: May<InvitationsRead>,
    State(app): State<App>,
    Params(query): Params<ListInvitations>,
) -> Result<Response, Problem> {
    let mut fields = Fields::default();
    let status = query.status.and_then(|status| {
        let read = InvitationStatus::parse(&status);
        fields.take("status", read.ok_or("is no status of an invitation"))
    });
    let q = query.q.as_deref().and_then(Prefix::of);
    let (limit, cursor) = (query.limit.as_deref(), query.cursor.as_deref());
    let Page { after, limit } = search_page(limit, cursor, q.as_ref(), InvitationId, &mut fields);
    if !fields.is_empty() {
        return Err(fields.into_problem());
    }
    let filter = InvitationFilter { q, status };
    let mut found = match query.batch_id {
        // No invitation belongs to a batch.
        Some(_) => Vec::new(),
        None => app.ctx().store.invitations(&filter, Page { after, limit: limit + 1 }).await?,
    };
    let next_cursor = cut_at(&mut found, limit, |invitation| filter.place(invitation));
    let waits = Waits::of(&app, &found).await?;
    let items = found.iter().map(|found| InvitationView::of(found, waits)).collect();
    Ok(Json(Paged { items, next_cursor }).into_response())
}

/// `GET /v1/invitations/{id}`
pub async fn get_invitation(
    _: May<InvitationsRead>,
    State(app): State<App>,
    id: Named<InvitationId>,
) -> Result<Response, Problem> {
    let found = app.ctx().store.invitation(id.read()?).await?;
    let invitation = found.ok_or_else(not_found)?;
    let waits = Waits::of(&app, [&invitation]).await?;
    Ok(Json(InvitationView::of(&invitation, waits)).into_response())
}

/// `GET /v1/invitations/{id}/events`
pub async fn list_invitation_events(
    _: May<InvitationsRead>,
    State(app): State<App>,
    id: Named<InvitationId>,
) -> Result<Response, Problem> {
    let id = id.read()?;
    app.ctx().store.invitation(id).await?.ok_or_else(not_found)?;
    let events = app.ctx().store.timeline(id).await?;
    let items = events.iter().map(EventView::from).collect();
    Ok(Json(All { items }).into_response())
}

/// `POST /v1/invitations/{id}/resend`
pub async fn resend_invitation(
    by: May<InvitationsWrite>,
    State(app): State<App>,
    World(ctx): World,
    id: Named<InvitationId>,
) -> Result<Response, Problem> {
    let invitation = flows::resend(&ctx, id.read()?, by.caller.reach(), &by.actor()).await?;
    let waits = Waits::of_written(&app).await;
    Ok((StatusCode::ACCEPTED, Json(InvitationView::of(&invitation, waits))).into_response())
}

/// `POST /v1/invitations/{id}/revoke`
pub async fn revoke_invitation(
    by: May<InvitationsWrite>,
    State(app): State<App>,
    World(ctx): World,
    id: Named<InvitationId>,
) -> Result<Response, Problem> {
    let invitation = flows::revoke(&ctx, id.read()?, by.caller.reach(), &by.actor()).await?;
    let waits = Waits::of(&app, [&invitation]).await?;
    Ok(Json(InvitationView::of(&invitation, waits)).into_response())
}

fn not_found() -> Problem {
    Problem::not_found("invitation")
}

/// The address has an open invitation.
pub fn already_invited(id: InvitationId) -> Problem {
    let detail = "The address has an open invitation. Resend that one, or revoke it first.";
    Problem::new(Code::AlreadyInvited, detail).with("invitation_id", json!(id))
}

/// The address is a member's.
pub fn already_member(user: UserId, is_suspended: bool) -> Problem {
    let detail = if is_suspended {
        "The address belongs to a member who is suspended. Make them active again instead."
    } else {
        "The address belongs to a member already."
    };
    Problem::new(Code::AlreadyMember, detail).with("user_id", json!(user))
}

/// The address is being freed.
pub fn being_removed() -> Problem {
    let detail =
        "The address belongs to a user who is being removed. It is free when that is done.";
    Problem::new(Code::UserDeleting, detail)
}

fn closed() -> Problem {
    let detail = "The invitation was accepted or revoked, and stays so. Invite the address anew.";
    Problem::new(Code::InvitationClosed, detail)
}

impl From<InviteError> for Problem {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::AlreadyInvited(id) => already_invited(id),
            InviteError::AlreadyMember { user, is_suspended } => already_member(user, is_suspended),
            InviteError::BeingRemoved => being_removed(),
            InviteError::OutOfReach => out_of_reach(),
            InviteError::Store(error) => error.into(),
        }
    }
}

impl From<ResendError> for Problem {
    fn from(error: ResendError) -> Self {
        match error {
            ResendError::NotFound => not_found(),
            ResendError::Closed => closed(),
            ResendError::OutOfReach => out_of_reach(),
            ResendError::AlreadyInvited(id) => already_invited(id),
            ResendError::TooSoon(wait) => Self::too_many(Code::ResentTooSoon, wait),
            ResendError::Store(error) => error.into(),
        }
    }
}

impl From<RevokeError> for Problem {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::NotFound => not_found(),
            RevokeError::Closed => closed(),
            RevokeError::OutOfReach => out_of_reach(),
            RevokeError::Store(error) => error.into(),
        }
    }
}
