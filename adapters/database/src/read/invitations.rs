//! Reads of invitations and their timelines.

use async_trait::async_trait;
use guestlist_domain::{
    Cursor, Event, Invitation, InvitationFilter, InvitationId, InvitationStatus, Page,
    ReadInvitations, SortKey, UserId,
};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::search::{Search, newest_first};
use crate::error::{StoreResult, store_error};
use crate::store::SqlStore;
use crate::tables::columns::{MAX_IDS, micros};
use crate::tables::events;
use crate::tables::invitations::{Column, Entity};

#[async_trait]
impl ReadInvitations for SqlStore {
    async fn invitation(&self, id: InvitationId) -> StoreResult<Option<Invitation>> {
        self.lookups.invitations.load(id).await
    }

    async fn latest_invitation(&self, user: UserId) -> StoreResult<Option<Invitation>> {
        let invitations = Entity::find().filter(Column::UserId.eq(user.0));
        self.one(invitations.order_by_desc(Column::Id)).await
    }

    async fn latest_invitations(&self, users: &[UserId]) -> StoreResult<Vec<Invitation>> {
        let mut latest = Vec::new();
        for users in users.chunks(MAX_IDS) {
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

    async fn invitations_of(&self, user: UserId) -> StoreResult<Vec<Invitation>> {
        let invitations = Entity::find().filter(Column::UserId.eq(user.0));
        self.all(invitations.order_by_desc(Column::Id)).await
    }

    async fn invitations(
        &self,
        filter: &InvitationFilter,
        page: Page<Cursor<InvitationId>>,
    ) -> StoreResult<Vec<Invitation>> {
        let Page { after, limit } = page;
        let status = filter.status.map(|status| Column::Status.eq(status.as_str()));
        let partition = Condition::all().add_option(status);
        let Some(q) = &filter.q else {
            let after = after.map(|place| place.id.0);
            let query = Entity::find().filter(partition);
            return self.all(newest_first(query, Column::Id, after, limit)).await;
        };
        let after = after.as_ref().and_then(|place| match &place.sort_key {
            Some(SortKey::Email(email)) => Some((email.as_str(), place.id.0)),
            _ => None,
        });
        let (key, id) = (Column::Email, Some(Column::Id));
        let search = Search::<Entity> { key, id, prefix: q, after, limit };
        self.all_by_statement::<Entity, _>(&search.statement(&[partition])).await
    }

    async fn timeline(&self, id: InvitationId) -> StoreResult<Vec<Event>> {
        use events::{Column, Entity};
        let events = Entity::find().filter(Column::InvitationId.eq(id.0));
        self.all(events.order_by_asc(Column::Id)).await
    }

    async fn overdue_invitations(
        &self,
        now: Timestamp,
        limit: u64,
    ) -> StoreResult<Vec<Invitation>> {
        let mut overdue: Vec<Invitation> = Vec::new();
        // One query per status, so that each reads at most `limit` rows along an index.
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
