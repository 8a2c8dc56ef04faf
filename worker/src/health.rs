//! The worker's own address: whether it lives, whether it can work, what it counts.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use guestlist_database::SqlStore;
use guestlist_domain::Ctx;
use prometheus_client::encoding::text::encode_eof;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::{Metrics, OPENMETRICS, encode_drift, encode_overview};
use crate::protection::Protection;

/// What is told at the worker's address.
#[derive(Debug, Clone)]
pub struct Health {
    /// Whether the database can be used.
    pub ctx: Ctx,
    /// How the queues stand.
    pub store: Arc<SqlStore>,
    /// Whether Stytch takes our settings.
    pub protection: Protection,
    /// What was counted.
    pub metrics: Metrics,
}

impl Health {
    /// Serves `/healthz`, `/readyz` and `/metrics` until told to stop.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> std::io::Result<()> {
        let routes = Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(self)
            .into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned()).await
    }
}

async fn ready(State(health): State<Health>) -> (StatusCode, String) {
    let no = |why: String| (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n"));
    if let Err(error) = health.ctx.store.ready().await {
        tracing::warn!(%error, "not ready");
        return no("the database can't be used".to_owned());
    }
    match health.protection.advice() {
        Some(advice) => no(format!("{}. Fix: {}", advice.problem, advice.fix)),
        None => (StatusCode::OK, "ready\n".to_owned()),
    }
}

/// Open to this machine only: who calls from elsewhere asks the application, with a key.
async fn metrics(
    State(health): State<Health>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
) -> Response {
    if !client.ip().to_canonical().is_loopback() {
        let why = "only from this machine; the application's /metrics takes an API key\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    let now = health.ctx.now();
    let last = health.ctx.store.last_reconciliation().await.ok().flatten();
    let overview = health.store.overview(now).await;
    let overview = overview.inspect_err(|error| tracing::warn!(%error, "the queues can't be read"));
    let mut text = String::new();
    let written = encode_overview(overview.as_ref().ok(), &mut text)
        .and_then(|()| encode_drift(last.as_ref(), now, &mut text))
        .and_then(|()| health.metrics.encode(&mut text))
        .and_then(|()| encode_eof(&mut text));
    match written {
        Ok(()) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
