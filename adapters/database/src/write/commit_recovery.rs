//! Determines whether a transaction whose COMMIT was not answered was committed: by the ids of the
//! rows that it inserts, which no other transaction can have inserted.

use apalis_sea_orm::entity::job;
use guestlist_domain::Change;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, PrimaryKeyTrait};

use super::jobs;
use crate::tables::{api_keys, events, invitations, login_requests, sessions, users};

/// Returns whether a group of changes was committed. Returns false if none of them inserts a row
/// with an id: a further attempt then conflicts with the versions that the first one wrote.
pub(super) async fn is_committed<C: ConnectionTrait>(
    db: &C,
    changes: &[&Change],
) -> Result<bool, DbErr> {
    for change in changes {
        if let Some(is_committed) = change_is_committed(db, change).await? {
            return Ok(is_committed);
        }
    }
    Ok(false)
}

/// Returns `None` if the change inserts no row with an id.
async fn change_is_committed<C: ConnectionTrait>(
    db: &C,
    change: &Change,
) -> Result<Option<bool>, DbErr> {
    let exists = if let Some(event) = change.events.first() {
        exists::<events::Entity, _>(db, event.id.0).await?
    } else if let Some(job) = change.jobs.first() {
        exists::<job::Entity, _>(db, job.id.0).await?
    } else if let Some(invitation) = change.invitations.insert.first() {
        exists::<invitations::Entity, _>(db, invitation.id.0).await?
    } else if let Some(user) = change.users.insert.first() {
        exists::<users::Entity, _>(db, user.id.0).await?
    } else if let Some(session) = change.sessions.first() {
        exists::<sessions::Entity, _>(db, session.id.0).await?
    } else if let Some(request) = change.login_requests.first() {
        exists::<login_requests::Entity, _>(db, request.id.0).await?
    } else if let Some(key) = change.api_keys.insert.first() {
        exists::<api_keys::Entity, _>(db, key.id.0).await?
    } else if let Some(settlement) = &change.settlement {
        apalis_sea_orm::is_written(db, &jobs::queue_settlement(settlement)).await?
    } else {
        return Ok(None);
    };
    Ok(Some(exists))
}

async fn exists<E, C>(
    db: &C,
    id: <E::PrimaryKey as PrimaryKeyTrait>::ValueType,
) -> Result<bool, DbErr>
where
    E: EntityTrait,
    C: ConnectionTrait,
{
    Ok(E::find_by_id(id).one(db).await?.is_some())
}
