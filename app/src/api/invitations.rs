//! Invitations.

mod counts;
mod types;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use guestlist_domain::{
    InvitationFilter, InvitationId, InvitationStatus, Page, SearchPrefix, flows,
};

use self::counts::InvitationCountsView;
use self::types::{CreateInvitationRequest, InvitationView, ListInvitations};
use super::events::EventView;
use crate::extract::{
    Authorized, FieldErrors, InvitationsRead, InvitationsWrite, JsonBody, List, Paged, PathParam,
    Query, parse_search_page,
};
use crate::middleware::idempotency::Idempotent;
use crate::openapi::{ApiRouterExt, OperationExt};
use crate::problem::{ApiResult, Code, Problem};
use crate::state::App;

type Invitation = InvitationView<'static>;

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .route_with(post_with, "/invitations", Idempotent(create_invitation), |op| {
            op.named("create_invitation", "Create an invitation")
                .description(
                    "The invitation is stored and queued. The mail is sent shortly after; see \
                     the invitation's `status` and its events.",
                )
                .json_response::<202, Invitation>("The queued invitation.")
                .location_header::<202>()
                .problems(Code::OF_NEW_ADDRESS)
        })
        .route_with(get_with, "/invitations", list_invitations, |op| {
            op.named("list_invitations", "List invitations")
                .json_response::<200, Paged<Invitation>>("A page of invitations, newest first.")
        })
        .route_with(get_with, "/invitations/counts", count_invitations, |op| {
            op.named("count_invitations", "Count invitations")
                .json_response::<200, InvitationCountsView>("The numbers of invitations.")
        })
        .route_with(get_with, "/invitations/{id}", get_invitation, |op| {
            op.named("get_invitation", "Get an invitation")
                .json_response::<200, Invitation>("The invitation.")
        })
        .route_with(get_with, "/invitations/{id}/events", list_invitation_events, |op| {
            op.named("list_invitation_events", "List an invitation's events")
                .json_response::<200, List<EventView<'static>>>("All events, oldest first.")
        })
        .merge(operations())
}

fn operations() -> ApiRouter<App> {
    ApiRouter::new()
        .route_with(post_with, "/invitations/{id}/resend", Idempotent(resend_invitation), |op| {
            op.named("resend_invitation", "Resend an invitation")
                .description("The new mail has a new link with a new expiry.")
                .json_response::<202, Invitation>("The invitation, queued again.")
                .problems(&[
                    Code::InvitationClosed,
                    Code::AlreadyInvited,
                    Code::ResentTooSoon,
                    Code::RoleNotGrantable,
                ])
        })
        .route_with(post_with, "/invitations/{id}/revoke", Idempotent(revoke_invitation), |op| {
            op.named("revoke_invitation", "Revoke an invitation")
                .description("Its link stops working. This can't be undone.")
                .json_response::<200, Invitation>("The revoked invitation.")
                .problems(&[Code::InvitationClosed, Code::RoleNotGrantable])
        })
}

async fn create_invitation(
    auth: Authorized<InvitationsWrite>,
    JsonBody(request): JsonBody<CreateInvitationRequest>,
) -> ApiResult {
    let request = request.parse(&auth.app.site, auth.manageable_roles())?;
    auth.caller.require_grantable(request.role)?;
    let invitation = flows::invite(&auth.ctx, request, &auth.actor()).await?;
    let location = format!("/v1/invitations/{}", invitation.id);
    let holds = auth.app.holds.cached(auth.ctx.now()).await;
    let view = Json(InvitationView::new(&invitation, holds));
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], view).into_response())
}

async fn list_invitations(
    auth: Authorized<InvitationsRead>,
    Query(query): Query<ListInvitations>,
) -> ApiResult {
    let mut errors = FieldErrors::default();
    let status = query.status.and_then(|status| {
        let status = InvitationStatus::parse(&status);
        errors.check("status", status.ok_or("is not an invitation status"))
    });
    let q = query.q.as_deref().and_then(SearchPrefix::of);
    let (limit, cursor) = (query.limit.as_deref(), query.cursor.as_deref());
    let Page { after, limit } =
        parse_search_page(limit, cursor, q.as_ref(), InvitationId, &mut errors);
    errors.finish()?;
    let filter = InvitationFilter { q, status };
    let invitations = match query.batch_id {
        // Batches don't exist yet, so none has invitations.
        Some(_) => Vec::new(),
        None => auth.ctx.store.invitations(&filter, Page { after, limit: limit + 1 }).await?,
    };
    let invitations = Paged::new(invitations, limit, |invitation| filter.cursor(invitation));
    let holds = auth.app.holds.current(auth.ctx.now(), &invitations.items).await?;
    Ok(invitations.respond(|invitation| InvitationView::new(invitation, holds)))
}

async fn count_invitations(auth: Authorized<InvitationsRead>) -> ApiResult {
    let counts = auth.app.store.count_invitations(auth.ctx.now()).await?;
    Ok(Json(InvitationCountsView::from(&counts)).into_response())
}

async fn get_invitation(
    auth: Authorized<InvitationsRead>,
    id: PathParam<InvitationId>,
) -> ApiResult {
    let invitation = auth.ctx.store.invitation(id.parse()?).await?.ok_or_else(not_found)?;
    let holds = auth.app.holds.current(auth.ctx.now(), [&invitation]).await?;
    Ok(Json(InvitationView::new(&invitation, holds)).into_response())
}

async fn list_invitation_events(
    auth: Authorized<InvitationsRead>,
    id: PathParam<InvitationId>,
) -> ApiResult {
    let id = id.parse()?;
    auth.ctx.store.invitation(id).await?.ok_or_else(not_found)?;
    let events = auth.ctx.store.timeline(id).await?;
    let items = events.iter().map(EventView::from).collect();
    Ok(Json(List { items }).into_response())
}

async fn resend_invitation(
    auth: Authorized<InvitationsWrite>,
    id: PathParam<InvitationId>,
) -> ApiResult {
    let manageable = auth.manageable_roles();
    let invitation = flows::resend(&auth.ctx, id.parse()?, manageable, &auth.actor()).await?;
    let holds = auth.app.holds.cached(auth.ctx.now()).await;
    Ok((StatusCode::ACCEPTED, Json(InvitationView::new(&invitation, holds))).into_response())
}

async fn revoke_invitation(
    auth: Authorized<InvitationsWrite>,
    id: PathParam<InvitationId>,
) -> ApiResult {
    let manageable = auth.manageable_roles();
    let invitation = flows::revoke(&auth.ctx, id.parse()?, manageable, &auth.actor()).await?;
    let holds = auth.app.holds.current(auth.ctx.now(), [&invitation]).await?;
    Ok(Json(InvitationView::new(&invitation, holds)).into_response())
}

fn not_found() -> Problem {
    Problem::not_found("invitation")
}
