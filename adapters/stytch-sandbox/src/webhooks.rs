//! Webhooks about users, delivered in the background and kept in memory only.

mod event;
mod queue;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{sync::Notify, task::JoinSet, time};
use url::Url;

pub(crate) use self::event::{Action, Event, Source};
use self::queue::{Delivery, DeliveryAttempt, Message, Queue};
use crate::error::Error;
use crate::state::{clock, ids};

const MAX_CONCURRENT: usize = 8;
const TIMEOUT: Duration = Duration::from_secs(10);
const SECRET_PREFIX: &str = "whsec_";

/// The URL that receives events about users, and the secret that they are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// An `http` or `https` URL.
    pub url: String,
    /// `whsec_<base64>`, as Stytch's dashboard shows it.
    pub secret: String,
}

impl WebhookEndpoint {
    /// Generates a secret of 24 bytes, as Svix's are.
    pub fn generate_secret() -> String {
        format!("{SECRET_PREFIX}{}", STANDARD.encode(rand::random::<[u8; 24]>()))
    }
}

impl fmt::Debug for WebhookEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookEndpoint").field("url", &self.url).finish_non_exhaustive()
    }
}

/// A validated endpoint.
pub(crate) struct Endpoint {
    url: Url,
    key: hmac::Key,
}

impl Endpoint {
    fn new(endpoint: &WebhookEndpoint) -> Result<Self, Error> {
        let url = Url::parse(&endpoint.url).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(|| Error::WebhookUrl(endpoint.url.clone()))?;
        let secret = endpoint
            .secret
            .strip_prefix(SECRET_PREFIX)
            .and_then(|secret| STANDARD.decode(secret).ok());
        let secret = secret.filter(|bytes| !bytes.is_empty()).ok_or(Error::WebhookSecret)?;
        Ok(Self { url, key: hmac::Key::new(hmac::HMAC_SHA256, &secret) })
    }

    /// Returns the `svix-signature` header of a message.
    fn signature(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let signed = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
        format!("v1,{}", STANDARD.encode(hmac::sign(&self.key, &signed)))
    }
}

pub(crate) struct Webhooks {
    endpoint: Endpoint,
    project_id: String,
    http: reqwest::Client,
    queue: Mutex<Queue>,
    /// Wakes [`deliver`](Self::deliver) when the queue has changed.
    changed: Notify,
}

