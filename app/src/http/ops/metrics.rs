//! How it all stands, for Prometheus. What workers count of themselves is at their own addresses,
//! and here too where one runs in this process.

use std::fmt;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use guestlist_database::board::Overview;
use guestlist_worker::metrics::{OPENMETRICS, encode_overview};
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
    let overview = app.store().overview(now).await?;
    let status = Status::of(&overview, &app.ctx().policy.authenticate_url, now);
    let text = encode(&app, &overview, &status).map_err(|error| {
        tracing::error!(%error, "the metrics could not be written");
        Problem::internal()
    })?;
    Ok(([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response())
}

fn encode(app: &App, overview: &Overview, status: &Status) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("guestlist");
    let sending = Gauge::<i64>::default();
    sending.set(i64::from(status.sending));
    registry.register("sending", "Whether invitations and login links go out", sending);
    let mut text = String::new();
    encode_registry(&mut text, &registry)?;
    encode_overview(overview, &mut text)?;
    app.requests().encode(&mut text)?;
    app.encode_worker_metrics(&mut text)?;
    encode_eof(&mut text)?;
    Ok(text)
}
