//! Invitations: written, and found.

mod row;

use async_trait::async_trait;
use guestlist_domain::{
    Change, Event, SortKey, Invitation, InvitationFilter, InvitationId, InvitationStatus, Page,
    Cursor, ReadInvitations, StoreError, UserId,
};
use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use crate::apply::Refusal;
use crate::errors::store_error;
use crate::events;
use crate::lists::{self, Search};
use crate::rows;
use crate::store::SqlStore;
use crate::values::micros;

pub(crate) use row::entity;

use entity::{Column, Entity};
use row::{row, update};

type Answer<T> = Result<T, StoreError>;

pub(crate) async fn write(tx: &DatabaseTransaction, changes: &[&Change]) -> Result<(), Refusal> {
    let deleted = changes.iter().flat_map(|c| &c.invitations.delete);
    rows::delete::<Entity>(tx, deleted.map(|i| (i.id.0, i.version)).collect()).await?;

    // Those that give the place of the open one up come before those that take it.
    for open in [false, true] {
        let updated = changes.iter().flat_map(|c| &c.invitations.update);
        let updated = updated.filter(|i| i.status.is_open() == open);
        rows::update::<Entity>(tx, updated.map(update).collect()).await?;
    }

    let mut inserted: Vec<_> = changes.iter().flat_map(|c| &c.invitations.insert).collect();
    inserted.sort_by_key(|invitation| invitation.id);
    rows::insert(tx, inserted.into_iter().map(row).collect()).await?;
    Ok(())
}

#[async_trait]
impl ReadInvitations for SqlStore {
    async fn invitation(&self, id: InvitationId) -> Answer<Option<Invitation>> {
        self.one(Entity::find_by_id(id.0)).await
    }

    async fn latest_invitation(&self, user: UserId) -> Answer<Option<Invitation>> {
        let theirs = Entity::find().filter(Column::UserId.eq(user.0));
        self.one(theirs.order_by_desc(Column::Id)).await
    }

    async fn latest_invitations(&self, users: &[UserId]) -> Answer<Vec<Invitation>> {
        let mut latest = Vec::new();
        for users in users.chunks(rows::LIST) {
            let ids: Vec<Uuid> = Entity::find()
                .select_only()
                .column_as(Column::Id.max(), "id")
                .filter(Column::UserId.is_in(users.iter().map(|user| user.0)))
                .group_by(Column::UserId)
                .into_tuple()
                .all(self.database.read())
                .await
                .map_err(store_error)?;
            if !ids.is_empty() {
                latest.extend(self.all(Entity::find().filter(Column::Id.is_in(ids))).await?);
            }
        }
        Ok(latest)
    }

    async fn invitations_of(&self, user: UserId) -> Answer<Vec<Invitation>> {
        let theirs = Entity::find().filter(Column::UserId.eq(user.0));
        self.all(theirs.order_by_desc(Column::Id)).await
    }

    async fn invitations(
        &self,
        filter: &InvitationFilter,
        page: Page<Cursor<InvitationId>>,
    ) -> Answer<Vec<Invitation>> {
        let Page { after, limit } = page;
        let group = match filter.status {
            Some(status) => Condition::all().add(Column::Status.eq(status.as_str())),
            None => Condition::all(),
        };
        let Some(q) = &filter.q else {
            let after = after.map(|place| place.id.0);
            return self
                .all(lists::piece(Entity::find().filter(group), Column::Id, after, limit))
                .await;
        };
        let after = after.as_ref().and_then(|place| match &place.sort_key {
            Some(SortKey::Email(email)) => Some((email.as_str(), place.id.0)),
            _ => None,
        });
        let (key, id) = (Column::Email, Some(Column::Id));
        let search = Search::<Entity> { key, id, prefix: q, after, limit };
        self.found::<Entity, _>(&search.among(&[group])).await
    }

    async fn timeline(&self, id: InvitationId) -> Answer<Vec<Event>> {
        self.all(events::of_invitation(id)).await
    }

    async fn overdue_invitations(&self, now: Timestamp, limit: u64) -> Answer<Vec<Invitation>> {
        let mut overdue: Vec<Invitation> = Vec::new();
        // One status at a time: so the index has the order, and no more than `limit` are read.
        for status in [InvitationStatus::Queued, InvitationStatus::Sent] {
            let query = Entity::find()
                .filter(Column::Status.eq(status.as_str()))
                .filter(Column::ExpiresAt.lte(micros(now)))
                .order_by_asc(Column::ExpiresAt)
                .limit(limit);
            overdue.extend(self.all(query).await?);
        }
        overdue.sort_by_key(|invitation| invitation.expires_at);
        overdue.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(overdue)
    }
}
