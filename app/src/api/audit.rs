//! The audit log.

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::events::AuditView;
use crate::audit::{AuditQuery, find_events};
use crate::extract::{Paged, Query, RequireAdmin};
use crate::openapi::{ApiRouterExt, OperationExt};
use crate::problem::Problem;
use crate::state::App;

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new().operation(get_with, "/audit", list_audit_events, |op| {
        op.named("list_audit_events", "List the audit log")
            .description("Requires an administrator, or an API key without scopes.")
            .json_response::<200, Paged<AuditView<'static>>>("A page of events, newest first.")
    })
}

async fn list_audit_events(
    _: RequireAdmin,
    State(app): State<App>,
    Query(query): Query<AuditQuery>,
) -> Result<Response, Problem> {
    let (events, next_cursor) = find_events(&app, query).await?;
    let items = events.iter().map(AuditView::from).collect();
    Ok(Json(Paged { items, next_cursor }).into_response())
}
