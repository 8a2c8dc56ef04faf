//! Sessions. Looking one up by what a browser brings is what every request does.

use async_trait::async_trait;
use guestlist_domain::{
    Change, Email, EndReason, EndSessions, LoginRequest, LoginRequestId, Page, ReadSessions,
    Session, SessionId, StoreError, TokenHash, UsedLink, User, UserId, SessionSelector,
};
use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter,
    QueryOrder, Select, sea_query::Expr,
};

use crate::apply::Refusal;
use crate::batch::Found;
use crate::connect::Database;
use crate::errors::store_error;
use crate::store::SqlStore;
use crate::values::{Row, cut, micros};
use crate::{lists, logins, rows, users};

type Answer<T> = Result<T, StoreError>;

pub(crate) mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sessions")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub user_id: Uuid,
        pub provider_session_id: String,
        pub token_hash: Vec<u8>,
        pub started_at: i64,
        pub expires_at: i64,
        pub last_used_at: i64,
        pub user_agent: Option<String>,
        pub ip: Option<String>,
        pub ended_at: Option<i64>,
        pub end_reason: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {
        #[sea_orm(
            belongs_to = "crate::users::entity::Entity",
            from = "Column::UserId",
            to = "crate::users::entity::Column::Id"
        )]
        Holder,
    }

    impl Related<crate::users::entity::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Holder.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

impl TryFrom<Model> for Session {
    type Error = StoreError;

    fn try_from(model: Model) -> Answer<Self> {
        let row = Row::of("sessions", model.id);
        let reason = model.end_reason.as_deref().map(EndReason::parse);
        let ended = match (model.ended_at, reason) {
            (None, None) => None,
            (Some(at), Some(Some(reason))) => Some((row.time("ended_at", at)?, reason)),
            _ => row.whole("end_reason", None)?,
        };
        Ok(Self {
            id: SessionId(model.id),
            user_id: UserId(model.user_id),
            provider_session_id: model.provider_session_id,
            token_hash: TokenHash(row.hash("token_hash", &model.token_hash)?),
            started_at: row.time("started_at", model.started_at)?,
            expires_at: row.time("expires_at", model.expires_at)?,
            last_used_at: row.time("last_used_at", model.last_used_at)?,
            user_agent: model.user_agent,
            ip: model.ip,
            ended,
        })
    }
}

fn row(session: &Session) -> ActiveModel {
    ActiveModel {
        id: Set(session.id.0),
        user_id: Set(session.user_id.0),
        provider_session_id: Set(session.provider_session_id.clone()),
        token_hash: Set(session.token_hash.0.to_vec()),
        started_at: Set(micros(session.started_at)),
        expires_at: Set(micros(session.expires_at)),
        last_used_at: Set(micros(session.last_used_at)),
        user_agent: Set(session.user_agent.as_deref().map(|agent| cut(agent, 400))),
        ip: Set(session.ip.as_deref().map(|ip| cut(ip, 64))),
        ended_at: Set(session.ended.map(|(at, _)| micros(at))),
        end_reason: Set(session.ended.map(|(_, reason)| reason.to_string())),
    }
}

/// Ends come before beginnings: a change that ends all of a person's sessions and begins one
/// leaves that one.
pub(crate) async fn write(tx: &DatabaseTransaction, changes: &[&Change]) -> Result<(), Refusal> {
    let mut ends: Vec<_> = changes.iter().flat_map(|c| &c.end_sessions).collect();
    ends.sort_by_key(|end| end.user_id);
    for these in ends {
        end(tx, these).await?;
    }
    let mut sessions: Vec<_> = changes.iter().flat_map(|c| &c.sessions).collect();
    sessions.sort_by_key(|session| session.id);
    rows::insert(tx, sessions.into_iter().map(row).collect()).await?;
    Ok(())
}

