//! The audit log.

use std::net::IpAddr;

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use guestlist_domain::Event;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::events::ActorView;
use crate::audit::{AuditQuery, find_events};
use crate::extract::{Authorized, Paged, Query, Unrestricted};
use crate::openapi::schemas::{self, Time};
use crate::openapi::{ApiRouterExt, OperationExt};
use crate::problem::ApiResult;
use crate::state::App;

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new().route_with(get_with, "/audit", list_audit_events, |op| {
        op.named("list_audit_events", "List the audit log")
            .description("Requires an administrator, or an API key without scopes.")
            .json_response::<200, Paged<AuditView<'static>>>("A page of events, newest first.")
    })
}

async fn list_audit_events(
    auth: Authorized<Unrestricted>,
    Query(query): Query<AuditQuery>,
) -> ApiResult {
    let (items, next_cursor) = find_events(&auth.app, query).await?;
    Ok(Paged { items, next_cursor }.respond(AuditView::from))
}

/// An event in the audit log.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AuditEvent", transform = schemas::all_required)]
pub struct AuditView<'a> {
    id: Uuid,
    kind: schemas::EventKind,
    at: Time,
    /// The event's actor.
    actor: ActorView<'a>,
    /// The actor's IP address; null if the event was not caused by a request.
    ip: Option<IpAddr>,
    /// The id of the user that the event concerns, who may have been deleted since; null if there is
    /// none.
    user_id: Option<Uuid>,
    /// The invitation that the event is about; null if there is none.
    invitation_id: Option<Uuid>,
    #[schemars(with = "schemas::EventDetail")]
    detail: &'a Value,
}

impl<'a> From<&'a Event> for AuditView<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            id: event.id.0,
            kind: event.kind.into(),
            at: Time(event.at),
            actor: (&event.actor).into(),
            ip: event.from_ip,
            user_id: event.user_id.map(|id| id.0),
            invitation_id: event.invitation_id.map(|id| id.0),
            detail: &event.detail,
        }
    }
}
