//! Sockets of the worker and the application.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http_listener::{Options, RequestBody};
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Binds an address. An error names the address and the variable that changes it.
pub async fn listen(address: SocketAddr, variable: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| bind_error(address, variable, &error))
}

/// Binds a UDP address. Its errors are those of [`listen`].
pub async fn bind_udp(address: SocketAddr, variable: &str) -> anyhow::Result<UdpSocket> {
    UdpSocket::bind(address).await.map_err(|error| bind_error(address, variable, &error))
}

fn bind_error(address: SocketAddr, variable: &str, error: &io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::AddrInUse {
        anyhow::anyhow!("{address} is in use; stop what listens there, or set {variable}")
    } else {
        anyhow::anyhow!("can't listen on {address}: {error}; set {variable}")
    }
}

/// Serves routes until `stop`, and then until requests in progress have ended or are dropped.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    options: Options,
    stop: CancellationToken,
) {
    let make_service = move |client: SocketAddr| {
        routes.clone().map_request(move |request: axum::http::Request<RequestBody>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(client));
            request
        })
    };
    http_listener::serve(listener, options, stop, make_service).await;
}