async fn end(tx: &DatabaseTransaction, end: &EndSessions) -> Result<(), DbErr> {
    let theirs = Entity::update_many()
        .col_expr(Column::EndedAt, Expr::value(micros(end.at)))
        .col_expr(Column::EndReason, Expr::value(end.reason.as_str()))
        .filter(Column::UserId.eq(end.user_id.0))
        .filter(Column::EndedAt.is_null());
    let these = match end.sessions {
        SessionSelector::One(id) => theirs.filter(Column::Id.eq(id.0)),
        SessionSelector::AllBut(id) => theirs.filter(Column::Id.ne(id.0)),
        SessionSelector::All => theirs,
    };
    these.exec(tx).await?;
    Ok(())
}

/// Sessions by their tokens, with their holders.
pub(crate) async fn by_tokens(
    database: Database,
    tokens: Vec<TokenHash>,
) -> Answer<Found<TokenHash, (Session, User)>> {
    let tokens = tokens.iter().map(|token| token.0.to_vec());
    let token = |s: &Model| TokenHash(s.token_hash.as_slice().try_into().unwrap_or_default());
    with_holders(&database, Column::TokenHash.is_in(tokens), token).await
}

/// Sessions by Stytch's ids, with their holders.
pub(crate) async fn by_stytch_ids(
    database: Database,
    ids: Vec<String>,
) -> Answer<Found<String, (Session, User)>> {
    let these = Column::ProviderSessionId.is_in(ids);
    with_holders(&database, these, |s| s.provider_session_id.clone()).await
}

async fn with_holders<K>(
    database: &Database,
    these: Expr,
    key: impl Fn(&Model) -> K,
) -> Answer<Found<K, (Session, User)>>
where
    K: Eq + std::hash::Hash,
{
    let query = Entity::find().find_also_related(users::entity::Entity).filter(these);
    let rows = query.all(database.read()).await.map_err(store_error)?;
    let found = rows.into_iter().filter_map(|(session, holder)| {
        // A session whose holder was deleted admits nobody.
        let holder = holder?;
        Some((key(&session), both(session, holder)))
    });
    Ok(found.collect())
}

fn both(session: Model, holder: users::entity::Model) -> Answer<(Session, User)> {
    Ok((session.try_into()?, holder.try_into()?))
}

fn live(user: UserId, now: Timestamp) -> Select<Entity> {
    Entity::find()
        .filter(Column::UserId.eq(user.0))
        .filter(Column::EndedAt.is_null())
        .filter(Column::ExpiresAt.gt(micros(now)))
}

#[async_trait]
impl ReadSessions for SqlStore {
    async fn session_by_token(&self, token: TokenHash) -> Answer<Option<(Session, User)>> {
        self.by_token.get(token).await
    }

    async fn session_by_provider_id(&self, id: &str) -> Answer<Option<(Session, User)>> {
        self.by_stytch_id.get(id.to_owned()).await
    }

    async fn is_known_session_token(&self, token: TokenHash) -> Answer<bool> {
        let row = Entity::find().filter(Column::TokenHash.eq(token.0.to_vec()));
        let row = row.one(self.database.read()).await.map_err(store_error)?;
        Ok(row.is_some())
    }

    async fn session(&self, id: SessionId) -> Answer<Option<Session>> {
        self.one(Entity::find_by_id(id.0)).await
    }

    async fn live_sessions(&self, user: UserId, now: Timestamp) -> Answer<Vec<Session>> {
        self.all(live(user, now).order_by_desc(Column::Id)).await
    }

    async fn sessions(
        &self,
        user: UserId,
        now: Timestamp,
        page: Page<SessionId>,
    ) -> Answer<Vec<Session>> {
        let after = page.after.map(|id| id.0);
        self.all(lists::piece(live(user, now), Column::Id, after, page.limit)).await
    }

    async fn used_link(&self, token: TokenHash) -> Answer<Option<UsedLink>> {
        self.one(logins::used_link(token)).await
    }

    async fn login_request(&self, id: LoginRequestId) -> Answer<Option<LoginRequest>> {
        self.one(logins::request(id)).await
    }

    async fn login_requests(&self, email: &Email, limit: u64) -> Answer<Vec<LoginRequest>> {
        self.all(logins::requests(email, limit)).await
    }

    async fn has_newer_due_login_request(
        &self,
        email: &Email,
        ordinal: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let newer = logins::newer_due_request(email, ordinal, now);
        Ok(newer.one(self.database.read()).await.map_err(store_error)?.is_some())
    }
}
