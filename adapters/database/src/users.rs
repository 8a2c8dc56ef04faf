//! People, and whose each address is.

use async_trait::async_trait;
use guestlist_domain::{
    Change, Email, SortKey, GuardName, Name, Page, Cursor, SearchPrefix, ReadUsers, RemovedAddress, Role,
    StoreError, User, UserFilter, UserId, UserStatus,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, DatabaseTransaction, DbErr, EntityTrait,
    PaginatorTrait, QueryFilter, Select, sea_query::Expr,
};
use uuid::Uuid;

use crate::apply::Refusal;
use crate::errors::store_error;
use crate::guards;
use crate::lists::{self, Search};
use crate::removed_addresses;
use crate::rows::{self, Update, Versioned, forward};
use crate::store::SqlStore;
use crate::values::{Row, micros};

type Answer<T> = Result<T, StoreError>;

/// Letters that address and name are compared by. A search for more reads past those whom it has
/// found already, who are few then.
const ALIKE: i32 = 8;

pub(crate) mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "users")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub email: String,
        pub name: Option<String>,
        pub name_key: Option<String>,
        pub alike: i32,
        pub role: String,
        pub status: String,
        pub metadata: String,
        pub provider_user_id: Option<String>,
        pub created_at: i64,
        pub last_seen_at: Option<i64>,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod address {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "user_emails")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub email: String,
        pub user_id: Uuid,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

impl Versioned for Entity {
    const ID: Column = Column::Id;
    const VERSION: Column = Column::Version;
}

impl TryFrom<Model> for User {
    type Error = StoreError;

    fn try_from(model: Model) -> Answer<Self> {
        let row = Row::of("users", model.id);
        Ok(Self {
            id: UserId(model.id),
            email: row.email(&model.email)?,
            name: model.name.map(Name::stored),
            role: row.role(&model.role)?,
            status: row.whole("status", UserStatus::parse(&model.status))?,
            metadata: row.metadata(&model.metadata)?,
            provider_user_id: model.provider_user_id,
            created_at: row.time("created_at", model.created_at)?,
            last_seen_at: row.maybe_time("last_seen_at", model.last_seen_at)?,
            version: model.version,
        })
    }
}

fn row(user: &User) -> ActiveModel {
    ActiveModel {
        id: Set(user.id.0),
        email: Set(user.email.as_str().to_owned()),
        name: Set(name(user)),
        name_key: Set(name_key(user)),
        alike: Set(alike(user)),
        role: Set(user.role.to_string()),
        status: Set(user.status.to_string()),
        metadata: Set(user.metadata.to_json()),
        provider_user_id: Set(user.provider_user_id.clone()),
        created_at: Set(micros(user.created_at)),
        last_seen_at: Set(user.last_seen_at.map(micros)),
        version: Set(user.version),
    }
}

/// An address is a person's for good, and so is when they came to be known.
fn update(user: &User) -> Update<Column> {
    let set = vec![
        (Column::Name, Expr::value(name(user))),
        (Column::NameKey, Expr::value(name_key(user))),
        (Column::Alike, Expr::value(alike(user))),
        (Column::Role, Expr::value(user.role.as_str())),
        (Column::Status, Expr::value(user.status.as_str())),
        (Column::Metadata, Expr::value(user.metadata.to_json())),
        (Column::ProviderUserId, Expr::value(user.provider_user_id.clone())),
        (Column::LastSeenAt, forward(Column::LastSeenAt, user.last_seen_at.map(micros))),
    ];
    Update { id: user.id.0, version: user.version, set }
}

fn name(user: &User) -> Option<String> {
    user.name.as_ref().map(|name| name.as_str().to_owned())
}

fn name_key(user: &User) -> Option<String> {
    user.name.as_ref().map(Name::key)
}

/// With how many letters address and name begin alike; [`ALIKE`] stands for more, too.
fn alike(user: &User) -> i32 {
    let name = name_key(user).unwrap_or_default();
    let letters = user.email.as_str().chars().zip(name.chars());
    (0..ALIKE)
        .zip(letters)
        .take_while(|(_, (email, name))| email == name)
        .map(|(n, _)| n + 1)
        .last()
        .unwrap_or(0)
}

pub(crate) async fn write(tx: &DatabaseTransaction, changes: &[&Change]) -> Result<(), Refusal> {
    let deleted: Vec<_> = changes.iter().flat_map(|c| &c.users.delete).collect();
    free_addresses(tx, &deleted).await?;
    rows::delete::<Entity>(tx, deleted.iter().map(|u| (u.id.0, u.version)).collect()).await?;

    let updated = changes.iter().flat_map(|c| &c.users.update);
    rows::update::<Entity>(tx, updated.map(update).collect()).await?;

    let mut inserted: Vec<_> = changes.iter().flat_map(|c| &c.users.insert).collect();
    inserted.sort_by_key(|user| &user.email);
    rows::insert(tx, inserted.iter().map(|user| taken(user)).collect()).await?;
    inserted.sort_by_key(|user| user.id);
    rows::insert(tx, inserted.into_iter().map(row).collect()).await?;
    Ok(())
}

fn taken(user: &User) -> address::ActiveModel {
    address::ActiveModel { email: Set(user.email.as_str().to_owned()), user_id: Set(user.id.0) }
}

