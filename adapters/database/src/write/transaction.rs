//! The statements of one transaction, which applies a group of changes.
//!
//! Tables, and rows within a table, are written in a fixed order, so that concurrent transactions
//! rarely deadlock.

use guestlist_domain::{Change, EndSessions, Guard, SessionSelector};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter};

use super::jobs;
use super::statements::{delete, insert, update};
use crate::error::WriteError;
use crate::tables::columns::{MAX_IDS, micros};
use crate::tables::{
    api_keys, events, guards, invitations, login_requests, reconciliations, removed_addresses,
    sessions, tombstones, used_links, user_emails, users,
};

type Tx = DatabaseTransaction;

/// Writes a group of changes. After an error the caller rolls the transaction back.
///
/// Leases are checked first, so that a worker whose lease was lost learns of it even if its change
/// conflicts as well.
pub(super) async fn write(tx: &Tx, changes: &[&Change]) -> Result<(), WriteError> {
    jobs::settle(tx, changes).await?;
    jobs::operate(tx, changes).await?;
    write_guards(tx, changes).await?;
    write_users(tx, changes).await?;
    write_invitations(tx, changes).await?;
    write_sessions(tx, changes).await?;
    write_logins(tx, changes).await?;
    write_api_keys(tx, changes).await?;
    write_tombstones(tx, changes).await?;
    write_removed_addresses(tx, changes).await?;
    write_reconciliations(tx, changes).await?;
    write_events(tx, changes).await?;
    jobs::enqueue(tx, changes).await
}

/// Returns the rows of values, in the order of a key.
fn sorted_rows<'a, T: 'a, K: Ord, A>(
    values: impl Iterator<Item = &'a T>,
    key: impl Fn(&'a T) -> K,
    row: fn(&T) -> A,
) -> Vec<A> {
    let mut values: Vec<&T> = values.collect();
    values.sort_by_key(|value| key(value));
    values.into_iter().map(row).collect()
}

/// Increments guards. Of two changes that increment the same guard from the same version, one
/// conflicts.
async fn write_guards(tx: &Tx, changes: &[&Change]) -> Result<(), WriteError> {
    let mut guards: Vec<&Guard> = changes.iter().flat_map(|c| &c.guards).collect();
    guards.sort_by_key(|guard| guard.name.as_str());
    for guard in guards {
        write_guard(tx, guard).await?;
    }
    Ok(())
}

async fn write_guard(tx: &Tx, guard: &Guard) -> Result<(), WriteError> {
    use guards::{Column, Entity, first_row};
    if guard.version == 0 {
        Entity::insert(first_row(guard.name.as_str())).exec_without_returning(tx).await?;
        return Ok(());
    }
    let update = Entity::update_many()
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::Name.eq(guard.name.as_str()))
        .filter(Column::Version.eq(guard.version));
    match update.exec(tx).await?.rows_affected {
        1 => Ok(()),
        _ => Err(WriteError::Conflict),
    }
}

async fn write_users(tx: &Tx, changes: &[&Change]) -> Result<(), WriteError> {
    let deleted: Vec<_> = changes.iter().flat_map(|c| &c.users.delete).collect();
    let mut emails: Vec<_> = deleted.iter().map(|user| user.email.as_str()).collect();
    emails.sort_unstable();
    delete_user_emails(tx, &emails).await?;
    delete::<users::Entity>(tx, deleted.iter().map(|u| (u.id.0, u.version)).collect()).await?;

    let updated = changes.iter().flat_map(|c| &c.users.update);
    update::<users::Entity>(tx, updated.map(users::update).collect()).await?;

    let inserted = || changes.iter().flat_map(|c| &c.users.insert);
    insert(tx, sorted_rows(inserted(), |user| &user.email, user_emails::row)).await?;
    insert(tx, sorted_rows(inserted(), |user| user.id, users::row)).await?;
    Ok(())
}

async fn delete_user_emails(tx: &Tx, emails: &[&str]) -> Result<(), DbErr> {
    for emails in emails.chunks(MAX_IDS) {
        user_emails::Entity::delete_many()
            .filter(user_emails::Column::Email.is_in(emails.iter().copied()))
            .exec(tx)
            .await?;
    }
    Ok(())
}

async fn write_invitations(tx: &Tx, changes: &[&Change]) -> Result<(), WriteError> {
    let deleted = changes.iter().flat_map(|c| &c.invitations.delete);
    delete::<invitations::Entity>(tx, deleted.map(|i| (i.id.0, i.version)).collect()).await?;

    // An address has at most one open invitation, so invitations are closed before others are
    // opened.
    for open in [false, true] {
        let updated = changes.iter().flat_map(|c| &c.invitations.update);
        let updated = updated.filter(|update| update.after.status.is_open() == open);
        update::<invitations::Entity>(tx, updated.map(invitations::update).collect()).await?;
    }

    let inserted = changes.iter().flat_map(|c| &c.invitations.insert);
    Ok(insert(tx, sorted_rows(inserted, |invitation| invitation.id, invitations::row)).await?)
}

