//! Why a sandbox can't start or go on. Each message names the thing and what to do about it.

use std::{io, net::SocketAddr, path::PathBuf};

/// Why a sandbox can't start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something else listens there already.
    #[error(
        "port {} is in use, perhaps by another sandbox: stop that program, or choose another \
         address (SANDBOX_LISTEN_ADDR={}:0 picks a free port)", .0.port(), .0.ip()
    )]
    PortInUse(SocketAddr),
    /// The address can't be listened on for another reason.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// Where it should have listened.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The state file is not one of ours, or damaged. It is left as it is.
    #[error(
        "{}, line {line}: {reason}. Nothing was changed; move the file away to start afresh",
        path.display()
    )]
    CorruptState {
        /// The state file.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Another sandbox runs on the same state file.
    #[error("{} is in use by another sandbox: stop that one, or name another file", .0.display())]
    StateInUse(PathBuf),
    /// The state file can't be read or written.
    #[error("{}: {source}", path.display())]
    State {
        /// The state file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An allowed redirect URL is not a URL.
    #[error(
        "redirect URL {0:?} is not an absolute http or https URL, which may have invite=, login= or \
         signup= before it"
    )]
    RedirectUrl(String),
    /// Webhooks can't go to what was given.
    #[error("webhook URL {0:?} is not an absolute http or https URL")]
    WebhookUrl(String),
    /// The secret of the webhooks is not one.
    #[error("the webhook secret must be whsec_ and then base64, as Stytch's dashboard shows it")]
    WebhookSecret,
    /// Webhooks can't be sent at all.
    #[error("webhooks: {0}")]
    Webhooks(String),
    /// The signing key could not be made or read.
    #[error("signing key: {0}")]
    Key(String),
}
