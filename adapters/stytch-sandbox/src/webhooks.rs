//! Webhooks about users, delivered in the background and kept in memory only.

mod endpoint;
mod event;
mod queue;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    body::Bytes,
    http::{StatusCode, header::CONTENT_TYPE},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{sync::Notify, task::JoinSet, time};

use crate::{
    error::Error,
    state::{clock, ids},
};
pub use endpoint::WebhookEndpoint;
pub(crate) use event::{Action, Event, Source};

use endpoint::Endpoint;
use queue::{Attempt, Delivery, Message, Queue};

const MAX_CONCURRENT: usize = 8;
const TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct Webhooks {
    endpoint: Endpoint,
    project_id: String,
    http: reqwest::Client,
    queue: Mutex<Queue>,
    /// Notified when the queue has changed.
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
        let mut queue = self.queue();
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
        let queue = self.queue();
        let messages = queue.messages();
        let messages: Vec<_> =
            messages.filter(|message| user_id.is_none_or(|id| id == message.user_id)).collect();
        let url = self.endpoint.url.as_str();
        json!({"url": url, "paused": queue.paused, "messages": messages})
    }

    pub(crate) fn set_paused(&self, paused: bool) {
        self.queue().paused = paused;
        self.changed.notify_one();
    }

    /// Sends a message again, even while paused. Returns none if it does not exist.
    pub(crate) fn resend(&self, id: &str) -> Option<Value> {
        let message = self.queue().resend(id, Instant::now()).map(|message| json!(message));
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
            let next = self.queue().next_at().filter(|_| attempts.len() < MAX_CONCURRENT);
            tokio::select! {
                () = self.changed.notified() => {}
                Some(_) = attempts.join_next() => {}
                () = sleep_until(next) => {}
            }
        }
    }

    fn take(&self) -> Option<(Delivery, String, Bytes)> {
        self.queue().take(Instant::now())
    }

    async fn attempt(self: Arc<Self>, delivery: Delivery, id: String, body: Bytes) {
        let at = clock::now(0);
        let result = self.send(&id, at, body).await;
        let status = result.as_ref().ok().map(StatusCode::as_u16);
        let attempt = Attempt { at, status, error: result.err() };
        self.queue().finish(delivery, attempt, Instant::now());
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

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
