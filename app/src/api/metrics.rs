//! Prometheus metrics: of the queues, of this process's requests, and of its worker if it runs one.
//! Other workers serve their own.

use std::fmt;

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use guestlist_database::operations::Overview;
use guestlist_domain::Reconciliation;
use guestlist_worker::metrics::{OPENMETRICS, encode_drift, encode_overview};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::extract::{OpsRead, RequireScope};
use crate::openapi::{ApiRouterExt, OperationExt};
use crate::operations::Status;
use crate::problem::Problem;
use crate::state::App;

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new().operation(get_with, "/metrics", get_metrics, |op| {
        op.named("get_metrics", "Get Prometheus metrics")
            .raw_response::<200>(Some(OPENMETRICS), "The metrics in OpenMetrics text format.")
    })
}

/// While the database is unavailable, the metrics that need it are left out.
async fn get_metrics(
    _: RequireScope<OpsRead>,
    State(app): State<App>,
) -> Result<Response, Problem> {
    let overview = app.store().overview(app.ctx().now()).await;
    let overview = overview.inspect_err(|error| {
        tracing::warn!(%error, "metrics of the queues could not be read");
    });
    let last = app.ctx().store.last_reconciliation().await.ok().flatten();
    let text = encode(&app, overview.as_ref().ok(), last.as_ref()).map_err(|error| {
        tracing::error!(%error, "the metrics could not be encoded");
        Problem::internal()
    })?;
    Ok(([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response())
}

fn encode(
    app: &App,
    overview: Option<&Overview>,
    last: Option<&Reconciliation>,
) -> Result<String, fmt::Error> {
    let now = app.ctx().now();
    let mut text = String::new();
    if let Some(overview) = overview {
        let url = &app.ctx().policy.authenticate_url;
        let sending = Gauge::<i64>::default();
        sending.set(i64::from(Status::new(overview, url, now).sending));
        let mut registry = Registry::with_prefix("guestlist");
        registry.register("sending", "Whether invitations and login links are sent", sending);
        encode_registry(&mut text, &registry)?;
    }
    encode_overview(overview, &mut text)?;
    encode_drift(last, now, &mut text)?;
    app.metrics().encode(&mut text)?;
    app.encode_worker_metrics(&mut text)?;
    encode_eof(&mut text)?;
    Ok(text)
}
