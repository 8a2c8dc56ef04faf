//! The HTTP server: checks hosts and origins, reads bodies, and routes each request to the API or
//! to the control plane.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use http_listener::{
    AllowedHosts, BodyTimedOut, RequestBody, host, is_cross_origin, share_of_descriptors,
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tower::{ServiceExt, service_fn};

use crate::{
    api, control, error::Error, faults::ConnectionDropped, options::Options, response::ApiError,
    state::Project,
};

const MAX_BODY_BYTES: usize = 1024 * 1024;
/// The time that requests under way may take once the sandbox shuts down.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// A local Stytch that is bound to its port and not yet serving.
pub struct Sandbox {
    listener: TcpListener,
    address: SocketAddr,
    hosts: AllowedHosts,
    project: Arc<Project>,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Binds the port and opens the state file. Generates a signing key if there is none.
    pub async fn bind(options: Options) -> Result<Self, Error> {
        let listen = options.listen;
        let listener =
            TcpListener::bind(listen).await.map_err(|error| listen_error(listen, error))?;
        let address = listener.local_addr().map_err(|error| listen_error(listen, error))?;
        let allowed = options.allowed_hosts.iter().filter(|host| !host.is_empty());
        let hosts =
            allowed.fold(AllowedHosts::for_listener(address), |hosts, host| hosts.with_host(host));
        let project = tokio::task::spawn_blocking(move || Project::open(&options))
            .await
            .map_err(|error| Error::Key(error.to_string()))??;
        Ok(Self { listener, address, hosts, project: Arc::new(project) })
    }

    /// Returns the address that the sandbox listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns the base URL for SDKs and browsers, such as `http://127.0.0.1:3002`.
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        format!("http://{address}")
    }

    /// Serves until `shutdown` is cancelled, then lets requests under way end, for 3 seconds at
    /// most.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), Error> {
        let mut deliveries = JoinSet::new();
        if let Some(webhooks) = self.project.webhooks.clone() {
            deliveries.spawn(webhooks.deliver());
        }
        let options = http_listener::Options {
            drain_timeout: DRAIN_TIMEOUT,
            ..http_listener::Options::new(share_of_descriptors(8))
        };
        let server = Arc::new(Server {
            hosts: self.hosts,
            api: api::router(Arc::clone(&self.project)),
            control: control::router(self.project),
        });
        let make_service = |_client| {
            let server = Arc::clone(&server);
            service_fn(move |request| respond(Arc::clone(&server), request))
        };
        http_listener::serve(self.listener, options, shutdown, make_service).await;
        Ok(())
    }
}

struct Server {
    hosts: AllowedHosts,
    api: Router,
    control: Router,
}

/// Returns the response. An error drops the connection without a response.
async fn respond(
    server: Arc<Server>,
    request: axum::http::Request<RequestBody>,
) -> io::Result<Response> {
    if let Err(error) = check_origin(&request, &server.hosts) {
        return Ok(error.into_response());
    }
    let request = match read_body(request).await? {
        Ok(request) => request,
        Err(error) => return Ok(error.into_response()),
    };
    let path = request.uri().path();
    let is_api = path == "/v1" || path.starts_with("/v1/");
    let router = if is_api { &server.api } else { &server.control };
    let Ok::<_, Infallible>(response) = router.clone().oneshot(request).await;
    if response.extensions().get::<ConnectionDropped>().is_some() {
        return Err(io::Error::other("dropped by a fault"));
    }
    Ok(response)
}

/// Rejects requests for a host that is not allowed and requests made by pages of another origin. The
/// inbox holds login links and needs no credentials, so a page that a developer visits must neither
/// read it nor change anything.
fn check_origin<B>(request: &Request<B>, hosts: &AllowedHosts) -> Result<(), ApiError> {
    let host = host(request)
        .map_err(|invalid| ApiError::bad_request("invalid_host", invalid.to_string()))?;
    if let Some(other) = host.as_ref().filter(|host| !hosts.allows(host)) {
        let message = format!(
            "The sandbox does not answer to the host {other}. Call it as localhost or 127.0.0.1, or \
             allow the host by --allowed-host or SANDBOX_ALLOWED_HOSTS."
        );
        return Err(ApiError::new(StatusCode::FORBIDDEN, "host_not_allowed", message));
    }
    if is_cross_origin(request.method(), request.headers(), host.as_ref()) {
        let message = "A page of another origin made this request.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "cross_origin", message));
    }
    Ok(())
}

/// Reads the whole body, so that handlers run to completion even if the client disconnects.
async fn read_body(
    request: axum::http::Request<RequestBody>,
) -> io::Result<Result<Request, ApiError>> {
    let (parts, body) = request.into_parts();
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(body) => Ok(Ok(Request::from_parts(parts, Body::from(body.to_bytes())))),
        Err(error) if error.is::<LengthLimitError>() => Ok(Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "bad_request",
            "The body is over 1 MiB.",
        ))),
        Err(error) if error.is::<BodyTimedOut>() => Ok(Err(ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "The body did not arrive in time.",
        ))),
        Err(error) => Err(io::Error::other(error)),
    }
}

fn listen_error(address: SocketAddr, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::AddrInUse => Error::PortInUse(address),
        _ => Error::Listen { address, source },
    }
}
