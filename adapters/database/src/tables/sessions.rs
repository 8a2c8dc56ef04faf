//! Sessions.

use guestlist_domain::{EndReason, Session, SessionId, TokenHash, UserId};

use jiff::Timestamp;

use super::columns::truncate;
use super::prelude::*;
use super::users;
use crate::error::StoreResult;

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

impl TryFrom<Columns<'_, Entity>> for Session {
    type Error = StoreError;

    fn try_from(mut columns: Columns<'_, Entity>) -> Result<Self, StoreError> {
        let id = columns.next()?;
        let row = RowReader::new("sessions", id);
        Ok(Self {
            id: SessionId(id),
            user_id: UserId(columns.next()?),
            provider_session_id: columns.next()?,
            token_hash: TokenHash(row.hash("token_hash", columns.next()?)?),
            started_at: row.time("started_at", columns.next()?)?,
            expires_at: row.time("expires_at", columns.next()?)?,
            last_used_at: row.time("last_used_at", columns.next()?)?,
            user_agent: columns.next()?,
            ip: columns.next()?,
            ended: ended(&row, columns.next()?, columns.next()?)?,
        })
    }
}

fn ended(
    row: &RowReader<Uuid>,
    at: Option<i64>,
    reason: Option<&str>,
) -> StoreResult<Option<(Timestamp, EndReason)>> {
    match (at, reason.map(EndReason::parse)) {
        (None, None) => Ok(None),
        (Some(at), Some(Some(reason))) => Ok(Some((row.time("ended_at", at)?, reason))),
        _ => row.require("end_reason", None),
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