/// Ends sessions before it inserts new ones: a change that ends all sessions of a user and starts
/// one leaves the new one live.
async fn write_sessions(tx: &Tx, changes: &[&Change]) -> Result<(), WriteError> {
    let mut ends: Vec<_> = changes.iter().flat_map(|c| &c.end_sessions).collect();
    ends.sort_by_key(|end| end.user_id);
    for end in ends {
        end_sessions(tx, end).await?;
    }
    let inserted = changes.iter().flat_map(|c| &c.sessions);
    Ok(insert(tx, sorted_rows(inserted, |session| session.id, sessions::row)).await?)
}

async fn end_sessions(tx: &Tx, end: &EndSessions) -> Result<(), DbErr> {
    use sessions::{Column, Entity};
    let sessions = Entity::update_many()
        .col_expr(Column::EndedAt, Expr::value(micros(end.at)))
        .col_expr(Column::EndReason, Expr::value(end.reason.as_str()))
        .filter(Column::UserId.eq(end.user_id.0))
        .filter(Column::EndedAt.is_null());
    let sessions = match end.sessions {
        SessionSelector::One(id) => sessions.filter(Column::Id.eq(id.0)),
        SessionSelector::AllBut(id) => sessions.filter(Column::Id.ne(id.0)),
        SessionSelector::All => sessions,
    };
    sessions.exec(tx).await?;
    Ok(())
}

async fn write_logins(tx: &Tx, changes: &[&Change]) -> Result<(), WriteError> {
    let links = changes.iter().flat_map(|c| &c.used_links);
    insert(tx, sorted_rows(links, |link| link.token_hash.0, used_links::row)).await?;
    let requests = changes.iter().flat_map(|c| &c.login_requests);
    Ok(insert(tx, sorted_rows(requests, |request| request.id, login_requests::row)).await?)
}

async fn write_api_keys(tx: &Tx, changes: &[&Change]) -> Result<(), WriteError> {
    let deleted = changes.iter().flat_map(|c| &c.api_keys.delete);
    delete::<api_keys::Entity>(tx, deleted.map(|k| (k.id.0, k.version)).collect()).await?;

    let updated = changes.iter().flat_map(|c| &c.api_keys.update);
    update::<api_keys::Entity>(tx, updated.map(api_keys::update).collect()).await?;

    let inserted = changes.iter().flat_map(|c| &c.api_keys.insert);
    Ok(insert(tx, sorted_rows(inserted, |key| key.id, api_keys::row)).await?)
}

/// Inserts or replaces tombstones: a deletion that is repeated, after the identity reappeared at
/// the provider, is no conflict.
async fn write_tombstones(tx: &Tx, changes: &[&Change]) -> Result<(), WriteError> {
    use tombstones::{Column, Entity, row};
    let mut inserted: Vec<_> = changes.iter().flat_map(|c| &c.tombstones).collect();
    if inserted.is_empty() {
        return Ok(());
    }
    inserted.sort_by_key(|tombstone| &tombstone.provider_user_id);
    let replace = OnConflict::column(Column::ProviderUserId)
        .update_columns([Column::UserId, Column::At])
        .to_owned();
    let insert = Entity::insert_many(inserted.into_iter().map(row)).on_conflict(replace);
    insert.exec_without_returning(tx).await?;
    Ok(())
}

/// Inserts addresses that are not there yet: an address can be invited and removed repeatedly.
async fn write_removed_addresses(tx: &Tx, changes: &[&Change]) -> Result<(), WriteError> {
    use removed_addresses::{Column, Entity, row};
    let mut inserted: Vec<_> = changes.iter().flat_map(|c| &c.removed_addresses).collect();
    if inserted.is_empty() {
        return Ok(());
    }
    inserted.sort_unstable();
    inserted.dedup();
    // An update of the hash to itself: the form of "do nothing" that SQLite and MySQL share.
    let keep = OnConflict::column(Column::Hash).update_column(Column::Hash).to_owned();
    let insert = Entity::insert_many(inserted.into_iter().map(row)).on_conflict(keep);
    insert.exec_without_returning(tx).await?;
    Ok(())
}

/// Keeps the newest reconciliation only. Events record what earlier ones changed.
async fn write_reconciliations(tx: &Tx, changes: &[&Change]) -> Result<(), WriteError> {
    use reconciliations::{Column, Entity, row};
    let inserted: Vec<_> = changes.iter().flat_map(|c| &c.reconciliations).collect();
    let Some(newest) = inserted.iter().map(|record| record.id.0).max() else { return Ok(()) };
    insert(tx, inserted.into_iter().map(row).collect()).await?;
    Entity::delete_many().filter(Column::Id.lt(newest)).exec(tx).await?;
    Ok(())
}

async fn write_events(tx: &Tx, changes: &[&Change]) -> Result<(), WriteError> {
    let inserted = changes.iter().flat_map(|c| &c.events);
    Ok(insert(tx, sorted_rows(inserted, |event| event.id, events::row)).await?)
}
