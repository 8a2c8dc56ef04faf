//! The audit log.

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::events::AuditView;
use crate::audit::{AuditQuery, find_events};
use crate::extract::{Paged, Query, RequireAdmin};
use crate::openapi::OperationExt;
use crate::problem::Problem;
use crate::state::App;

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new().api_route(
        "/audit",
        get_with(list_audit_events, |op| {
            op.id("list_audit_events")
                .summary("List the audit log")
                .description("Requires an administrator, or an API key without scopes.")
                .json_response::<200, Paged<AuditView<'static>>>("A page of events, newest first.")
        }),
    )
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