async fn free_addresses(tx: &DatabaseTransaction, users: &[&User]) -> Result<(), DbErr> {
    let mut emails: Vec<_> = users.iter().map(|user| user.email.as_str()).collect();
    emails.sort_unstable();
    for emails in emails.chunks(rows::LIST) {
        address::Entity::delete_many()
            .filter(address::Column::Email.is_in(emails.iter().copied()))
            .exec(tx)
            .await?;
    }
    Ok(())
}

#[async_trait]
impl ReadUsers for SqlStore {
    async fn user(&self, id: UserId) -> Answer<Option<User>> {
        self.one(Entity::find_by_id(id.0)).await
    }

    async fn user_by_email(&self, email: &Email) -> Answer<Option<User>> {
        self.one(Entity::find().filter(Column::Email.eq(email.as_str()))).await
    }

    async fn user_by_provider_id(&self, provider_user_id: &str) -> Answer<Option<User>> {
        self.one(Entity::find().filter(Column::ProviderUserId.eq(provider_user_id))).await
    }

    async fn users(&self, filter: &UserFilter, page: Page<Cursor<UserId>>) -> Answer<Vec<User>> {
        let Page { after, limit } = page;
        let Some(q) = &filter.q else {
            let after = after.map(|place| place.id.0);
            return self.all(lists::piece(of_one(filter), Column::Id, after, limit)).await;
        };
        let (mut users, name) = match &after {
            Some(Cursor { id, sort_key: Some(SortKey::Name(name)) }) => {
                (Vec::new(), Some((name.as_str(), id.0)))
            }
            after => (self.by_email(filter, q, after.as_ref(), limit).await?, None),
        };
        let missing = limit.saturating_sub(users.len() as u64);
        if missing > 0 {
            users.extend(self.by_name(filter, q, name, missing).await?);
        }
        Ok(users)
    }

    async fn was_removed(&self, email: &Email) -> Answer<bool> {
        let hash = RemovedAddress::of(email).0.to_vec();
        let row = removed_addresses::entity::Entity::find_by_id(hash);
        let row = row.one(self.database.read()).await.map_err(store_error)?;
        Ok(row.is_some())
    }

    async fn count_active_admins(&self) -> Answer<u64> {
        Entity::find()
            .filter(Column::Role.eq(Role::Admin.as_str()))
            .filter(Column::Status.eq(UserStatus::Active.as_str()))
            .count(self.database.read())
            .await
            .map_err(store_error)
    }

    async fn guard(&self, name: GuardName) -> Answer<i64> {
        let guard = guards::entity::Entity::find_by_id(name.as_str());
        let row = guard.one(self.database.read()).await.map_err(store_error)?;
        Ok(row.map_or(0, |row| row.version))
    }
}

impl SqlStore {
    async fn by_email(
        &self,
        filter: &UserFilter,
        q: &SearchPrefix,
        after: Option<&Cursor<UserId>>,
        limit: u64,
    ) -> Answer<Vec<User>> {
        let after = after.and_then(|place| match &place.sort_key {
            Some(SortKey::Email(email)) => Some((email.as_str(), place.id.0)),
            _ => None,
        });
        let search = Search::<Entity> { key: Column::Email, id: None, prefix: q, after, limit };
        self.found::<Entity, _>(&search.among(&groups(filter))).await
    }

    /// Those whose name begins so and whose address does not.
    async fn by_name(
        &self,
        filter: &UserFilter,
        q: &SearchPrefix,
        after: Option<(&str, Uuid)>,
        limit: u64,
    ) -> Answer<Vec<User>> {
        let (key, id) = (Column::NameKey, Some(Column::Id));
        let search = Search::<Entity> { key, id, prefix: q, after, limit };
        let groups: Vec<Condition> = groups(filter)
            .into_iter()
            .flat_map(|group| named_only(q).map(move |named| group.clone().add(named)))
            .collect();
        self.found::<Entity, _>(&search.among(&groups)).await
    }
}

/// Those of the filter, in pieces of which each is next to itself in an index.
fn groups(filter: &UserFilter) -> Vec<Condition> {
    if filter.role.is_none() && filter.status.is_none() {
        return vec![Condition::all()];
    }
    let roles = filter.role.as_ref().map_or(Role::ALL, std::slice::from_ref);
    let statuses = filter.status.as_ref().map_or(UserStatus::ALL, std::slice::from_ref);
    let pair = |role: &Role, status: &UserStatus| {
        let role = Column::Role.eq(role.as_str());
        Condition::all().add(role).add(Column::Status.eq(status.as_str()))
    };
    roles.iter().flat_map(|role| statuses.iter().map(move |status| pair(role, status))).collect()
}

/// Of those whose name begins so, all whose address does not: it is alike for fewer letters.
fn named_only(q: &SearchPrefix) -> impl Iterator<Item = Condition> {
    let letters = q.as_str().chars().count();
    let email = lists::begins_with(Column::Email, q);
    (0..=ALIKE).take(letters).map(move |alike| {
        let group = Condition::all().add(Column::Alike.eq(alike));
        if alike < ALIKE { group } else { group.add(email.clone().not()) }
    })
}

fn of_one(filter: &UserFilter) -> Select<Entity> {
    let query = match filter.role {
        Some(role) => Entity::find().filter(Column::Role.eq(role.as_str())),
        None => Entity::find(),
    };
    match filter.status {
        Some(status) => query.filter(Column::Status.eq(status.as_str())),
        None => query,
    }
}
