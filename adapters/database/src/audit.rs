//! Who did what to whom, and from where: the events, as an administrator looks through them. Reads
//! only; nothing changes or deletes an event.

use std::cmp::Reverse;
use std::time::Duration;

use guestlist_domain::{Event, EventId, EventKind, Page, StoreError, User, UserId};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Select};
use uuid::Uuid;

use crate::events::entity::{Column, Entity};
use crate::store::SqlStore;
use crate::values::micros;
use crate::{lists, users};

/// By whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The user or key of that id.
    Id(Uuid),
    /// Somebody at a shell.
    Cli,
    /// Guestlist itself.
    System,
}

/// Which events. Those that Guestlist brings about by itself are left out, unless somebody or
/// something in particular is asked about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Whose doing.
    pub by: Option<By>,
    /// To that person.
    pub user: Option<UserId>,
    /// Of that kind.
    pub kind: Option<EventKind>,
    /// Not before.
    pub since: Option<Timestamp>,
}

/// How long after its id an event may have been dated.
const LATE: Duration = Duration::from_mins(1);
/// Whoever acts, but Guestlist itself.
const PEOPLE: [&str; 3] = ["user", "key", "cli"];

impl SqlStore {
    /// A piece of what happened, newest first.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        page: Page<EventId>,
    ) -> Result<Vec<Event>, StoreError> {
        let after = page.after.map(|id| id.0);
        let list = |query| lists::piece(query, Column::Id, after, page.limit);
        let query = filtered(filter);
        if filter.by.is_some() || filter.user.is_some() || filter.kind.is_some() {
            return self.all(list(query)).await;
        }
        // A query for each, in the order of its index, for a list of types would be sorted.
        let mut found: Vec<Event> = Vec::new();
        for actor_type in PEOPLE {
            let theirs = query.clone().filter(Column::ActorType.eq(actor_type));
            found.extend(self.all(list(theirs)).await?);
        }
        found.sort_by_key(|event| Reverse(event.id));
        found.truncate(usize::try_from(page.limit).unwrap_or(usize::MAX));
        Ok(found)
    }

    /// Those of these people who are still here, in any order: a page's worth of them at most.
    pub async fn people(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids = ids.iter().map(|id| id.0);
        self.all(users::entity::Entity::find().filter(users::entity::Column::Id.is_in(ids))).await
    }
}

fn filtered(filter: &AuditFilter) -> Select<Entity> {
    let mut query = Entity::find();
    query = match filter.by {
        Some(By::Id(id)) => query.filter(Column::ActorId.eq(id)),
        Some(By::Cli) => query.filter(Column::ActorType.eq("cli")),
        Some(By::System) => query.filter(Column::ActorType.eq("system")),
        None => query,
    };
    if let Some(user) = filter.user {
        query = query.filter(Column::UserId.eq(user.0));
    }
    if let Some(kind) = filter.kind {
        query = query.filter(Column::Kind.eq(kind.as_str()));
    }
    if let Some(since) = filter.since {
        // By the id too, which tells the time as well and is what the lists are in order of.
        query = query.filter(Column::Id.gte(first_id(since))).filter(Column::At.gte(micros(since)));
    }
    query
}

/// What no id of an event since then is below.
fn first_id(since: Timestamp) -> Uuid {
    let early = since.saturating_sub(LATE).unwrap_or(Timestamp::UNIX_EPOCH);
    let millis = u64::try_from(early.as_millisecond()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
}
