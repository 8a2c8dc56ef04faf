//! The worker's HTTP listener: `/healthz`, `/readyz` and `/metrics`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use guestlist_database::SqlStore;
use guestlist_domain::Ctx;
use http_listener::{AllowedHosts, Options, host, share_of_descriptors};
use prometheus_client::encoding::text::encode_eof;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::{Metrics, OPENMETRICS, encode_drift, encode_overview};
use crate::provider_guard::ProviderGuard;
use crate::setup::{listener, shutdown::DRAIN_TIMEOUT};

/// Few clients are expected: health checks and scrapers.
const MAX_CONNECTIONS: usize = 128;

/// The state of the worker's listener.
#[derive(Debug, Clone)]
pub struct HealthServer {
    pub ctx: Ctx,
    pub store: Arc<SqlStore>,
    /// Reports configuration errors of the provider.
    pub guard: ProviderGuard,
    pub metrics: Metrics,
}

impl HealthServer {
    /// Serves requests until `stop`.
    pub async fn serve(self, socket: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
        let address = socket.local_addr()?;
        // An address that is not local may be called by any name.
        let hosts = address.ip().is_loopback().then(|| AllowedHosts::for_listener(address));
        let routes = Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(self)
            .layer(middleware::from_fn_with_state(hosts, check_host));
        let max_connections = share_of_descriptors(8).min(MAX_CONNECTIONS);
        let options = Options { drain_timeout: DRAIN_TIMEOUT, ..Options::new(max_connections) };
        listener::serve(socket, routes, options, stop).await;
        Ok(())
    }
}

/// Refuses requests without a valid host and, on a loopback address, those for other hosts, which a
/// web page could cause by DNS rebinding.
async fn check_host(
    State(hosts): State<Option<AllowedHosts>>,
    request: Request,
    next: Next,
) -> Response {
    match host(&request) {
        Err(invalid) => (StatusCode::BAD_REQUEST, format!("{invalid}\n")).into_response(),
        Ok(Some(host)) if hosts.is_some_and(|hosts| !hosts.allows(&host)) => {
            let why = "this listener answers only to localhost and 127.0.0.1\n";
            (StatusCode::FORBIDDEN, why).into_response()
        }
        Ok(_) => next.run(request).await,
    }
}

async fn ready(State(health): State<HealthServer>) -> (StatusCode, String) {
    let no = |why: String| (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n"));
    if let Err(error) = health.store.database().check_file() {
        tracing::error!("{error}");
        return no(error.to_string());
    }
    if let Err(error) = health.ctx.store.ready().await {
        tracing::warn!(%error, "not ready");
        return no("the database is unavailable".to_owned());
    }
    match health.guard.remediation() {
        Some(remedy) => no(format!("{}. Fix: {}", remedy.problem, remedy.fix)),
        None => (StatusCode::OK, "ready\n".to_owned()),
    }
}

/// Serves local clients only. Others use the application's `/metrics` with an API key.
async fn metrics(
    State(health): State<HealthServer>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
) -> Response {
    if !client.ip().to_canonical().is_loopback() {
        let why = "only local clients; use the application's /metrics with an API key\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    let now = health.ctx.now();
    let last = health.ctx.store.last_reconciliation().await.ok().flatten();
    let overview = health.store.overview(now).await;
    let overview =
        overview.inspect_err(|error| tracing::warn!(%error, "the queues could not be read"));
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
