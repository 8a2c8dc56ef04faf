//! Options of a sandbox and the credentials of its project.

use std::{fmt, net::SocketAddr, path::PathBuf};

use crate::{state::ids, webhooks::WebhookEndpoint};

/// Options of a sandbox. [`Options::new`] sets defaults.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address to listen on; port 0 picks a free port.
    pub listen: SocketAddr,
    /// Further hosts to answer to, besides local ones and the listen address.
    pub allowed_hosts: Vec<String>,
    /// The credentials to accept.
    pub credentials: Credentials,
    /// The allowed redirect URLs, matched as Stytch does, each for all kinds of mail or for those
    /// in its prefix, as in `invite,login=https://example.com/in`. If empty, all URLs on
    /// `localhost`, its subdomains, `127.0.0.1` and `[::1]` are allowed.
    pub redirect_urls: Vec<String>,
    /// Whether local URLs are allowed beside the `redirect_urls`.
    pub local_redirects: bool,
    /// Whether a mailed link redirects with a 302, instead of a page with a script.
    pub plain_redirect: bool,
    /// The file to store the state in. Without one, it is kept in memory.
    pub state: Option<PathBuf>,
    /// Whether a second mail to one address within a second is rejected, as Stytch does.
    pub mail_limit: bool,
    /// The endpoint for webhooks about users. Without one, none are sent.
    pub webhook: Option<WebhookEndpoint>,
}

impl Options {
    /// Creates options with the defaults: state in memory, all local redirect URLs, one mail per
    /// second and address, no webhooks.
    pub fn new(listen: SocketAddr, credentials: Credentials) -> Self {
        Self {
            listen,
            allowed_hosts: Vec::new(),
            credentials,
            redirect_urls: Vec::new(),
            local_redirects: false,
            plain_redirect: false,
            state: None,
            mail_limit: true,
            webhook: None,
        }
    }
}

/// A project id and its secret, which requests carry as HTTP Basic authentication.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `project-test-<uuid>`.
    pub project_id: String,
    /// `secret-test-<opaque>`.
    pub secret: String,
}

impl Credentials {
    /// Generates random credentials in the format of Stytch's test environment.
    pub fn generate() -> Self {
        Self { project_id: ids::id("project"), secret: format!("secret-test-{}=", ids::token()) }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("project_id", &self.project_id).finish_non_exhaustive()
    }
}
