//! What happened.

use guestlist_domain::{Change, Event, EventId, EventKind, InvitationId, StoreError, UserId};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    Select,
};

use crate::apply::Refusal;
use crate::rows;
use crate::values::{ActorColumns, Row, micros};

pub(crate) mod entity {
    use sea_orm::entity::prelude::*;

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

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

impl TryFrom<Model> for Event {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let row = Row::of("events", model.id);
        let actor =
            ActorColumns { kind: model.actor_type, id: model.actor_id, name: model.actor_name };
        Ok(Self {
            id: EventId(model.id),
            kind: row.whole("kind", EventKind::parse(&model.kind))?,
            at: row.time("at", model.at)?,
            actor: row.actor("actor_type", actor)?,
            from_ip: model.from_ip.map(|ip| row.whole("from_ip", ip.parse().ok())).transpose()?,
            user_id: model.user_id.map(UserId),
            invitation_id: model.invitation_id.map(InvitationId),
            detail: row.json("detail", &model.detail)?,
        })
    }
}

fn row(event: &Event) -> ActiveModel {
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

pub(crate) async fn write(tx: &DatabaseTransaction, changes: &[&Change]) -> Result<(), Refusal> {
    let mut events: Vec<_> = changes.iter().flat_map(|c| &c.events).collect();
    events.sort_by_key(|event| event.id);
    Ok(rows::insert(tx, events.into_iter().map(row).collect()).await?)
}

/// What happened to an invitation, oldest first.
pub(crate) fn of_invitation(id: InvitationId) -> Select<Entity> {
    Entity::find().filter(Column::InvitationId.eq(id.0)).order_by_asc(Column::Id)
}
