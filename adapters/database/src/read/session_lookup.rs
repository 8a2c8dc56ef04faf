//! Batched lookups of sessions with their users, which authenticate every request.

use std::hash::Hash;

use guestlist_domain::{Session, TokenHash, User};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::batch_loader::Rows;
use crate::connect::Database;
use crate::error::{StoreResult, store_error};
use crate::tables::sessions::{Column, Entity, Model};
use crate::tables::users;

pub(crate) async fn by_tokens(
    database: Database,
    tokens: Vec<TokenHash>,
) -> StoreResult<Rows<TokenHash, (Session, User)>> {
    let tokens = tokens.iter().map(|token| token.0.to_vec());
    let token = |s: &Model| TokenHash(s.token_hash.as_slice().try_into().unwrap_or_default());
    with_users(&database, Column::TokenHash.is_in(tokens), token).await
}

pub(crate) async fn by_provider_ids(
    database: Database,
    ids: Vec<String>,
) -> StoreResult<Rows<String, (Session, User)>> {
    let filter = Column::ProviderSessionId.is_in(ids);
    with_users(&database, filter, |session| session.provider_session_id.clone()).await
}

async fn with_users<K: Eq + Hash>(
    database: &Database,
    filter: Expr,
    key: impl Fn(&Model) -> K,
) -> StoreResult<Rows<K, (Session, User)>> {
    let query = Entity::find().find_also_related(users::Entity).filter(filter);
    let rows = query.all(database.read()).await.map_err(store_error)?;
    let rows = rows.into_iter().filter_map(|(session, user)| {
        // The session of a deleted user does not authenticate.
        let user = user?;
        Some((key(&session), convert(session, user)))
    });
    Ok(rows.collect())
}

fn convert(session: Model, user: users::Model) -> StoreResult<(Session, User)> {
    Ok((session.try_into()?, user.try_into()?))
}
