//! Health checks, status and metrics, for monitoring.

use std::fmt;

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use guestlist_database::operations::Overview;
use guestlist_domain::Reconciliation;
use guestlist_worker::metrics::{OPENMETRICS, encode_drift, encode_overview};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::extract::{Authorized, OpsRead};
use crate::openapi::{ApiRouterExt, OperationExt};
use crate::operations::{Diagnosis, Status};
use crate::problem::{ApiResult, Problem};
use crate::state::App;

/// The status of sending, as printed by `guestlist status`.
pub fn v1_routes() -> ApiRouter<App> {
    ApiRouter::new().route_with(get_with, "/status", get_status, |op| {
        op.named("get_status", "Get the status")
            .description(
                "Tells whether mail is being sent. `summary` says it in one line, with the \
                 remedy if there is a problem.",
            )
            .json_response::<200, Status>("The status.")
    })
}

pub fn unversioned_routes() -> ApiRouter<App> {
    ApiRouter::new()
        .route_with(get_with, "/healthz", check_liveness, |op| {
            op.named("check_liveness", "Check liveness")
                .raw_response::<200>(Some("text/plain"), "The process is running.")
        })
        .route_with(get_with, "/readyz", check_readiness, |op| {
            op.named("check_readiness", "Check readiness")
                .description("Checks that the database is reachable and has the schema.")
                .raw_response::<200>(Some("text/plain"), "The process can serve requests.")
        })
        .route_with(get_with, "/metrics", get_metrics, |op| {
            op.named("get_metrics", "Get Prometheus metrics")
                .raw_response::<200>(Some(OPENMETRICS), "The metrics in OpenMetrics text format.")
        })
}

async fn check_liveness() -> &'static str {
    "ok\n"
}

async fn check_readiness(State(app): State<App>) -> ApiResult<&'static str> {
    app.ctx.store.ready().await?;
    Ok("ready\n")
}

async fn get_status(auth: Authorized<OpsRead>) -> ApiResult {
    let now = auth.ctx.now();
    let overview = auth.app.store.overview(now).await?;
    let activity = auth.app.store.throughput(now).await?;
    let status = Status::new(&overview, &activity, &auth.ctx.policy.authenticate_url, now);
    Ok(Json(status).into_response())
}

/// The metrics of the queues, of this process's requests, and of its worker if it runs one; other
/// workers serve their own. While the database is unavailable, the metrics that need it are left out.
async fn get_metrics(Authorized { app, ctx, .. }: Authorized<OpsRead>) -> ApiResult {
    let overview = app.store.overview(ctx.now()).await;
    let overview = overview.inspect_err(|error| {
        tracing::warn!(%error, "metrics of the queues could not be read");
    });
    let last = ctx.store.last_reconciliation().await.ok().flatten();
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
    let now = app.ctx.now();
    let mut text = String::new();
    if let Some(overview) = overview {
        let url = &app.ctx.policy.authenticate_url;
        let sending = Gauge::<i64>::default();
        sending.set(i64::from(Diagnosis::new(overview, url, now).sending));
        let mut registry = Registry::with_prefix("guestlist");
        registry.register("sending", "Whether invitations and login links are sent", sending);
        encode_registry(&mut text, &registry)?;
    }
    encode_overview(overview, &mut text)?;
    encode_drift(last, now, &mut text)?;
    app.metrics.encode(&mut text)?;
    if let Some(metrics) = app.worker_metrics.get() {
        metrics.encode(&mut text)?;
    }
    encode_eof(&mut text)?;
    Ok(text)
}
