//! Batched lookups by key: those of every request and every job.

use std::hash::Hash;

use guestlist_domain::{
    ApiKey, Email, Invitation, InvitationId, Session, StoreError, TokenHash, User, UserId,
};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DbBackend, EntityTrait, QueryFilter};

use crate::batching::{BatchLoader, Rows};
use crate::connect::Database;
use crate::error::{StoreResult, store_error};
use crate::tables::{api_keys, invitations, sessions, users};

/// The batch loaders of a store.
#[derive(Debug)]
pub(crate) struct Lookups {
    pub(crate) api_keys_by_hash: BatchLoader<TokenHash, ApiKey>,
    pub(crate) sessions_by_token: BatchLoader<TokenHash, (Session, User)>,
    pub(crate) sessions_by_provider_id: BatchLoader<String, (Session, User)>,
    pub(crate) users: BatchLoader<UserId, User>,
    pub(crate) users_by_email: BatchLoader<Email, User>,
    pub(crate) invitations: BatchLoader<InvitationId, Invitation>,
}

impl Lookups {
    /// Starts the tasks of the loaders. They end when the loaders are dropped.
    pub(crate) fn start(database: &Database) -> Self {
        Self {
            api_keys_by_hash: loader(database, api_keys_by_hash),
            sessions_by_token: loader(database, sessions_by_token),
            sessions_by_provider_id: loader(database, sessions_by_provider_id),
            users: loader(database, users_by_id),
            users_by_email: loader(database, users_by_email),
            invitations: loader(database, invitations_by_id),
        }
    }
}

fn loader<K, V, Q>(
    database: &Database,
    query: impl Fn(Database, Vec<K>) -> Q + Clone + Send + 'static,
) -> BatchLoader<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    Q: Future<Output = StoreResult<Rows<K, V>>> + Send,
{
    let tasks = match database.backend() {
        DbBackend::Sqlite => 2,
        _ => 4,
    };
    let database = database.clone();
    BatchLoader::start(tasks, move |keys| query(database.clone(), keys))
}

async fn api_keys_by_hash(
    database: Database,
    hashes: Vec<TokenHash>,
) -> StoreResult<Rows<TokenHash, ApiKey>> {
    use api_keys::{Column, Entity};
    let hashes = hashes.iter().map(|hash| hash.0.to_vec());
    rows::<Entity, _, _>(&database, Column::Hash.is_in(hashes), |key| token_hash(&key.hash)).await
}

async fn users_by_id(database: Database, ids: Vec<UserId>) -> StoreResult<Rows<UserId, User>> {
    use users::{Column, Entity};
    let ids = ids.iter().map(|id| id.0);
    rows::<Entity, _, _>(&database, Column::Id.is_in(ids), |user| UserId(user.id)).await
}

async fn users_by_email(database: Database, emails: Vec<Email>) -> StoreResult<Rows<Email, User>> {
    use users::{Column, Entity};
    let texts: Vec<&str> = emails.iter().map(Email::as_str).collect();
    let filter = Column::Email.is_in(texts);
    let mut users = rows::<Entity, _, _>(&database, filter, |user| user.email.clone()).await?;
    let found = emails.into_iter().filter_map(|email| {
        let user = users.remove(email.as_str())?;
        Some((email, user))
    });
    Ok(found.collect())
}

async fn invitations_by_id(
    database: Database,
    ids: Vec<InvitationId>,
) -> StoreResult<Rows<InvitationId, Invitation>> {
    use invitations::{Column, Entity};
    let ids = ids.iter().map(|id| id.0);
    rows::<Entity, _, _>(&database, Column::Id.is_in(ids), |row| InvitationId(row.id)).await
}

async fn sessions_by_token(
    database: Database,
    tokens: Vec<TokenHash>,
) -> StoreResult<Rows<TokenHash, (Session, User)>> {
    let tokens = tokens.iter().map(|token| token.0.to_vec());
    let filter = sessions::Column::TokenHash.is_in(tokens);
    with_users(&database, filter, |session| token_hash(&session.token_hash)).await
}

async fn sessions_by_provider_id(
    database: Database,
    ids: Vec<String>,
) -> StoreResult<Rows<String, (Session, User)>> {
    let filter = sessions::Column::ProviderSessionId.is_in(ids);
    with_users(&database, filter, |session| session.provider_session_id.clone()).await
}

async fn rows<E, K, T>(
    database: &Database,
    filter: Expr,
    key: impl Fn(&E::Model) -> K,
) -> StoreResult<Rows<K, T>>
where
    E: EntityTrait,
    K: Eq + Hash,
    T: TryFrom<E::Model, Error = StoreError>,
{
    let rows = E::find().filter(filter).all(database.read()).await.map_err(store_error)?;
    Ok(rows.into_iter().map(|row| (key(&row), row.try_into())).collect())
}

async fn with_users<K: Eq + Hash>(
    database: &Database,
    filter: Expr,
    key: impl Fn(&sessions::Model) -> K,
) -> StoreResult<Rows<K, (Session, User)>> {
    let query = sessions::Entity::find().find_also_related(users::Entity).filter(filter);
    let rows = query.all(database.read()).await.map_err(store_error)?;
    let rows = rows.into_iter().filter_map(|(session, user)| {
        // The session of a deleted user does not authenticate.
        let user = user?;
        Some((key(&session), session_and_user(session, user)))
    });
    Ok(rows.collect())
}

fn session_and_user(session: sessions::Model, user: users::Model) -> StoreResult<(Session, User)> {
    Ok((session.try_into()?, user.try_into()?))
}

/// Returns the default, which is no token's hash, for a value of another length.
fn token_hash(bytes: &[u8]) -> TokenHash {
    TokenHash(bytes.try_into().unwrap_or_default())
}
