//! Sessions.

use guestlist_domain::{EndReason, Session, SessionId, TokenHash, UserId};

use super::columns::truncate;
use super::prelude::*;
use super::users;

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
        belongs_to = "super::users::Entity",
        from = "Column::UserId",
        to = "super::users::Column::Id"
    )]
    User,
}

impl Related<users::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::User.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Session {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let row = RowReader::new("sessions", model.id);
        let reason = model.end_reason.as_deref().map(EndReason::parse);
        let ended = match (model.ended_at, reason) {
            (None, None) => None,
            (Some(at), Some(Some(reason))) => Some((row.time("ended_at", at)?, reason)),
            _ => row.require("end_reason", None)?,
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

pub(crate) fn row(session: &Session) -> ActiveModel {
    ActiveModel {
        id: Set(session.id.0),
        user_id: Set(session.user_id.0),
        provider_session_id: Set(session.provider_session_id.clone()),
        token_hash: Set(session.token_hash.0.to_vec()),
        started_at: Set(micros(session.started_at)),
        expires_at: Set(micros(session.expires_at)),
        last_used_at: Set(micros(session.last_used_at)),
        user_agent: Set(session.user_agent.as_deref().map(|agent| truncate(agent, 400))),
        ip: Set(session.ip.as_deref().map(|ip| truncate(ip, 64))),
        ended_at: Set(session.ended.map(|(at, _)| micros(at))),
        end_reason: Set(session.ended.map(|(_, reason)| reason.to_string())),
    }
}
