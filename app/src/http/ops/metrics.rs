//! How it all stands, for Prometheus. What workers count of themselves is at their own addresses,
//! and here too where one runs in this process.

use std::fmt;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use guestlist_database::board::Overview;
use guestlist_domain::Reconciliation;
use guestlist_worker::metrics::{OPENMETRICS, encode_drift, encode_overview};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::http::auth::{May, OpsRead};
use crate::http::problem::Problem;
use crate::http::state::App;
use crate::operations::Status;

/// `GET /metrics`
pub async fn metrics(_: May<OpsRead>, State(app): State<App>) -> Result<Response, Problem> {
    let now = app.ctx().now();
    let overview = app.store().overview(now).await;
    let overview = overview.inspect_err(|error| tracing::warn!(%error, "the queues can't be read"));
    let last = app.ctx().store.last_reconciliation().await.ok().flatten();
    let text = encode(&app, overview.as_ref().ok(), last.as_ref()).map_err(|error| {
        tracing::error!(%error, "the metrics could not be written");
        Problem::internal()
    })?;
    Ok(([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response())
}

fn encode(
    app: &App,
    overview: Option<&Overview>,
    last: Option<&Reconciliation>,
) -> Result<String, fmt::Error> {
    let mut text = String::new();
    if let Some(overview) = overview {
        let url = &app.ctx().policy.authenticate_url;
        let sending = Gauge::<i64>::default();
        sending.set(i64::from(Status::new(overview, url, app.ctx().now()).sending));
        let mut registry = Registry::with_prefix("guestlist");
        registry.register("sending", "Whether invitations and login links go out", sending);
        encode_registry(&mut text, &registry)?;
    }
    encode_overview(overview, &mut text)?;
    encode_drift(last, app.ctx().now(), &mut text)?;
    app.requests().encode(&mut text)?;
    app.encode_worker_metrics(&mut text)?;
    encode_eof(&mut text)?;
    Ok(text)
}
