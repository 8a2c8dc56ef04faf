//! Tells settlements that can be written from those that were and those that never can be: after a
//! commit whose answer was lost, and after a group of which some leases were lost.

use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::{
    Outcome, Settlement,
    entity::{attempt, job, state},
};

/// How a settlement stands with the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its lease is held: it can be written.
    Held,
    /// It was written already, say by a commit whose answer was lost.
    Settled,
    /// Its lease was lost: it can never be written, and what it did may be done again.
    Lost,
}

/// Tells, in the order asked, whether each settlement can be written, was written or never can.
/// Ask outside the transaction that failed.
pub async fn standings<C: ConnectionTrait>(
    conn: &C,
    settlements: &[Settlement],
) -> Result<Vec<Standing>, DbErr> {
    let jobs: Vec<(Uuid, i64, String)> = job::Entity::find()
        .select_only()
        .columns([job::Column::Id, job::Column::Fence, job::Column::State])
        .filter(job::Column::Id.is_in(settlements.iter().map(|s| s.job)))
        .into_tuple()
        .all(conn)
        .await?;
    let written: Vec<Uuid> = attempt::Entity::find()
        .select_only()
        .column(attempt::Column::Id)
        .filter(attempt::Column::Id.is_in(settlements.iter().map(|s| s.attempt_id)))
        .into_tuple()
        .all(conn)
        .await?;
    let standing = |s: &Settlement| {
        let leased = jobs.iter().find(|(id, fence, _)| *id == s.job && *fence == s.fence);
        match leased.map(|(.., state)| state.as_str()) {
            Some(state::RUNNING) => Standing::Held,
            // Only the holder of a fence ends a job under it.
            Some(state::DONE) if s.outcome == Outcome::Done => Standing::Settled,
            _ if written.contains(&s.attempt_id) => Standing::Settled,
            _ => Standing::Lost,
        }
    };
    Ok(settlements.iter().map(standing).collect())
}
