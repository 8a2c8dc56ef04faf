//! What `dev` prints once everything runs.

use guestlist_domain::Email;
use serde_json::json;

/// URLs and credentials, printed once everything runs.
pub struct Banner {
    pub url: String,
    pub sandbox_url: String,
    pub worker_url: String,
    pub api_key: String,
    pub admin: Email,
    pub login_url: String,
}

impl Banner {
    /// Returns one line of JSON.
    pub fn json(&self) -> String {
        let Self { url, sandbox_url, worker_url, api_key, admin, login_url } = self;
        let value = json!({
            "url": url,
            "sandbox_url": sandbox_url,
            "worker_url": worker_url,
            "api_key": api_key,
            "admin_email": admin.as_str(),
            "login_url": login_url,
        });
        value.to_string()
    }

    /// Returns a text for people.
    pub fn text(&self) -> String {
        let Self { url, sandbox_url, worker_url, api_key, admin, login_url } = self;
        format!(
            "
Guestlist is running.

  Log in as {admin}:
    {login_url}

  Application   {url}
  Inbox         {sandbox_url}/inbox   (no mail leaves this machine)
  Worker        {worker_url}/readyz
  API key       {api_key}

  Invite someone:
    curl -sS {url}/v1/invitations -H 'authorization: Bearer {api_key}' \\
      -H 'content-type: application/json' -d '{{\"email\": \"ada@example.com\"}}'

Press Ctrl-C to stop. All data is kept for the next start.
",
            admin = admin.as_str(),
        )
    }
}
