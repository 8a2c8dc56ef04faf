//! What the control plane tells of webhooks, and lets people do with them.

use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Webhooks;
use crate::{call::Call, project::Project, refusal::Refusal};

/// The messages, oldest first; of one user with `?user_id=`.
pub(crate) fn list(project: &Project, call: &Call) -> Result<Value, Refusal> {
    let webhooks = of(project)?;
    let user_id = call.query("user_id").filter(|id| !id.is_empty());
    let queue = webhooks.queue();
    let wanted = |given: &str| user_id.as_deref().is_none_or(|user_id| user_id == given);
    let messages: Vec<_> = queue.messages().filter(|message| wanted(&message.user_id)).collect();
    let url = webhooks.endpoint.url.as_str();
    Ok(json!({"url": url, "paused": queue.paused, "messages": messages}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Paused {
    paused: bool,
}

/// While paused, nothing is sent by itself.
pub(crate) fn set_paused(project: &Project, call: &Call) -> Result<Value, Refusal> {
    let webhooks = of(project)?;
    let Paused { paused } = call.control_json()?;
    webhooks.queue().paused = paused;
    webhooks.changed.notify_one();
    Ok(json!({"paused": paused}))
}

/// The same message once more, with a new date and signature, even while paused.
pub(crate) fn resend(project: &Project, id: &str) -> Result<Value, Refusal> {
    let webhooks = of(project)?;
    let message = webhooks.queue().resend(id, Instant::now()).map(|message| json!(message));
    webhooks.changed.notify_one();
    message.ok_or_else(|| {
        Refusal::not_found("message_not_found", format!("There is no webhook message {id}."))
    })
}

fn of(project: &Project) -> Result<&Webhooks, Refusal> {
    project.webhooks.as_deref().ok_or_else(|| {
        Refusal::not_found(
            "no_webhook_endpoint",
            "Webhooks go nowhere: start the sandbox with --webhook-url.",
        )
    })
}
