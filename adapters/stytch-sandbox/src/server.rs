//! The HTTP server. It sits below any framework, because a fault may ask for a connection to be
//! dropped without an answer.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{Request, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Error, Options, answer::HttpResponse, api, call::Call, control, project::Project,
    refusal::Refusal,
};

const MOST_BODY_BYTES: usize = 1024 * 1024;
/// How long open calls may take once the sandbox is to stop.
const GRACE: Duration = Duration::from_secs(3);

/// A local Stytch, bound to its port, not yet serving.
pub struct Sandbox {
    listener: TcpListener,
    address: SocketAddr,
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
        let project = tokio::task::spawn_blocking(move || Project::open(&options))
            .await
            .map_err(|error| Error::Key(error.to_string()))??;
        Ok(Self { listener, address, project: Arc::new(project) })
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
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection(stream, self.project.clone(), shutdown.clone()));
                    }
                    Err(error) => {
                        // Out of file descriptors, most likely: others must end first.
                        tracing::warn!(%error, "a connection could not be accepted");
                        time::sleep(Duration::from_millis(50)).await;
                    }
                },
            }
        }
        drop(self.listener);
        let all_ended = async { while connections.join_next().await.is_some() {} };
        if time::timeout(GRACE, all_ended).await.is_err() {
            connections.shutdown().await;
        }
        Ok(())
    }
}

async fn connection(stream: TcpStream, project: Arc<Project>, shutdown: CancellationToken) {
    // Small answers must not wait for the acknowledgement of the ones before.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let project = project.clone();
        async move { answer(&project, request).await }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// An error drops the connection.
async fn answer(project: &Project, request: Request<Incoming>) -> io::Result<HttpResponse> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, MOST_BODY_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Ok(too_large().into_response()),
        Err(error) => return Err(io::Error::other(error)),
    };
    let call = Call::new(parts, body);
    if call.path != "/v1" && !call.path.starts_with("/v1/") {
        return Ok(control::handle(project, call).await);
    }
    let outcome = api::handle(project, call);
    if !outcome.delay.is_zero() {
        time::sleep(outcome.delay).await;
    }
    outcome.response.ok_or_else(|| io::Error::other("dropped, as the fault asks"))
}

fn too_large() -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "bad_request", "The body is over 1 MiB.")
}

fn refused(address: SocketAddr, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::AddrInUse => Error::PortInUse(address),
        _ => Error::Listen { address, source },
    }
}
