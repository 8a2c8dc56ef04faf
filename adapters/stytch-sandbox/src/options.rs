//! Options of a sandbox.

use std::{fmt, net::SocketAddr, path::PathBuf};

use crate::{credentials::Credentials, webhooks::WebhookEndpoint};

/// Options of a sandbox. [`Options::new`] sets defaults.
#[derive(Clone)]
pub struct Options {
    /// The address to listen on; port 0 picks a free port.
    pub listen: SocketAddr,
    /// Further hosts to answer to, besides local ones and the listen address.
    pub allowed_hosts: Vec<String>,
    /// The project id to accept.
    pub project_id: String,
    /// The secret to accept.
    pub secret: String,
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
            project_id: credentials.project_id,
            secret: credentials.secret,
            redirect_urls: Vec::new(),
            local_redirects: false,
            plain_redirect: false,
            state: None,
            mail_limit: true,
            webhook: None,
        }
    }

    pub(crate) fn credentials(&self) -> Credentials {
        Credentials { project_id: self.project_id.clone(), secret: self.secret.clone() }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("listen", &self.listen)
            .field("allowed_hosts", &self.allowed_hosts)
            .field("project_id", &self.project_id)
            .field("redirect_urls", &self.redirect_urls)
            .field("local_redirects", &self.local_redirects)
            .field("plain_redirect", &self.plain_redirect)
            .field("state", &self.state)
            .field("mail_limit", &self.mail_limit)
            .field("webhook", &self.webhook)
            .finish_non_exhaustive()
    }
}
