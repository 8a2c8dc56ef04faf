//! Webhooks: every change of a user, told to the endpoint that was given. Nobody waits for them,
//! and they are forgotten at the end.

mod endpoint;
mod event;
mod queue;
mod routes;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hyper::{StatusCode, body::Bytes, header::CONTENT_TYPE};
use jiff::Timestamp;
use tokio::{sync::Notify, task::JoinSet, time};

use crate::{Error, clock, ids};
pub use endpoint::WebhookEndpoint;
pub(crate) use event::{Action, Event, Source};
pub(crate) use routes::{list, resend, set_paused};

use endpoint::Endpoint;
use queue::{Attempt, Due, Message, Queue};

/// How many are sent at the same time.
const AT_ONCE: usize = 8;
/// Whoever takes longer to answer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Webhooks {
    endpoint: Endpoint,
    project_id: String,
    http: reqwest::Client,
    queue: Mutex<Queue>,
    changed: Notify,
}

impl Webhooks {
    pub(crate) fn new(given: &WebhookEndpoint, project_id: &str) -> Result<Self, Error> {
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy() // Whoever receives is near, most likely on this machine.
            .user_agent(concat!("stytch-sandbox/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::Webhooks(error.to_string()))?;
        Ok(Self {
            endpoint: Endpoint::new(given)?,
            project_id: project_id.to_owned(),
            http,
            queue: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// Sees to it that they are sent, by and by.
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

    /// Sends what is due, for ever.
    pub(crate) async fn deliver(self: Arc<Self>) {
        let mut sending = JoinSet::new();
        loop {
            while sending.len() < AT_ONCE
                && let Some((due, id, body)) = self.take()
            {
                sending.spawn(self.clone().attempt(due, id, body));
            }
            let next = self.queue().next_at().filter(|_| sending.len() < AT_ONCE);
            tokio::select! {
                () = self.changed.notified() => {}
                Some(_) = sending.join_next() => {}
                () = reached(next) => {}
            }
        }
    }

    fn take(&self) -> Option<(Due, String, Bytes)> {
        self.queue().take(Instant::now())
    }

    async fn attempt(self: Arc<Self>, due: Due, id: String, body: Bytes) {
        let at = clock::now(0);
        let answer = self.send(&id, at, body).await;
        let status = answer.as_ref().ok().map(StatusCode::as_u16);
        let attempt = Attempt { at, status, error: answer.err() };
        self.queue().finish(due, attempt, Instant::now());
    }

    /// Dated by the machine's clock, not the sandbox's: the receiver compares it with its own.
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
                Err(format!("no answer within {} s", PATIENCE.as_secs()))
            }
            Err(error) if error.is_connect() => Err("no connection".to_owned()),
            Err(error) => Err(error.without_url().to_string()),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn reached(at: Option<Instant>) {
    match at {
        Some(at) => time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
