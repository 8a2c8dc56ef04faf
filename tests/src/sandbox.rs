//! The control API of the local Stytch sandbox.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{Caller, SHORT, wait_until};

/// A client of the sandbox's control API below `/sandbox`.
#[derive(Debug, Clone)]
pub struct SandboxClient {
    caller: Caller,
}

/// An email in the sandbox's outbox.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The recipient's address.
    pub to: String,
    /// `invite` or `login`.
    pub kind: String,
    /// The magic link.
    pub url: String,
    /// The token in the magic link.
    pub token: String,
}

impl Mail {
    /// Returns the path and query of the magic link.
    pub fn path(&self) -> &str {
        let host = self.url.find("/authenticate").expect("a link to /authenticate");
        &self.url[host..]
    }
}

impl SandboxClient {
    /// Creates a client whose caller has the sandbox as its base URL.
    pub fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// Returns every email to an address, oldest first.
    pub async fn emails(&self, to: &str) -> Vec<Mail> {
        let to: String = to.replace('%', "%25").replace('+', "%2B");
        self.outbox(&format!("?to={to}")).await
    }

    /// Returns every email to any address, oldest first.
    pub async fn all_emails(&self) -> Vec<Mail> {
        self.outbox("").await
    }

    async fn outbox(&self, query: &str) -> Vec<Mail> {
        let mails = self.caller.get(&format!("/sandbox/emails{query}")).await.is(200).json();
        let text = |mail: &Value, field: &str| mail[field].as_str().unwrap().to_owned();
        let mail = |mail: &Value| Mail {
            to: text(mail, "to"),
            kind: text(mail, "kind"),
            url: text(mail, "url"),
            token: text(mail, "token"),
        };
        mails.as_array().unwrap().iter().map(mail).collect()
    }

    /// Waits for the `n`th email to an address, counted from 1.
    pub async fn nth_email(&self, to: &str, n: usize) -> Mail {
        wait_until(SHORT, &format!("email {n} to {to} arrives"), async || {
            self.emails(to).await.into_iter().nth(n - 1)
        })
        .await
    }

    /// Replaces the injected faults; `{}` removes them.
    pub async fn set_faults(&self, faults: &Value) {
        self.put("/sandbox/faults", faults).await;
    }

    /// Removes every injected fault.
    pub async fn clear_faults(&self) {
        self.set_faults(&json!({})).await;
    }

    /// Returns the counts of requests by route and status.
    pub async fn stats(&self) -> Value {
        self.caller.get("/sandbox/stats").await.is(200).json()
    }

    /// Returns how many requests of a route were answered with a status.
    pub async fn call_count(&self, route: &str, status: &str) -> u64 {
        self.stats().await["requests"][route][status].as_u64().unwrap_or(0)
    }

    /// Advances the sandbox's clock; a negative number sets it back.
    pub async fn advance_clock(&self, seconds: i64) {
        self.put("/sandbox/clock", &json!({ "advance_seconds": seconds })).await;
    }

    /// Signs JWTs with a new key from now on.
    pub async fn rotate_keys(&self) {
        let _ = self.caller.post_nothing("/sandbox/jwks/rotate").await.is(200);
    }

    async fn put(&self, path: &str, body: &Value) {
        let json = Some("application/json");
        let _ = self.caller.call(Method::PUT, path, json, body.to_string()).await.is(200);
    }
}
