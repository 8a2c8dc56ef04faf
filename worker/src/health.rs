//! The worker's own address: whether it lives, whether it can work, what it counts.

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
use crate::protection::Protection;
use crate::shutdown::DRAIN;

/// Probes and scrapers are few.
const MOST_CONNECTIONS: usize = 128;

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
        let address = listener.local_addr()?;
        // Those who reach an address that is not local may call it by any name.
        let hosts = address.ip().is_loopback().then(|| AllowedHosts::for_listener(address));
        let routes = Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(self)
            .layer(middleware::from_fn_with_state(hosts, check_host));
        let max_connections = share_of_descriptors(8).min(MOST_CONNECTIONS);
        let options = Options { drain_timeout: DRAIN, ..Options::new(max_connections) };
        crate::serve(listener, routes, options, stop).await;
        Ok(())
    }
}

/// Refuses requests without a valid host, and on a loopback address those for another host: a web
/// page must not read it by a name of its own that leads here (DNS rebinding).
async fn check_host(
    State(hosts): State<Option<AllowedHosts>>,
    request: Request,
    next: Next,
) -> Response {
    match host(&request) {
        Err(invalid) => (StatusCode::BAD_REQUEST, format!("{invalid}\n")).into_response(),
        Ok(Some(host)) if hosts.is_some_and(|hosts| !hosts.allows(&host)) => {
            let why = "only for localhost; call it by that name, or by 127.0.0.1\n";
            (StatusCode::FORBIDDEN, why).into_response()
        }
        Ok(_) => next.run(request).await,
    }
}

async fn ready(State(health): State<Health>) -> (StatusCode, String) {
    let no = |why: String| (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n"));
    if let Err(gone) = health.store.database().check_file() {
        tracing::error!("{gone}");
        return no(gone.to_string());
    }
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
