//! The HTTP server. It sits below any framework, because a fault may ask for a connection to be
//! dropped without an answer.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::{BodyExt, LengthLimitError, Limited};
use http_listener::{AllowedHosts, BodyTimedOut, RequestBody, share_of_descriptors};
use hyper::{Request, StatusCode};
use tokio::{net::TcpListener, task::JoinSet, time};
use tokio_util::sync::CancellationToken;
use tower::service_fn;

use crate::{
    Error, Options, answer::HttpResponse, api, call::Call, control, guard, project::Project,
    refusal::Refusal,
};

const MOST_BODY_BYTES: usize = 1024 * 1024;
/// How long open calls may take once the sandbox is to stop.
const GRACE: Duration = Duration::from_secs(3);

/// A local Stytch, bound to its port, not yet serving.
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
    /// Takes the port, then the state file; makes the signing key if there is none.
    pub async fn bind(options: Options) -> Result<Self, Error> {
        let listen = options.listen;
        let listener = TcpListener::bind(listen).await.map_err(|error| refused(listen, error))?;
        let address = listener.local_addr().map_err(|error| refused(listen, error))?;
        let given = options.allowed_hosts.iter().filter(|host| !host.is_empty());
        let hosts = given.fold(AllowedHosts::of_listener(address), |hosts, host| hosts.and(host));
        let project = tokio::task::spawn_blocking(move || Project::open(&options))
            .await
            .map_err(|error| Error::Key(error.to_string()))??;
        Ok(Self { listener, address, hosts, project: Arc::new(project) })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for SDKs and browsers, such as `http://127.0.0.1:3002`.
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        format!("http://{address}")
    }

    /// Serves until `shutdown` is cancelled, then lets open calls end, for some seconds at most.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), Error> {
        let mut deliveries = JoinSet::new();
        if let Some(webhooks) = self.project.webhooks.clone() {
            deliveries.spawn(webhooks.deliver());
        }
        let options = http_listener::Options {
            drain_timeout: GRACE,
            ..http_listener::Options::new(share_of_descriptors(8))
        };
        let (project, hosts) = (self.project, Arc::new(self.hosts));
        let make_service = |_client| {
            let (project, hosts) = (Arc::clone(&project), Arc::clone(&hosts));
            service_fn(move |request| answer(Arc::clone(&project), Arc::clone(&hosts), request))
        };
        http_listener::serve(self.listener, options, shutdown, make_service).await;
        Ok(())
    }
}

/// An error drops the connection.
async fn answer(
    project: Arc<Project>,
    hosts: Arc<AllowedHosts>,
    request: Request<RequestBody>,
) -> io::Result<HttpResponse> {
    if let Err(refusal) = guard::check(&request, &hosts) {
        return Ok(refusal.into_response());
    }
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, MOST_BODY_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Ok(too_large().into_response()),
        Err(error) if error.is::<BodyTimedOut>() => return Ok(too_slow().into_response()),
        Err(error) => return Err(io::Error::other(error)),
    };
    let call = Call::new(parts, body);
    if call.path != "/v1" && !call.path.starts_with("/v1/") {
        return Ok(control::handle(&project, call).await);
    }
    let outcome = api::handle(&project, call);
    if !outcome.delay.is_zero() {
        time::sleep(outcome.delay).await;
    }
    outcome.response.ok_or_else(|| io::Error::other("dropped, as the fault asks"))
}

fn too_large() -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "bad_request", "The body is over 1 MiB.")
}

fn too_slow() -> Refusal {
    Refusal::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "The body did not arrive in time.")
}

fn refused(address: SocketAddr, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::AddrInUse => Error::PortInUse(address),
        _ => Error::Listen { address, source },
    }
}
