//! Reads of sessions, used links and login requests.

use async_trait::async_trait;
use guestlist_domain::{
    Email, LoginRequest, LoginRequestId, Page, ReadSessions, Session, SessionId, TokenHash,
    UsedLink, User, UserId,
};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::search::newest_first;
use crate::error::StoreResult;
use crate::store::SqlStore;
use crate::tables::columns::micros;
use crate::tables::sessions::{Column, Entity};
use crate::tables::{login_requests, used_links};

fn live(user: UserId, now: Timestamp) -> Select<Entity> {
    Entity::find()
        .filter(Column::UserId.eq(user.0))
        .filter(Column::EndedAt.is_null())
        .filter(Column::ExpiresAt.gt(micros(now)))
}

#[async_trait]
impl ReadSessions for SqlStore {
    async fn session_by_token(&self, token: TokenHash) -> StoreResult<Option<(Session, User)>> {
        self.lookups.sessions_by_token.load(token).await
    }

    async fn session_by_provider_id(&self, id: &str) -> StoreResult<Option<(Session, User)>> {
        self.lookups.sessions_by_provider_id.load(id.to_owned()).await
    }

    async fn is_known_session_token(&self, token: TokenHash) -> StoreResult<bool> {
        self.exists(Entity::find().filter(Column::TokenHash.eq(token.0.to_vec()))).await
    }

    async fn session(&self, id: SessionId) -> StoreResult<Option<Session>> {
        self.one(Entity::find_by_id(id.0)).await
    }

    async fn live_sessions(&self, user: UserId, now: Timestamp) -> StoreResult<Vec<Session>> {
        self.all(live(user, now).order_by_desc(Column::Id)).await
    }

    async fn sessions(
        &self,
        user: UserId,
        now: Timestamp,
        page: Page<SessionId>,
    ) -> StoreResult<Vec<Session>> {
        let after = page.after.map(|id| id.0);
        self.all(newest_first(live(user, now), Column::Id, after, page.limit)).await
    }

    async fn used_link(&self, token: TokenHash) -> StoreResult<Option<UsedLink>> {
        self.one(used_links::Entity::find_by_id(token.0.to_vec())).await
    }

    async fn login_request(&self, id: LoginRequestId) -> StoreResult<Option<LoginRequest>> {
        self.one(login_requests::Entity::find_by_id(id.0)).await
    }

    async fn login_requests(&self, email: &Email, limit: u64) -> StoreResult<Vec<LoginRequest>> {
        use login_requests::{Column, Entity};
        let requests = Entity::find().filter(Column::Email.eq(email.as_str()));
        self.all(requests.order_by_desc(Column::Ordinal).limit(limit)).await
    }

    async fn has_newer_due_login_request(
        &self,
        email: &Email,
        ordinal: i64,
        now: Timestamp,
    ) -> StoreResult<bool> {
        use login_requests::{Column, Entity};
        let newer_and_due = Entity::find()
            .filter(Column::Email.eq(email.as_str()))
            .filter(Column::Ordinal.gt(ordinal))
            .filter(Column::SendAt.lte(micros(now)));
        self.exists(newer_and_due.limit(1)).await
    }
}
