//! Response types of events and their actors.

use guestlist_domain::{Actor, Event};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::openapi::schemas::{self, Time};

/// The actor of an event.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Actor", transform = schemas::all_required)]
pub struct ActorView<'a> {
    /// `user`, `key`, `cli` or `system`.
    r#type: &'a str,
    /// The id of the user or the API key; null for `cli` and `system`.
    id: Option<Uuid>,
    /// The actor's name at the time; null for `cli` and `system`.
    name: Option<&'a str>,
}

impl<'a> From<&'a Actor> for ActorView<'a> {
    fn from(actor: &'a Actor) -> Self {
        Self { r#type: actor.kind(), id: actor.id(), name: actor.name() }
    }
}

/// An event in a timeline.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Event", transform = schemas::all_required)]
pub struct EventView<'a> {
    id: Uuid,
    kind: schemas::EventKind,
    at: Time,
    #[schemars(with = "schemas::EventDetail")]
    detail: &'a Value,
}

impl<'a> From<&'a Event> for EventView<'a> {
    fn from(event: &'a Event) -> Self {
        Self { id: event.id.0, kind: event.kind.into(), at: Time(event.at), detail: &event.detail }
    }
}
