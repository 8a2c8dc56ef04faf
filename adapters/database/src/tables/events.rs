//! Events: the timelines of invitations and the audit log.

use std::net::IpAddr;

use guestlist_domain::{Event, EventId, EventKind, InvitationId, UserId};

use super::columns::ActorColumns;
use super::prelude::*;
use crate::error::StoreResult;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "events")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub kind: String,
    pub at: i64,
    pub actor_type: String,
    pub actor_id: Option<Uuid>,
    pub actor_name: Option<String>,
    pub from_ip: Option<String>,
    pub user_id: Option<Uuid>,
    pub invitation_id: Option<Uuid>,
    pub detail: String,
}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Columns<'_, Entity>> for Event {
    type Error = StoreError;

    fn try_from(mut columns: Columns<'_, Entity>) -> Result<Self, StoreError> {
        let id = columns.next()?;
        let row = RowReader::new("events", id);
        Ok(Self {
            id: EventId(id),
            kind: row.require("kind", EventKind::parse(columns.next()?))?,
            at: row.time("at", columns.next()?)?,
            actor: row.actor("actor_type", ActorColumns::read(&mut columns)?)?,
            from_ip: ip_address(&row, columns.next()?)?,
            user_id: columns.next::<Option<_>>()?.map(UserId),
            invitation_id: columns.next::<Option<_>>()?.map(InvitationId),
            detail: row.json("detail", columns.next()?)?,
        })
    }
}

fn ip_address(row: &RowReader<Uuid>, text: Option<&str>) -> StoreResult<Option<IpAddr>> {
    text.map(|text| row.require("from_ip", text.parse().ok())).transpose()
}

pub(crate) fn row(event: &Event) -> ActiveModel {
    let actor = ActorColumns::from(&event.actor);
    ActiveModel {
        id: Set(event.id.0),
        kind: Set(event.kind.to_string()),
        at: Set(micros(event.at)),
        actor_type: Set(actor.kind),
        actor_id: Set(actor.id),
        actor_name: Set(actor.name),
        from_ip: Set(event.from_ip.map(|ip| ip.to_string())),
        user_id: Set(event.user_id.map(|id| id.0)),
        invitation_id: Set(event.invitation_id.map(|id| id.0)),
        detail: Set(event.detail.to_string()),
    }
}
