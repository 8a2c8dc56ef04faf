//! Finds out whether results were written: after a commit whose answer was lost, or when some
//! leases of a group were lost.

use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::{
    entity::{attempt, job, state},
    queue::attempt::{AttemptOutcome, AttemptResult},
};

/// Whether a result can be written, was written, or never can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettlementStatus {
    /// The lease is current and the result was not written.
    Pending,
    /// The result was written already, for example by a commit whose answer was lost.
    Written,
    /// The lease was lost. The result can never be written, and the job may run again.
    LeaseLost,
}

/// Returns the status of each result, in the given order. Call this outside the transaction that
/// failed.
pub async fn settlement_statuses<C: ConnectionTrait>(
    conn: &C,
    results: &[AttemptResult],
) -> Result<Vec<SettlementStatus>, DbErr> {
    let jobs: Vec<(Uuid, i64, String)> = job::Entity::find()
        .select_only()
        .columns([job::Column::Id, job::Column::Fence, job::Column::State])
        .filter(job::Column::Id.is_in(results.iter().map(|r| r.job)))
        .into_tuple()
        .all(conn)
        .await?;
    let written: Vec<Uuid> = attempt::Entity::find()
        .select_only()
        .column(attempt::Column::Id)
        .filter(attempt::Column::Id.is_in(results.iter().map(|r| r.attempt_id)))
        .into_tuple()
        .all(conn)
        .await?;
    let status = |result: &AttemptResult| {
        let leased = jobs.iter().find(|(id, fence, _)| *id == result.job && *fence == result.fence);
        match leased.map(|(.., state)| state.as_str()) {
            Some(state::RUNNING) => SettlementStatus::Pending,
            // Only the holder of a fence can finish a job under that fence.
            Some(state::DONE) if result.outcome == AttemptOutcome::Done => {
                SettlementStatus::Written
            }
            _ if written.contains(&result.attempt_id) => SettlementStatus::Written,
            _ => SettlementStatus::LeaseLost,
        }
    };
    Ok(results.iter().map(status).collect())
}
