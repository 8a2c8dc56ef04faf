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

impl TryFrom<Columns<'_, Entity>> for Reconciliation {
    type Error = StoreError;

    fn try_from(mut columns: Columns<'_, Entity>) -> Result<Self, StoreError> {
        let id = columns.next()?;
        let row = RowReader::new("reconciliations", id);
        Ok(Self {
            id: ReconciliationId(id),
            started_at: row.time("started_at", columns.next()?)?,
            finished_at: row.time("finished_at", columns.next()?)?,
            repair_action: row.require("repair_action", RepairAction::parse(columns.next()?))?,
            users: row.require("users", columns.next::<i64>()?.try_into().ok())?,
            identities: row.require("identities", columns.next::<i64>()?.try_into().ok())?,
            counts: row.require("counts", serde_json::from_str(columns.next()?).ok())?,
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
