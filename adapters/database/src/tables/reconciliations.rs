//! The results of reconciliations with Stytch.

use guestlist_domain::{Reconciliation, ReconciliationId, RepairAction};

use super::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "reconciliations")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub started_at: i64,
    pub finished_at: i64,
    pub repair_action: String,
    pub users: i64,
    pub identities: i64,
    pub counts: String,
}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Reconciliation {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let row = RowReader::new("reconciliations", model.id);
        let counts = row.json("counts", &model.counts)?;
        Ok(Self {
            id: ReconciliationId(model.id),
            started_at: row.time("started_at", model.started_at)?,
            finished_at: row.time("finished_at", model.finished_at)?,
            repair_action: row
                .require("repair_action", RepairAction::parse(&model.repair_action))?,
            users: row.require("users", model.users.try_into().ok())?,
            identities: row.require("identities", model.identities.try_into().ok())?,
            counts: row.require("counts", serde_json::from_value(counts).ok())?,
        })
    }
}

pub(crate) fn row(record: &Reconciliation) -> ActiveModel {
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    ActiveModel {
        id: Set(record.id.0),
        started_at: Set(micros(record.started_at)),
        finished_at: Set(micros(record.finished_at)),
        repair_action: Set(record.repair_action.to_string()),
        users: Set(count(record.users)),
        identities: Set(count(record.identities)),
        counts: Set(serde_json::json!(record.counts).to_string()),
    }
}
