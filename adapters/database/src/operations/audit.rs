//! The audit log: events, filtered and newest first.

use std::cmp::Reverse;
use std::time::Duration;

use guestlist_domain::{Event, EventId, EventKind, Page, User, UserId};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, Select};
use uuid::Uuid;

use crate::error::StoreResult;
use crate::read::search::newest_first;
use crate::store::SqlStore;
use crate::tables::columns::micros;
use crate::tables::events::{Column, Entity};
use crate::tables::users;

/// The actor of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditActor {
    /// A user or an API key.
    Id(Uuid),
    Cli,
    /// Guestlist itself.
    System,
}

/// A filter for events. Without an actor, user or kind it omits the events whose actor is Guestlist
/// itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AuditFilter {
    pub actor: Option<AuditActor>,
    /// The user concerned.
    pub user: Option<UserId>,
    pub kind: Option<EventKind>,
    /// Omits events before this time.
    pub since: Option<Timestamp>,
}

/// The maximum time by which an event's time follows the time in its id.
const MAX_ID_LEAD: Duration = Duration::from_mins(1);
/// All types of actors but `system`.
const EXTERNAL_ACTORS: [&str; 3] = ["user", "key", "cli"];

impl SqlStore {
    /// Returns a page of events, newest first.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        page: Page<EventId>,
    ) -> StoreResult<Vec<Event>> {
        let after = page.after.map(|id| id.0);
        let list = |query| newest_first(query, Column::Id, after, page.limit);
        let query = filtered(filter);
        if filter.actor.is_some() || filter.user.is_some() || filter.kind.is_some() {
            return self.all(list(query)).await;
        }
        // One query per type, each along an index. One query over several types would be sorted.
        let mut found: Vec<Event> = Vec::new();
        for actor_type in EXTERNAL_ACTORS {
            let of_type = query.clone().filter(Column::ActorType.eq(actor_type));
            found.extend(self.all(list(of_type)).await?);
        }
        found.sort_by_key(|event| Reverse(event.id));
        found.truncate(usize::try_from(page.limit).unwrap_or(usize::MAX));
        Ok(found)
    }

    /// Returns those of the users that exist, in any order. `ids` must not exceed a page.
    pub async fn users_by_ids(&self, ids: &[UserId]) -> StoreResult<Vec<User>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids = ids.iter().map(|id| id.0);
        self.all(users::Entity::find().filter(users::Column::Id.is_in(ids))).await
    }
}

fn filtered(filter: &AuditFilter) -> Select<Entity> {
    let actor = filter.actor.map(|actor| match actor {
        AuditActor::Id(id) => Column::ActorId.eq(id),
        AuditActor::Cli => Column::ActorType.eq("cli"),
        AuditActor::System => Column::ActorType.eq("system"),
    });
    let conditions = Condition::all()
        .add_option(actor)
        .add_option(filter.user.map(|user| Column::UserId.eq(user.0)))
        .add_option(filter.kind.map(|kind| Column::Kind.eq(kind.as_str())))
        // The condition on the id bounds the range of the index, which is in the order of ids.
        .add_option(filter.since.map(|since| Column::Id.gte(lowest_id(since))))
        .add_option(filter.since.map(|since| Column::At.gte(micros(since))));
    Entity::find().filter(conditions)
}

/// Returns the lower bound of the ids of events since a time.
fn lowest_id(since: Timestamp) -> Uuid {
    let early = since.saturating_sub(MAX_ID_LEAD).unwrap_or(Timestamp::UNIX_EPOCH);
    let millis = u64::try_from(early.as_millisecond()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
}
