use std::{io, net::SocketAddr, path::PathBuf};

/// An error that prevents a sandbox from starting or serving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another program listens on the port.
    #[error(
        "port {} is in use, possibly by another sandbox: stop that program, or choose another \
         address (SANDBOX_LISTEN_ADDR={}:0 picks a free port)", .0.port(), .0.ip()
    )]
    PortInUse(SocketAddr),
    /// The sandbox can't listen on the address, for another reason than a port in use.
    #[error("can't listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    /// The state file is damaged or was not written by this version. It stays unchanged.
    #[error(
        "{}, line {line}: {reason}. The file was not changed; move it away to start with an empty state",
        path.display()
    )]
    CorruptState {
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        reason: String,
    },
    /// Another sandbox uses the state file.
    #[error("{} is in use by another sandbox: stop it, or give another file", .0.display())]
    StateInUse(PathBuf),
    /// The state file can't be read or written.
    #[error("{}: {source}", path.display())]
    State { path: PathBuf, source: io::Error },
    /// An allowed redirect URL is not a URL.
    #[error(
        "redirect URL {0:?} is not an absolute http or https URL, with an optional prefix such as \
         invite,login="
    )]
    RedirectUrl(String),
    /// The webhook URL is not a URL.
    #[error("webhook URL {0:?} is not an absolute http or https URL")]
    WebhookUrl(String),
    /// The webhook secret is malformed.
    #[error("the webhook secret must be whsec_ and then base64, as Stytch's dashboard shows it")]
    WebhookSecret,
    /// The HTTP client for webhooks can't be built.
    #[error("webhooks: {0}")]
    Webhooks(String),
    /// The signing key can't be generated or read.
    #[error("signing key: {0}")]
    Key(String),
}
