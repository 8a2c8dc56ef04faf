//! Counts of invitations, and what pages show of several invitations at once.

use apalis_sea_orm::entity::job;
use guestlist_domain::jobs::SendInvitation;
use guestlist_domain::{
    Event, HeldBy, Invitation, InvitationId, InvitationStatus, JobId, QueueName,
};
use jiff::Timestamp;
use sea_orm::sea_query::extension::mysql::{IndexHintScope, MySqlSelectStatementExt};
use sea_orm::sea_query::{
    Alias, Asterisk, Expr, ExprTrait, Func, Query, SelectStatement, UnionType,
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, Order, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
};
use uuid::Uuid;

use super::capped_count::{CappedCount, MAX_COUNT};
use super::{JobAttempt, JobRecord};
use crate::error::{StoreResult, store_error};
use crate::store::SqlStore;
use crate::tables::columns::micros;
use crate::tables::events;
use crate::tables::invitations::{Column, Entity};

/// How many of an invitation's deliveries are read, the newest first.
const MAX_DELIVERIES: i32 = 5;

/// The numbers of invitations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvitationCounts {
    /// By status, in order of declaration.
    by_status: Vec<CappedCount>,
    /// Queued invitations that are held back, among the oldest that are counted.
    pub held: CappedCount,
}

impl InvitationCounts {
    pub fn of(&self, status: InvitationStatus) -> CappedCount {
        let place = InvitationStatus::ALL.iter().position(|one| *one == status);
        place.and_then(|place| self.by_status.get(place)).copied().unwrap_or_default()
    }

    pub fn total(&self) -> CappedCount {
        self.by_status.iter().copied().sum()
    }
}

impl SqlStore {
    /// Counts the invitations by status, each up to 10,000, and how many of them are held.
    pub async fn count_invitations(&self, now: Timestamp) -> StoreResult<InvitationCounts> {
        let mut by_status = vec![CappedCount::default(); InvitationStatus::ALL.len()];
        let rows = self.database.read().query_all(&counts()).await.map_err(store_error)?;
        for row in rows {
            let place: i64 = row.try_get_by_index(0).map_err(store_error)?;
            let count: i64 = row.try_get_by_index(1).map_err(store_error)?;
            let place = usize::try_from(place).ok().and_then(|place| by_status.get_mut(place));
            if let Some(place) = place {
                *place = CappedCount::of(u64::try_from(count).unwrap_or(0));
            }
        }
        let mut counts = InvitationCounts { by_status, held: CappedCount::default() };
        let queued = counts.of(InvitationStatus::Queued);
        if queued.count > 0 {
            let held_by = self.holds(now).await?.for_queue(QueueName::Invitation, now);
            counts.held = CappedCount { count: self.count_held(held_by, now).await?, ..queued };
        }
        Ok(counts)
    }

    async fn count_held(&self, queue: Option<HeldBy>, now: Timestamp) -> StoreResult<u64> {
        let row = self.database.read().query_one(&held(queue, now)).await.map_err(store_error)?;
        let count = row.map(|row| row.try_get_by_index::<i64>(0)).transpose();
        Ok(count.map_err(store_error)?.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
    }

    /// Returns those of the invitations that exist, in any order. `ids` must not exceed a page.
    pub async fn invitations_by_ids(&self, ids: &[InvitationId]) -> StoreResult<Vec<Invitation>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids = ids.iter().map(|id| id.0);
        self.all(Entity::find().filter(Column::Id.is_in(ids))).await
    }

    /// Returns the events of some invitations, oldest first. `ids` must not exceed a page.
    pub async fn events_of_invitations(&self, ids: &[InvitationId]) -> StoreResult<Vec<Event>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids = ids.iter().map(|id| id.0);
        let query = events::Entity::find().filter(events::Column::InvitationId.is_in(ids));
        let mut found: Vec<Event> = self.all(query).await?;
        found.sort_by_key(|event| event.id);
        Ok(found)
    }

    /// Returns the jobs of an invitation's newest deliveries with their attempts, oldest first. A
    /// job is deleted some time after it was done.
    pub async fn delivery_jobs(
        &self,
        invitation: &Invitation,
        now: Timestamp,
    ) -> StoreResult<Vec<(JobRecord, Vec<JobAttempt>)>> {
        let oldest = Ord::max(invitation.delivery - MAX_DELIVERIES + 1, 1);
        let keys = (oldest..=invitation.delivery)
            .map(|delivery| SendInvitation::key_of(invitation.id, delivery));
        let ids: Vec<Uuid> = job::Entity::find()
            .select_only()
            .column(job::Column::Id)
            .filter(job::Column::UniqueKey.is_in(keys))
            .into_tuple()
            .all(self.database.read())
            .await
            .map_err(store_error)?;
        let mut jobs = Vec::with_capacity(ids.len());
        for id in ids {
            jobs.extend(self.job_with_attempts(JobId(id), now).await?);
        }
        jobs.sort_by_key(|(job, _)| job.id);
        Ok(jobs)
    }
}

/// Selects the place of each status and the number of its invitations. Each part reads at most one
/// row more than the limit along an index.
fn counts() -> SelectStatement {
    let mut parts = InvitationStatus::ALL.iter().enumerate().map(|(place, status)| {
        let rows = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::Status.eq(status.as_str()))
            .limit(MAX_COUNT + 1);
        Query::select()
            .expr(Expr::cust(place.to_string()))
            .expr(Func::count(Expr::col(Asterisk)))
            .from_subquery(rows.into_query(), Alias::new("part"))
            .take()
    });
    let mut all = parts.next().unwrap_or_default();
    all.unions(parts.map(|part| (UnionType::All, part)));
    all
}

/// Counts those of the oldest queued invitations that are held: those that wait for a reason of
/// their own, and while the queue is held, all that are due.
fn held(queue: Option<HeldBy>, now: Timestamp) -> SelectStatement {
    let oldest = Entity::find()
        .select_only()
        .columns([Column::HeldBy, Column::NextAttemptAt])
        .filter(Column::Status.eq(InvitationStatus::Queued.as_str()))
        .order_by(Column::Id, Order::Asc)
        .limit(MAX_COUNT);
    // Without the hint, MySQL may read the whole table in the order of its ids.
    let mut oldest = oldest.into_query();
    oldest.force_index("invitations_status", IndexHintScope::All);
    let held_by = Expr::col(Alias::new("held_by"));
    let next_attempt_at = Expr::col(Alias::new("next_attempt_at"));
    let is_postponed = next_attempt_at.clone().gt(micros(now));
    let waits = Condition::all().add(is_postponed).add(held_by.is_not_null());
    let is_due = Condition::any()
        .add(next_attempt_at.clone().lte(micros(now)))
        .add(next_attempt_at.is_null());
    let is_held = Condition::any().add(waits).add_option(queue.map(|_| is_due));
    Query::select()
        .expr(Func::count(Expr::col(Asterisk)))
        .from_subquery(oldest, Alias::new("part"))
        .cond_where(is_held)
        .take()
}
