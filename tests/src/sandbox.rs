//! The local Stytch, as a test turns it.

use serde_json::{Value, json};

use crate::{Caller, SHORT, wait_until};

/// The sandbox's control plane.
#[derive(Debug, Clone)]
pub struct Stytch {
    caller: Caller,
}

/// A mail that would have been sent.
#[derive(Debug, Clone)]
pub struct Mail {
    /// To whom.
    pub to: String,
    /// `invite` or `login`.
    pub kind: String,
    /// The link.
    pub url: String,
    /// What the link carries.
    pub token: String,
}

impl Stytch {
    /// The one that is called so.
    pub fn by(caller: Caller) -> Self {
        Self { caller }
    }

    /// All mail to an address, oldest first.
    pub async fn emails(&self, to: &str) -> Vec<Mail> {
        let to: String = to.replace('%', "%25").replace('+', "%2B");
        read(&self.caller.get(&format!("/sandbox/emails?to={to}")).await.is(200).json())
    }

    /// All mail to anybody, oldest first.
    pub async fn all_emails(&self) -> Vec<Mail> {
        read(&self.caller.get("/sandbox/emails").await.is(200).json())
    }

    /// Waits for the `n`th mail to an address, counted from 1.
    pub async fn mail(&self, to: &str, n: usize) -> Mail {
        wait_until(SHORT, &format!("mail {n} to {to} has come"), async || {
            self.emails(to).await.into_iter().nth(n - 1)
        })
        .await
    }

    /// Turns a fault on; `{}` ends it.
    pub async fn faults(&self, faults: &Value) {
        let _ = self.put("/sandbox/faults", faults).await;
    }

    /// Ends every fault.
    pub async fn heal(&self) {
        self.faults(&json!({})).await;
    }

    /// What was called, and how it was answered.
    pub async fn stats(&self) -> Value {
        self.caller.get("/sandbox/stats").await.is(200).json()
    }

    /// How often a call was answered with a status.
    pub async fn calls(&self, route: &str, status: &str) -> u64 {
        self.stats().await["requests"][route][status].as_u64().unwrap_or(0)
    }

    /// Moves Stytch's clock on.
    pub async fn advance_clock(&self, seconds: i64) {
        let _ = self.put("/sandbox/clock", &json!({ "advance_seconds": seconds })).await;
    }

    /// Signs with another key from now on.
    pub async fn rotate_keys(&self) {
        let _ = self.caller.post_nothing("/sandbox/jwks/rotate").await.is(200);
    }

    async fn put(&self, path: &str, body: &Value) -> Value {
        let put = reqwest::Method::PUT;
        self.caller.call(put, path, Some("application/json"), body.to_string()).await.is(200).json()
    }
}

fn read(mails: &Value) -> Vec<Mail> {
    let text = |mail: &Value, field: &str| mail[field].as_str().unwrap().to_owned();
    let mails = mails.as_array().unwrap().iter();
    mails
        .map(|mail| Mail {
            to: text(mail, "to"),
            kind: text(mail, "kind"),
            url: text(mail, "url"),
            token: text(mail, "token"),
        })
        .collect()
}
