//! Events about users, in the form of Stytch's webhooks.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::state::{ids, user::User};

/// The origin of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Source {
    /// The API.
    #[default]
    Direct,
    /// Stytch's dashboard.
    Dashboard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        format!("{}.user.{}", self.source.name(), self.action.name()).to_lowercase()
    }

    pub(crate) fn body(&self, project_id: &str, now: Timestamp) -> Value {
        let mut body = json!({
            "action": self.action.name(),
            "event_id": ids::id("webhook-event"),
            "id": self.user_id,
            "object_type": "user",
            "project_id": project_id,
            "source": self.source.name(),
            "timestamp": format!("{now:.9}"),
            "vertical": "CONSUMER",
        });
        if let Some(user) = &self.user {
            body["user"] = user.to_json();
        }
        body
    }
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Self::Direct => "DIRECT",
            Self::Dashboard => "DASHBOARD",
        }
    }
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}
