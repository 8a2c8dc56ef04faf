//! Reads of jobs.

use apalis_sea_orm::entity;
use async_trait::async_trait;
use guestlist_domain::{JobId, JobState, QueuedJob, ReadJobs};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::error::{StoreResult, store_error};
use crate::store::SqlStore;
use crate::tables::columns::{RowReader, micros};

#[async_trait]
impl ReadJobs for SqlStore {
    async fn job(&self, id: JobId) -> StoreResult<Option<QueuedJob>> {
        let row = entity::job::Entity::find_by_id(id.0).one(self.database.read()).await;
        row.map_err(store_error)?.map(queued_job).transpose()
    }

    async fn first_lost_attempt(
        &self,
        id: JobId,
        since: Timestamp,
    ) -> StoreResult<Option<Timestamp>> {
        use entity::attempt::Column as C;
        let lost = entity::attempt::Entity::find()
            .filter(C::JobId.eq(id.0))
            .filter(C::Outcome.eq("lost"))
            .filter(C::StartedAt.gte(micros(since)))
            .all(self.database.read())
            .await
            .map_err(store_error)?;
        let first = lost.iter().map(|attempt| attempt.started_at).min();
        RowReader::new("job_attempts", id.0).optional_time("started_at", first)
    }
}

fn queued_job(model: entity::job::Model) -> StoreResult<QueuedJob> {
    let row = RowReader::new("jobs", model.id);
    Ok(QueuedJob {
        id: JobId(model.id),
        queue: model.queue,
        kind: model.kind,
        args: serde_json::from_str(&model.args).unwrap_or_default(),
        state: row.require("state", JobState::parse(&model.state))?,
    })
}
