//! A person's latest events: what they did, and what was done to them.

use std::cmp::Reverse;
use std::collections::HashMap;

use guestlist_database::operations::{AuditActor, AuditFilter};
use guestlist_domain::{Event, EventId, Page, StoreError, User, UserId};

use crate::pages::labels::{EventLabel, event_label, is_own};
use crate::state::App;

const LIMIT: usize = 10;

/// An event, and how it is told.
pub struct Activity {
    pub event: Event,
    pub label: EventLabel,
    /// The user concerned, if the sentence names them.
    pub concerned: Option<Concerned>,
}

/// The user that an event concerns.
pub enum Concerned {
    /// The actor.
    Actor,
    Existing(UserId, String),
    Removed,
}

/// Loads the last events by or about a user, newest first.
pub async fn load_activity(app: &App, user: &User) -> Result<Vec<Activity>, StoreError> {
    let about = AuditFilter { user: Some(user.id), ..AuditFilter::default() };
    let by = AuditFilter { actor: Some(AuditActor::Id(user.id.0)), ..AuditFilter::default() };
    let mut events = Vec::new();
    for filter in [about, by] {
        let page = Page::<EventId> { after: None, limit: LIMIT as u64 };
        events.extend(app.store.audit(&filter, page).await?);
    }
    events.sort_by_key(|event| Reverse(event.id));
    events.dedup_by_key(|event| event.id);
    events.truncate(LIMIT);
    let names = load_names(app, &events).await?;
    Ok(events.into_iter().map(|event| activity(event, &names)).collect())
}

async fn load_names(app: &App, events: &[Event]) -> Result<HashMap<UserId, String>, StoreError> {
    let mut ids: Vec<_> = events.iter().filter_map(|event| event.user_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let users = app.store.users_by_ids(&ids).await?;
    Ok(users.into_iter().map(|user| (user.id, user.display_name().to_owned())).collect())
}

fn activity(event: Event, names: &HashMap<UserId, String>) -> Activity {
    let label = event_label(&event);
    let concerned = event.user_id.filter(|_| label.has_user).map(|id| match names.get(&id) {
        _ if is_own(&event) => Concerned::Actor,
        Some(name) => Concerned::Existing(id, name.clone()),
        None => Concerned::Removed,
    });
    Activity { event, label, concerned }
}
