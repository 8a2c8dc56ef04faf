//! Events: the timelines of invitations and the audit log.

use guestlist_domain::{Event, EventId, EventKind, InvitationId, UserId};

use super::columns::ActorColumns;
use super::prelude::*;

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

impl TryFrom<Model> for Event {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let row = RowReader::new("events", model.id);
        let actor =
            ActorColumns { kind: model.actor_type, id: model.actor_id, name: model.actor_name };
        Ok(Self {
            id: EventId(model.id),
            kind: row.require("kind", EventKind::parse(&model.kind))?,
            at: row.time("at", model.at)?,
            actor: row.actor("actor_type", actor)?,
            from_ip: model.from_ip.map(|ip| row.require("from_ip", ip.parse().ok())).transpose()?,
            user_id: model.user_id.map(UserId),
            invitation_id: model.invitation_id.map(InvitationId),
            detail: row.json("detail", &model.detail)?,
        })
    }
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
