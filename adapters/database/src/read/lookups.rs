//! Batched lookups by key: those of every request and every job.

use std::hash::Hash;

use guestlist_domain::{
    ApiKey, Email, Invitation, InvitationId, Session, StoreError, TokenHash, User, UserId,
};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IdenStatic, QueryFilter,
    QueryResult, QueryTrait, Select,
};

use crate::batching::{BatchLoader, Rows};
use crate::connect::Database;
use crate::error::{StoreResult, store_error};
use crate::tables::columns::Columns;
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
    let query = Entity::find().filter(Column::Hash.is_in(hashes));
    rows(&database, query, |row| token_hash(row, "", Column::Hash)).await
}

async fn users_by_id(database: Database, ids: Vec<UserId>) -> StoreResult<Rows<UserId, User>> {
    use users::{Column, Entity};
    let query = Entity::find().filter(Column::Id.is_in(ids.iter().map(|id| id.0)));
    rows(&database, query, |row| row.try_get("", Column::Id.as_str()).map(UserId)).await
}

async fn users_by_email(database: Database, emails: Vec<Email>) -> StoreResult<Rows<Email, User>> {
    use users::{Column, Entity};
    let texts: Vec<&str> = emails.iter().map(Email::as_str).collect();
    let query = Entity::find().filter(Column::Email.is_in(texts));
    let email = |row: &QueryResult| row.try_get::<String>("", Column::Email.as_str());
    let mut users = rows(&database, query, email).await?;
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
    let query = Entity::find().filter(Column::Id.is_in(ids.iter().map(|id| id.0)));
    rows(&database, query, |row| row.try_get("", Column::Id.as_str()).map(InvitationId)).await
}

async fn sessions_by_token(
    database: Database,
    tokens: Vec<TokenHash>,
) -> StoreResult<Rows<TokenHash, (Session, User)>> {
    use sessions::Column;
    let filter = Column::TokenHash.is_in(tokens.iter().map(|token| token.0.to_vec()));
    with_users(&database, filter, |row| token_hash(row, SESSION_PREFIX, Column::TokenHash)).await
}

async fn sessions_by_provider_id(
    database: Database,
    ids: Vec<String>,
) -> StoreResult<Rows<String, (Session, User)>> {
    use sessions::Column;
    let filter = Column::ProviderSessionId.is_in(ids);
    with_users(&database, filter, |row| {
        row.try_get(SESSION_PREFIX, Column::ProviderSessionId.as_str())
    })
    .await
}

/// The prefix that SeaORM gives the columns of the first of two joined tables.
const SESSION_PREFIX: &str = "A_";

async fn rows<E, K, T>(
    database: &Database,
    query: Select<E>,
    key: impl Fn(&QueryResult) -> Result<K, DbErr>,
) -> StoreResult<Rows<K, T>>
where
    E: EntityTrait,
    K: Eq + Hash,
    T: for<'r> TryFrom<Columns<'r, E>, Error = StoreError>,
{
    let rows = database.read().query_all(query.as_query()).await.map_err(store_error)?;
    let rows = rows.iter().map(|row| Ok((key(row)?, Columns::new(row).try_into())));
    rows.collect::<Result<_, _>>().map_err(store_error)
}

async fn with_users<K: Eq + Hash>(
    database: &Database,
    filter: Expr,
    key: impl Fn(&QueryResult) -> Result<K, DbErr>,
) -> StoreResult<Rows<K, (Session, User)>> {
    // The session of a deleted user does not authenticate.
    let query = sessions::Entity::find().find_both_related(users::Entity).filter(filter);
    let rows = database.read().query_all(query.as_query()).await.map_err(store_error)?;
    let rows = rows.iter().map(|row| Ok((key(row)?, session_and_user(row))));
    rows.collect::<Result<_, _>>().map_err(store_error)
}

fn session_and_user(row: &QueryResult) -> StoreResult<(Session, User)> {
    let session = Columns::<sessions::Entity>::new(row).try_into()?;
    let user = Columns::<users::Entity>::joined_to::<sessions::Entity>(row).try_into()?;
    Ok((session, user))
}

/// Reads a token's hash. Returns zeros, which are no token's hash, for a value of another length.
fn token_hash(
    row: &QueryResult,
    prefix: &str,
    column: impl IdenStatic,
) -> Result<TokenHash, DbErr> {
    let bytes: Vec<u8> = row.try_get(prefix, column.as_str())?;
    Ok(TokenHash(bytes.try_into().unwrap_or_default()))
}
