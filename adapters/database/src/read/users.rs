//! Reads of users, lists and searches included.

use async_trait::async_trait;
use guestlist_domain::{
    Cursor, Email, GuardName, Page, ReadUsers, RemovedAddress, Role, SearchPrefix, SortKey, User,
    UserFilter, UserId, UserStatus,
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, Select};
use uuid::Uuid;

use super::search::{Search, begins_with, newest_first};
use crate::error::{StoreResult, store_error};
use crate::store::SqlStore;
use crate::tables::users::{Column, Entity, MAX_COMMON_PREFIX};
use crate::tables::{guards, removed_addresses};

#[async_trait]
impl ReadUsers for SqlStore {
    async fn user(&self, id: UserId) -> StoreResult<Option<User>> {
        self.lookups.users.load(id).await
    }

    async fn user_by_email(&self, email: &Email) -> StoreResult<Option<User>> {
        self.lookups.users_by_email.load(email.clone()).await
    }

    async fn user_by_provider_id(&self, provider_user_id: &str) -> StoreResult<Option<User>> {
        self.one(Entity::find().filter(Column::ProviderUserId.eq(provider_user_id))).await
    }

    /// Returns a page of users. A search returns the users whose address begins with the query,
    /// then those whose name does.
    async fn users(
        &self,
        filter: &UserFilter,
        page: Page<Cursor<UserId>>,
    ) -> StoreResult<Vec<User>> {
        let Page { after, limit } = page;
        let Some(q) = &filter.q else {
            let after = after.map(|place| place.id.0);
            return self.all(newest_first(filtered(filter), Column::Id, after, limit)).await;
        };
        let (mut users, after_name) = match &after {
            Some(Cursor { id, sort_key: Some(SortKey::Name(name)) }) => {
                (Vec::new(), Some((name.as_str(), id.0)))
            }
            after => (self.search_by_email(filter, q, after.as_ref(), limit).await?, None),
        };
        let missing = limit.saturating_sub(users.len() as u64);
        if missing > 0 {
            users.extend(self.search_by_name(filter, q, after_name, missing).await?);
        }
        Ok(users)
    }

    async fn was_removed(&self, email: &Email) -> StoreResult<bool> {
        let hash = RemovedAddress::of(email).0.to_vec();
        self.exists(removed_addresses::Entity::find_by_id(hash)).await
    }

    async fn count_active_admins(&self) -> StoreResult<u64> {
        Entity::find()
            .filter(Column::Role.eq(Role::Admin.as_str()))
            .filter(Column::Status.eq(UserStatus::Active.as_str()))
            .count(self.database.read())
            .await
            .map_err(store_error)
    }

    async fn guard(&self, name: GuardName) -> StoreResult<i64> {
        let guard = guards::Entity::find_by_id(name.as_str());
        let row = guard.one(self.database.read()).await.map_err(store_error)?;
        Ok(row.map_or(0, |row| row.version))
    }
}

impl SqlStore {
    async fn search_by_email(
        &self,
        filter: &UserFilter,
        q: &SearchPrefix,
        after: Option<&Cursor<UserId>>,
        limit: u64,
    ) -> StoreResult<Vec<User>> {
        let after = after.and_then(|place| match &place.sort_key {
            Some(SortKey::Email(email)) => Some((email.as_str(), place.id.0)),
            _ => None,
        });
        let search = Search::<Entity> { key: Column::Email, id: None, prefix: q, after, limit };
        self.all_by_statement::<Entity, _>(&search.statement(&partitions(filter))).await
    }

    /// Returns users whose name, but not address, begins with the prefix.
    async fn search_by_name(
        &self,
        filter: &UserFilter,
        q: &SearchPrefix,
        after: Option<(&str, Uuid)>,
        limit: u64,
    ) -> StoreResult<Vec<User>> {
        let (key, id) = (Column::NameKey, Some(Column::Id));
        let search = Search::<Entity> { key, id, prefix: q, after, limit };
        let by_name_only = |partition: Condition| {
            name_only_partitions(q).map(move |named| partition.clone().add(named))
        };
        let partitions: Vec<_> = partitions(filter).into_iter().flat_map(by_name_only).collect();
        self.all_by_statement::<Entity, _>(&search.statement(&partitions)).await
    }
}

/// Splits the users that a filter admits into partitions that are each contiguous in an index.
fn partitions(filter: &UserFilter) -> Vec<Condition> {
    if filter.role.is_none() && filter.status.is_none() {
        return vec![Condition::all()];
    }
    let roles = filter.role.as_ref().map_or(Role::ALL, std::slice::from_ref);
    let statuses = filter.status.as_ref().map_or(UserStatus::ALL, std::slice::from_ref);
    let partition = |role: &Role, status: &UserStatus| {
        let role = Column::Role.eq(role.as_str());
        Condition::all().add(role).add(Column::Status.eq(status.as_str()))
    };
    roles
        .iter()
        .flat_map(|role| statuses.iter().map(move |status| partition(role, status)))
        .collect()
}

/// Partitions the users whose name begins with a prefix and whose address does not: their address
/// and name have fewer characters in common than the prefix is long.
fn name_only_partitions(q: &SearchPrefix) -> impl Iterator<Item = Condition> {
    let length = q.as_str().chars().count();
    let email = begins_with(Column::Email, q);
    (0..=MAX_COMMON_PREFIX).take(length).map(move |common| {
        let partition = Condition::all().add(Column::CommonPrefixLen.eq(common));
        if common < MAX_COMMON_PREFIX { partition } else { partition.add(email.clone().not()) }
    })
}

fn filtered(filter: &UserFilter) -> Select<Entity> {
    let role = filter.role.map(|role| Column::Role.eq(role.as_str()));
    let status = filter.status.map(|status| Column::Status.eq(status.as_str()));
    Entity::find().filter(Condition::all().add_option(role).add_option(status))
}
