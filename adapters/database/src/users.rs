//! People, and whose each address is.

use async_trait::async_trait;
use guestlist_domain::{
    Change, Email, GuardName, Page, ReadUsers, Role, StoreError, User, UserFilter, UserId,
    UserStatus,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, PaginatorTrait,
    QueryFilter, Select, sea_query::Expr,
};

use crate::apply::Refusal;
use crate::errors::store_error;
use crate::rows::{self, Update, Versioned, forward};
use crate::store::SqlStore;
use crate::values::{Row, micros};
use crate::{guards, lists};

type Answer<T> = Result<T, StoreError>;

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
        pub role: String,
        pub status: String,
        pub metadata: String,
        pub stytch_user_id: Option<String>,
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
            name: row.name(model.name.as_deref())?,
            role: row.role(&model.role)?,
            status: row.whole("status", UserStatus::parse(&model.status))?,
            metadata: row.metadata(&model.metadata)?,
            stytch_user_id: model.stytch_user_id,
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
        role: Set(user.role.to_string()),
        status: Set(user.status.to_string()),
        metadata: Set(user.metadata.to_json()),
        stytch_user_id: Set(user.stytch_user_id.clone()),
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
        (Column::Role, Expr::value(user.role.as_str())),
        (Column::Status, Expr::value(user.status.as_str())),
        (Column::Metadata, Expr::value(user.metadata.to_json())),
        (Column::StytchUserId, Expr::value(user.stytch_user_id.clone())),
        (Column::LastSeenAt, forward(Column::LastSeenAt, user.last_seen_at.map(micros))),
    ];
    Update { id: user.id.0, version: user.version, set }
}

fn name(user: &User) -> Option<String> {
    user.name.as_ref().map(|name| name.as_str().to_owned())
}

fn name_key(user: &User) -> Option<String> {
    user.name.as_ref().map(|name| name.as_str().to_lowercase())
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

    async fn user_by_stytch_id(&self, stytch_user_id: &str) -> Answer<Option<User>> {
        self.one(Entity::find().filter(Column::StytchUserId.eq(stytch_user_id))).await
    }

    async fn users(&self, filter: &UserFilter, page: Page<UserId>) -> Answer<Vec<User>> {
        let after = page.after.map(|id| id.0);
        let list = |query| lists::piece(filtered(query, filter), Column::Id, after, page.limit);
        let Some(q) = lists::search_key(filter.q.as_deref()) else {
            return self.all(list(Entity::find())).await;
        };
        // Two queries, each with an index of its own, for an OR of both would have none.
        let begins = |column| list(Entity::find().filter(lists::begins_with(column, &q)));
        let mut users: Vec<User> = self.all(begins(Column::Email)).await?;
        users.extend(self.all(begins(Column::NameKey)).await?);
        Ok(newest(users, page.limit))
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

fn filtered(query: Select<Entity>, filter: &UserFilter) -> Select<Entity> {
    let query = match filter.role {
        Some(role) => query.filter(Column::Role.eq(role.as_str())),
        None => query,
    };
    match filter.status {
        Some(status) => query.filter(Column::Status.eq(status.as_str())),
        None => query,
    }
}

fn newest(mut users: Vec<User>, limit: u64) -> Vec<User> {
    users.sort_by_key(|user| std::cmp::Reverse(user.id));
    users.dedup_by_key(|user| user.id);
    users.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    users
}
