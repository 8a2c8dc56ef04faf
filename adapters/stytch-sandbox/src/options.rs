//! What a sandbox is started with.

use std::{fmt, net::SocketAddr, path::PathBuf};

use crate::{Credentials, WebhookEndpoint};

/// What a sandbox is started with. [`Options::new`] has the defaults; change the fields after.
#[derive(Clone)]
pub struct Options {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Hosts to answer to besides local ones and the address it listens on.
    pub allowed_hosts: Vec<String>,
    /// The project id it accepts.
    pub project_id: String,
    /// The secret it accepts.
    pub secret: String,
    /// The allowed redirect URLs, matched as Stytch matches them, each for all kinds of mail or for
    /// those named before it, as in `invite,login=https://example.com/in`. Empty: anything on
    /// `localhost` and names below it, and on `127.0.0.1`.
    pub redirect_urls: Vec<String>,
    /// Allow anything local beside the `redirect_urls`.
    pub local_redirects: bool,
    /// Send browsers on from a mailed link with a plain 302, in place of a page with a script.
    pub plain_redirect: bool,
    /// The file that keeps everything; without one it is forgotten at the end.
    pub state: Option<PathBuf>,
    /// Refuse a second mail to one address within a second, as Stytch does.
    pub mail_limit: bool,
    /// Where to tell of every change of a user; without one nothing is told.
    pub webhook: Option<WebhookEndpoint>,
}

impl Options {
    /// In memory, any local redirect URL, one mail a second to an address, no webhooks.
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