impl Webhooks {
    pub(crate) fn new(endpoint: &WebhookEndpoint, project_id: &str) -> Result<Self, Error> {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy() // Receivers usually run on the same machine.
            .user_agent(concat!("stytch-sandbox/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::Webhooks(error.to_string()))?;
        Ok(Self {
            endpoint: Endpoint::new(endpoint)?,
            project_id: project_id.to_owned(),
            http,
            queue: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// Schedules events for delivery.
    pub(crate) fn publish(&self, events: Vec<Event>, now: Timestamp) {
        if events.is_empty() {
            return;
        }
        let mut queue = self.queue.lock();
        for event in events {
            queue.add(self.message(event, now), Instant::now());
        }
        drop(queue);
        self.changed.notify_one();
    }

    fn message(&self, event: Event, now: Timestamp) -> Message {
        Message {
            id: ids::message(),
            event_type: event.event_type(),
            created_at: now,
            delivered: false,
            attempts: Vec::new(),
            body: Bytes::from(event.body(&self.project_id, now).to_string()),
            user_id: event.user_id,
        }
    }

    /// Returns the endpoint and its messages, oldest first; with `user_id`, those about one user.
    pub(crate) fn to_json(&self, user_id: Option<&str>) -> Value {
        let queue = self.queue.lock();
        let messages = queue.messages();
        let messages: Vec<_> =
            messages.filter(|message| user_id.is_none_or(|id| id == message.user_id)).collect();
        let url = self.endpoint.url.as_str();
        json!({"url": url, "paused": queue.paused, "messages": messages})
    }

    pub(crate) fn set_paused(&self, paused: bool) {
        self.queue.lock().paused = paused;
        self.changed.notify_one();
    }

    /// Sends a message again, even while paused. Returns the message as JSON, or `None` if there is
    /// no such message.
    pub(crate) fn resend(&self, id: &str) -> Option<Value> {
        let message = self.queue.lock().resend(id, Instant::now()).map(|message| json!(message));
        self.changed.notify_one();
        message
    }

    /// Delivers messages when they are due. Never returns.
    pub(crate) async fn deliver(self: Arc<Self>) {
        let mut attempts = JoinSet::new();
        loop {
            while attempts.len() < MAX_CONCURRENT
                && let Some((delivery, id, body)) = self.take()
            {
                attempts.spawn(self.clone().attempt(delivery, id, body));
            }
            let next = self.queue.lock().next_at().filter(|_| attempts.len() < MAX_CONCURRENT);
            tokio::select! {
                () = self.changed.notified() => {}
                Some(_) = attempts.join_next() => {}
                () = sleep_until(next) => {}
            }
        }
    }

    fn take(&self) -> Option<(Delivery, String, Bytes)> {
        self.queue.lock().take(Instant::now())
    }

    async fn attempt(self: Arc<Self>, delivery: Delivery, id: String, body: Bytes) {
        let at = clock::now(0);
        let result = self.send(&id, at, body).await;
        let status = result.as_ref().ok().map(StatusCode::as_u16);
        let attempt = DeliveryAttempt { at, status, error: result.err() };
        self.queue.lock().finish(delivery, attempt, Instant::now());
    }

    /// Sends a message. The timestamp is the system's, not the sandbox's: receivers compare it with
    /// their own clock.
    async fn send(&self, id: &str, at: Timestamp, body: Bytes) -> Result<StatusCode, String> {
        let timestamp = at.as_second();
        let request = self
            .http
            .post(self.endpoint.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("svix-id", id)
            .header("svix-timestamp", timestamp)
            .header("svix-signature", self.endpoint.signature(id, timestamp, &body))
            .body(body);
        match request.send().await {
            Ok(response) => Ok(response.status()),
            Err(error) if error.is_timeout() => {
                Err(format!("no answer within {} s", TIMEOUT.as_secs()))
            }
            Err(error) if error.is_connect() => Err("no connection".to_owned()),
            Err(error) => Err(error.without_url().to_string()),
        }
    }
}

async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, WebhookEndpoint};

    fn endpoint(url: &str, secret: &str) -> Result<Endpoint, String> {
        let endpoint = WebhookEndpoint { url: url.to_owned(), secret: secret.to_owned() };
        Endpoint::new(&endpoint).map_err(|error| error.to_string())
    }

    #[test]
    fn a_message_is_signed_as_in_the_example_of_svix() {
        let secret = "whsec_plJ3nmyCDGBKInavdOK15jsl";
        let Ok(endpoint) = endpoint("http://localhost/", secret) else { panic!("it is usable") };
        let body = br#"{"event_type":"ping","data":{"success":true}}"#;
        let signature = endpoint.signature("msg_loFOjxBNrRLzqYUf", 1_731_705_121, body);
        assert_eq!(signature, "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=");
    }

    #[test]
    fn an_invalid_endpoint_is_rejected() {
        let secret = WebhookEndpoint::generate_secret();
        assert!(endpoint("https://example.com/hooks", &secret).is_ok());
        for url in ["", "localhost:3000", "ftp://example.com/", "/hooks"] {
            assert!(endpoint(url, &secret).is_err_and(|e| e.contains("webhook URL")), "{url}");
        }
        for secret in ["", "whsec_", "whsec_?", "c2VjcmV0"] {
            let result = endpoint("http://localhost/", secret);
            assert!(result.is_err_and(|e| e.contains("whsec_")), "{secret}");
        }
    }
}
