//! Events about users, in the form of Stytch's webhooks.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::state::{User, ids};

/// The origin of a change.
#[derive(Clone, Copy, Debug, strum::Display)]
#[strum(serialize_all = "UPPERCASE")]
pub(crate) enum Source {
    /// The API.
    Direct,
    /// Stytch's dashboard.
    Dashboard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "UPPERCASE")]
pub(crate) enum Action {
    Create,
    Update,
    Delete,
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) source: Source,
    pub(crate) action: Action,
    pub(crate) user_id: String,
    /// The user after the change; none after a deletion.
    pub(crate) user: Option<User>,
}

impl Event {
    /// Returns the event's type, such as `direct.user.create`.
    pub(crate) fn event_type(&self) -> String {
        format!("{}.user.{}", self.source, self.action).to_lowercase()
    }

    pub(crate) fn body(&self, project_id: &str, now: Timestamp) -> Value {
        let mut body = json!({
            "action": self.action.to_string(),
            "event_id": ids::id("webhook-event"),
            "id": self.user_id,
            "object_type": "user",
            "project_id": project_id,
            "source": self.source.to_string(),
            "timestamp": format!("{now:.9}"),
            "vertical": "CONSUMER",
        });
        if let Some(user) = &self.user {
            body["user"] = user.to_json();
        }
        body
    }
}
