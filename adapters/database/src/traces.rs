//! Whether a change is in the database after all, when the answer to its commit was lost: by the
//! ids of what it inserts, which nobody else can have inserted.

use apalis_sea_orm::SettlementStatus;
use apalis_sea_orm::entity::job;
use guestlist_domain::Change;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, PrimaryKeyTrait};

use crate::{events, invitations, jobs, keys, logins, sessions, users};

/// Whether a group of changes, committed together, is there. No, when none of them leaves a
/// trace: then another try finds out by the versions that it expects.
pub(crate) async fn found<C: ConnectionTrait>(db: &C, changes: &[&Change]) -> Result<bool, DbErr> {
    for change in changes {
        if let Some(found) = trace(db, change).await? {
            return Ok(found);
        }
    }
    Ok(false)
}

async fn trace<C: ConnectionTrait>(db: &C, change: &Change) -> Result<Option<bool>, DbErr> {
    if let Some(event) = change.events.first() {
        return exists::<events::entity::Entity, _>(db, event.id.0).await;
    }
    if let Some(job) = change.jobs.first() {
        return exists::<job::Entity, _>(db, job.id.0).await;
    }
    if let Some(invitation) = change.invitations.insert.first() {
        return exists::<invitations::entity::Entity, _>(db, invitation.id.0).await;
    }
    if let Some(user) = change.users.insert.first() {
        return exists::<users::entity::Entity, _>(db, user.id.0).await;
    }
    if let Some(session) = change.sessions.first() {
        return exists::<sessions::entity::Entity, _>(db, session.id.0).await;
    }
    if let Some(request) = change.login_requests.first() {
        return exists::<logins::request::Entity, _>(db, request.id.0).await;
    }
    if let Some(key) = change.api_keys.insert.first() {
        return exists::<keys::entity::Entity, _>(db, key.id.0).await;
    }
    if let Some(settlement) = &change.settlement {
        let settlement = [jobs::settlement(settlement)];
        let standings = apalis_sea_orm::settlement_statuses(db, &settlement).await?;
        return Ok(Some(standings == [SettlementStatus::Written]));
    }
    Ok(None)
}

async fn exists<E, C>(
    db: &C,
    id: <E::PrimaryKey as PrimaryKeyTrait>::ValueType,
) -> Result<Option<bool>, DbErr>
where
    E: EntityTrait,
    C: ConnectionTrait,
{
    Ok(Some(E::find_by_id(id).one(db).await?.is_some()))
}
